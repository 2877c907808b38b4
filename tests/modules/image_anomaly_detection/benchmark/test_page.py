"""The benchmark's page: what it says of each run, and that names and errors are text in it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from paddlex.config import load_config
from paddlex.modules.image_anomaly_detection.benchmark.page import write_page
from paddlex.modules.image_anomaly_detection.benchmark.table import Row, Table

CONFIGS = Path(__file__).parents[4] / "paddlex" / "configs" / "image_anomaly_detection"
NASTY = "<b>cap</b> & \u202e.png"
SEEN = r"<b>cap</b> & \u202e.png"


class Page(HTMLParser):
    """A parsed page: its elements, its links, and the text of each cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.links: list[str] = []
        self.cells: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.links += [value for name, value in attrs if name == "href" and value]
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells:
            self.cells[-1] += data.strip()


def row(category: str, model: str, auroc: float) -> Row:
    return Row(
        category, model, train_images=1200, normal_images=4, anomalous_images=5, image_auroc=auroc, image_auroc_low=auroc,
        image_auroc_high=1.0, found=3, false_alarms=1, training_minutes=2.0,
    )  # fmt: skip


def written(folder: Path, table: Table, *models: str) -> Page:
    configs = {model: load_config(str(CONFIGS / f"{model}.yaml"), [f"Global.dataset_dir={folder}"]) for model in models}
    write_page(folder / "report.html", configs[models[0]], configs, table, [NASTY])
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture
def of_one(tmp_path: Path) -> Page:
    rows = [row("bottle", "STFPM", 0.9), row(NASTY, "STFPM", 0.8), Row("net", "STFPM", error=NASTY)]
    return written(tmp_path, Table.of(rows, ["STFPM"], 3, {}), "STFPM")


def test_names_and_errors_are_text_in_which_nothing_hides(of_one: Page) -> None:
    assert "b" not in of_one.elements
    assert f"failed: {SEEN}" in of_one.cells
    assert f"Passed over, because they are no categories: {SEEN}." in of_one.text
    assert "\u202e" not in of_one.text


def test_each_run_has_a_line_with_its_figures_and_leads_to_its_report_the_weakest_first(of_one: Page) -> None:
    begin = of_one.cells.index(f"{SEEN}1,200 / 4 / 5")
    assert of_one.cells[begin + 1] == "0.8000.80 to 1.00"
    assert of_one.cells.index("bottle1,200 / 4 / 5") > begin
    assert [link for link in of_one.links if link.endswith("evaluate/report.html")] == [
        "categories/%3Cb%3Ecap%3C/b%3E%20%26%20%E2%80%AE.png/STFPM/evaluate/report.html",
        "categories/bottle/STFPM/evaluate/report.html",
    ]


def test_of_several_models_a_category_is_named_once_and_each_model_has_its_mean(tmp_path: Path) -> None:
    rows = [row("bottle", model, 0.9) for model in ("STFPM", "PaDiM")]
    page = written(tmp_path, Table.of(rows, ["STFPM", "PaDiM"], 1, {}), "STFPM", "PaDiM")
    assert page.cells.count("bottle1,200 / 4 / 5") == 1
    assert page.cells.count("mean of 1") == 2
    assert [link for link in page.links if link.startswith("#")] == ["#summary", "#summary", "#table", "#chart"]
