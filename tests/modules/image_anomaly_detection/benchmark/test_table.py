"""The table: means by hand, and texts that no name and no error can break."""

from __future__ import annotations

import pytest

from paddlex.modules.image_anomaly_detection.benchmark import words
from paddlex.modules.image_anomaly_detection.benchmark.chart import dot_chart
from paddlex.modules.image_anomaly_detection.benchmark.table import Mean, Row, csv_rows, mean_name, to_markdown


def row(category: str, image: float | None, pixel: float | None, found: int = 3, false_alarms: int = 1, **more) -> Row:
    return Row(
        category, train_images=20, normal_images=4, anomalous_images=5, image_auroc=image, pixel_auroc=pixel,
        found=found, false_alarms=false_alarms, training_minutes=2.0, **more,
    )  # fmt: skip


ROWS = [row("bottle", 0.9, 0.8), Row("cable", error="no | images <b>"), row("grid", 0.6, None, found=5, false_alarms=0)]


def test_the_mean_is_that_of_the_categories_and_not_of_their_images() -> None:
    mean = Mean.of(ROWS)
    assert mean.figures["image_auroc"] == pytest.approx(0.75)  # (0.9 + 0.6) / 2
    assert mean.figures["found_share"] == pytest.approx(0.8)  # (3/5 + 5/5) / 2
    assert mean.figures["false_alarm_share"] == pytest.approx(0.125)  # (1/4 + 0/4) / 2
    assert mean.figures["training_minutes"] == pytest.approx(2)


def test_a_category_without_a_figure_does_not_count_as_zero() -> None:
    mean = Mean.of(ROWS)
    assert mean.figures["pixel_auroc"] == pytest.approx(0.8)
    assert (mean.counts["image_auroc"], mean.counts["pixel_auroc"], mean.counts["aupro_30"]) == (2, 1, 0)
    assert mean.figures["aupro_30"] is None


def test_the_mean_says_of_how_many_categories_it_is() -> None:
    assert mean_name(ROWS, Mean.of(ROWS), total=3) == "mean of 2 of 3 (pixel figures of 1)"
    complete = [row("bottle", 0.9, 0.8), row("grid", 0.6, 0.7)]
    assert mean_name(complete, Mean.of(complete), total=2) == "mean of 2"


def test_the_csv_has_all_figures_in_full_and_the_mean_last() -> None:
    columns, *rows = csv_rows(ROWS, Mean.of(ROWS), total=3)
    lines = [dict(zip(columns, row, strict=True)) for row in rows]
    assert [line["category"] for line in lines] == ["bottle", "cable", "grid", "mean of 2 of 3 (pixel figures of 1)"]
    assert (lines[0]["image_auroc"], lines[0]["found"], lines[0]["anomalous_images"]) == (0.9, 3, 5)
    assert (lines[1]["image_auroc"], lines[1]["error"]) == (None, "no | images <b>")
    assert lines[2]["pixel_auroc"] is None
    assert lines[3]["image_auroc"] == pytest.approx(0.75)


def test_the_markdown_is_a_table_of_as_many_cells_in_every_line() -> None:
    lines = to_markdown(ROWS, Mean.of(ROWS), total=3).splitlines()
    cells = [line.replace("\\|", "").count("|") for line in lines]
    assert cells == [8] * 6
    assert lines[2].startswith("| bottle | 0.900 | 0.800 | not measurable | 60\N{NO-BREAK SPACE}% (3 of 5) |")
    assert lines[3].startswith("| cable | failed: no \\| images &lt;b> |")
    assert lines[5].startswith("| **mean of 2 of 3 (pixel figures of 1)** | **0.750** | **0.800** |")


def test_the_name_of_a_category_makes_no_picture_or_link_in_the_markdown() -> None:
    rows = [row("![x](http://host/x.png)", 0.9, 0.8), row("a\x1b[2J\u202e`", 0.9, 0.8)]
    lines = to_markdown(rows, Mean.of(rows), total=2).splitlines()
    assert lines[2].startswith("| !\\[x\\](http://host/x.png) | 0.900 |")
    assert lines[3].startswith("| a\\\\u001b\\[2J\\\\u202e\\` | 0.900 |")


def test_the_headline_names_the_weakest_and_how_many_there_are() -> None:
    finished = [ROWS[2], ROWS[0]]
    text = words.headline(finished, Mean.of(ROWS), total=3)
    assert text.startswith("Over 2 of 3 categories, mean image AUROC 0.750, pixel AUROC 0.800, AUPRO not measurable. ")
    assert "found 80.0\N{NO-BREAK SPACE}% of the defective parts, and called 12.5\N{NO-BREAK SPACE}% of" in text
    assert text.endswith("The weakest is grid, with an image AUROC of 0.600.")
    assert words.headline([], Mean.of([]), total=3) == "No category has figures."


def test_the_notes_say_what_failed_what_is_missing_and_what_was_passed_over() -> None:
    assert words.notes(ROWS, total=4, others=["extra", "zip"]) == [
        "cable failed: no | images <b>",
        "A mean without the failed categories is not to be compared with a published one.",
        "The benchmark has not come to its end: 3 of 4 categories are done.",
        "Passed over, because they are no categories: extra, zip.",
    ]


def test_the_published_means_are_named_for_the_data_set_that_they_are_of_and_no_other() -> None:
    names = (
        "bottle cable capsule carpet grid hazelnut leather metal_nut pill screw tile toothbrush transistor wood zipper"
    )
    mvtec_ad = [row(name, 0.9, 0.9) for name in names.split()]
    (note,) = words.notes(mvtec_ad, total=15, others=[])
    assert "0.955 / 0.970" in note
    assert "0.948 / 0.962" in note
    assert words.notes(mvtec_ad[:14], total=14, others=[]) == []


def test_the_chart_holds_every_figure_and_no_dot_for_a_missing_one() -> None:
    chart = dot_chart([row("<b>", 0.9, 0.8, aupro_30=0.45), row("grid", 0.6, None)])
    assert chart.count('class="dot image"') == 2
    assert chart.count('class="dot pixel"') == 1
    assert chart.count('class="dot region"') == 1
    assert "<b>" not in chart
    assert "grid: image AUROC 0.600, pixel AUROC not measurable, AUPRO (0.3) not measurable." in chart
