"""evaluate/report.html as a browser reads it: whole, safe, offline, and with the evaluation's own numbers."""

import json
import re
import shutil
import sys
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from markupsafe import Markup

from paddlex.config import load_config
from paddlex.data.dataset import VAL_LIST, Sample
from paddlex.evaluation import evaluator
from paddlex.evaluation.analyses import NotMade
from paddlex.evaluation.metrics import image_metrics
from paddlex.evaluation.report import write_report
from paddlex.evaluation.report.findings import finding_sections
from paddlex.evaluation.report.rendering import Section
from paddlex.modes import evaluate

EMPTY = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """A parsed page: its tags with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words, self.badly_nested = [], [], [], []
        self.source = text
        self.feed(text)
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, name, attributes):
        self.tags.append((name, dict(attributes)))
        if name not in EMPTY:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.tags.append((name, dict(attributes)))

    def handle_endtag(self, name):
        if not self.open or self.open.pop() != name:
            self.badly_nested.append(name)

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="session")
def make_page(predictor, tmp_path_factory):
    def make(evaluation, title="Evaluation", about=None, more=()):
        path = tmp_path_factory.mktemp("report") / "evaluate" / "report.html"
        write_report(evaluation, predictor, path, title=title, about=about or {"Model": "STFPM"}, more=more)
        return Page(path.read_text(encoding="utf-8"))

    return make


@pytest.fixture(scope="session")
def page(make_page, evaluation):
    return make_page(evaluation)


class TestFile:
    def test_it_is_well_nested(self, page):
        assert page.badly_nested == []
        assert page.open == []

    def test_nothing_is_loaded_from_outside(self, page):
        addresses = [attributes[key] for _, attributes in page.tags for key in ("src", "href") if key in attributes]
        outside = {address for address in addresses if not address.startswith(("data:image/", "#"))}
        assert outside == {"per_image.csv"}
        assert not page.all("script") and not page.all("link")
        assert "@import" not in page.source

    def test_every_link_within_the_page_has_a_target(self, page):
        targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
        links = {link["href"][1:] for link in page.all("a") if link["href"].startswith("#")}
        assert links <= targets

    def test_no_two_elements_share_an_id(self, page):
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids))

    def test_every_picture_says_what_it_shows(self, page):
        assert all("alt" in picture for picture in page.all("img"))
        charts = [chart for chart in page.all("svg") if chart.get("class") == "chart"]
        assert len(charts) == 4
        assert all("aria-labelledby" in chart for chart in charts)

    def test_a_section_of_an_analysis_stands_before_the_gallery_and_in_the_list_of_sections(
        self, make_page, evaluation_of
    ):
        analysis = Section("light", "How much light it stands", "Light", Markup("<p>Enough.</p>"))
        page = make_page(evaluation_of([], []), more=[analysis])
        assert [section["id"] for section in page.all("section") if "id" in section][-2:] == ["light", "gallery"]
        assert page.text.index("Scores Light Gallery") < page.text.index("How much light it stands Enough.")

    def test_the_same_evaluation_gives_the_same_file(self, make_page, evaluation, page):
        assert make_page(evaluation).source == page.source


def test_every_analysis_has_a_section_with_its_words_and_one_that_was_not_made_with_the_reason(make_page, evaluation):
    finding = SimpleNamespace(words=lambda: ["Found 1 < 2."])
    findings = {"one": finding, "detectability": NotMade("there are no good parts")}
    page = make_page(evaluation, more=finding_sections(findings))
    assert {"one", "detectability"} <= {section.get("id") for section in page.all("section")}
    assert "Found 1 < 2." in page.text and "This could not be measured: there are no good parts." in page.text
    assert {"#one", "#detectability"} <= {link["href"] for link in page.all("a")}
    assert page.badly_nested == []


class TestContents:
    def test_the_headline_has_the_numbers_of_the_evaluation(self, page, evaluation):
        decisions, metrics = evaluation.image.confusion, evaluation.to_dict()
        counts = re.search(
            r"Of 10 defective parts (\S+) w\w+ found .* of 4 good parts (\S+) w\w+ called bad", page.text
        )
        expected = [{0: "none", total: "all"}.get(n, str(n)) for n, total in
                    ((decisions.true_positive, 10), (decisions.false_positive, 4))]  # fmt: skip
        assert list(counts.groups()) == expected
        assert f"Image AUROC {metrics['image_auroc']:.3f}" in page.text
        assert f"AUPRO {metrics['aupro']:.3f}" in page.text

    def test_every_defect_type_has_its_row(self, page, evaluation):
        for name, metrics in evaluation.pixel_by_type.items():
            assert re.search(rf"{name}\d+ .*?{metrics.auroc:.3f}{metrics.aupro_30:.3f}", page.text)

    def test_every_card_has_the_image_and_its_heat_map(self, page, evaluation):
        texts = [picture["alt"] for picture in page.all("img") if picture["alt"]]
        assert len(texts) == 2 * len(evaluation.rows)  # so few images are all shown
        for row in evaluation.rows:
            assert f"Heat map of {row.sample.image}" in texts

    def test_defects_are_outlined_as_predicted_and_as_they_are(self, page):
        kinds = {attributes.get("class") for attributes in page.all("path")}
        assert {"predicted", "true"} <= kinds

    def test_worst_miss_is_first(self, make_page, evaluation):
        """Were every image called normal, the gallery would begin with the defect of the lowest score."""
        rows = [replace(row, called_anomalous=False) for row in evaluation.rows]
        worst = min((row for row in rows if row.is_anomalous), key=lambda row: row.raw_score)
        pictures = [
            picture["alt"] for picture in make_page(replace(evaluation, rows=rows)).all("img") if picture["alt"]
        ]
        assert pictures[0].startswith(worst.sample.image)

    @pytest.mark.parametrize("is_anomalous", [True, False])
    def test_one_kind_of_images_alone_gives_reasons_in_place_of_numbers(
        self, make_page, predictor, evaluation, is_anomalous
    ):
        samples = [row.sample for row in evaluation.rows if row.is_anomalous == is_anomalous]
        page = make_page(evaluator.evaluate(predictor, samples))
        absent = "normal" if is_anomalous else "anomalous"
        assert f"AUROC is not measurable: there are no {absent} images" in page.text
        assert "None" not in page.text.replace("None.", "")
        assert "nan" not in page.text.split()
        sections = {section.get("id") for section in page.all("section")}
        assert sections >= {"summary", "scores", "gallery"} and ("curves" in sections) is is_anomalous


class TestHostileNames:
    FOLDER = 'a&b <img src=x onerror=alert(1)> "q"'

    @pytest.fixture(scope="class")
    def hostile(self, make_page, predictor, evaluation, tmp_path_factory):
        root = tmp_path_factory.mktemp("data")
        samples = []
        for row in evaluation.rows:
            if not row.sample.mask and len(samples) > 3:
                continue
            stem = f"{self.FOLDER if row.is_anomalous else 'good'}/中文 é <script>&amp;{row.sample.line}"
            mask = f"{stem}_mask.png" if row.sample.mask else None
            (root / stem).parent.mkdir(exist_ok=True)
            shutil.copy(row.sample.image_path, root / f"{stem}.jpg")
            if mask:
                shutil.copy(row.sample.mask_path, root / mask)
            samples.append(Sample(root, f"{stem}.jpg", mask, VAL_LIST, row.sample.line))
        return make_page(evaluator.evaluate(predictor, samples), title="<b>T</b> & co", about={"Data set": "<i>x</i>"})

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no such names")
    def test_names_are_text_and_never_markup(self, hostile):
        assert self.FOLDER in hostile.text
        assert "中文 é <script>&amp;" in hostile.text
        assert "<b>T</b> & co" in hostile.text
        assert not any("onerror" in attributes for attributes in hostile.all("img"))
        assert not hostile.all("script") and not hostile.all("i")
        assert hostile.badly_nested == []


class TestManyImages:
    @pytest.fixture(scope="class")
    def many(self, make_page, evaluation):
        random, limit = np.random.default_rng(0), evaluation.limits.image
        rows = []
        for row in (evaluation.rows * 400)[:5000]:
            raw = limit.threshold * random.uniform(0.5, 1.5)
            decision = {"raw_score": raw, "called_anomalous": raw > limit.threshold}
            rows.append(replace(row, score=float(limit.normalise(raw)), **decision))
        scores = [np.array([row.raw_score for row in rows if row.is_anomalous == kind]) for kind in (False, True)]
        image = image_metrics(*scores, limit.threshold, resamples=20)
        return make_page(replace(evaluation, rows=rows, image=image))

    def test_the_file_stays_small(self, many):
        assert len(many.source) < 5e6

    def test_the_gallery_shows_some_and_says_of_how_many(self, many):
        assert sum(bool(picture["alt"]) for picture in many.all("img")) == 2 * (24 + 24 + 8 + 8)
        assert re.search(r"24 of \d,?\d+ are shown", many.text)


def test_mode_evaluate_writes_the_report_beside_the_table(trained_copy, demo_dataset):
    config = load_config(
        str(trained_copy / "config.yaml"),
        ["Global.mode=evaluate", f"Global.output={trained_copy}", "Global.device=cpu", "Evaluate.analyses=[]"],
    )
    result = evaluate(config)
    page = Page((trained_copy / result["report"]).read_text(encoding="utf-8"))
    assert f"on {demo_dataset.name}" in page.text
    assert f"{result['metrics']['image_auroc']:.3f}" in page.text
    links = [link["href"] for link in page.all("a") if not link["href"].startswith("#")]
    assert all((trained_copy / "evaluate" / link).is_file() for link in links)


def test_the_analyses_read_pictures_as_the_model_does(trained_copy, demo_dataset, tmp_path, monkeypatch):
    """Pictures of a camera of 12 bits do not say themselves that they have no more; the model's card does."""
    card = trained_copy / "best_model" / "model.pdstates"
    card.write_text(json.dumps({**json.loads(card.read_text(encoding="utf-8")), "bit_depth": 12}), encoding="utf-8")
    (card.parent / "manifest.json").unlink()  # the card is another one now
    photo = cv2.imread(str(demo_dataset / "images/val/good/000.jpg"))
    data = tmp_path / "deep"
    data.mkdir()
    cv2.imwrite(str(data / "0.png"), photo.astype(np.uint16) * 16)
    (data / "val.txt").write_text("0.png\n", encoding="utf-8")
    subjects = []
    monkeypatch.setattr(
        "paddlex.evaluation.analyses.analyse", lambda names, subject, more: subjects.append(subject) or {}
    )
    options = [
        "Global.mode=evaluate",
        f"Global.output={trained_copy}",
        "Global.device=cpu",
        f"Global.dataset_dir={data}",
    ]
    evaluate(load_config(str(trained_copy / "config.yaml"), options))
    (seen,) = subjects[0].good_parts
    np.testing.assert_allclose(seen.read(), photo, atol=1)
