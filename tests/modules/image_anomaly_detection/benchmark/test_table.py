"""The table: means by hand, and texts that no name and no error can break."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paddlex.modules.image_anomaly_detection.benchmark import words
from paddlex.modules.image_anomaly_detection.benchmark.chart import dot_chart, figures_of, names_of
from paddlex.modules.image_anomaly_detection.benchmark.columns import csv_rows, duration, signed, to_markdown
from paddlex.modules.image_anomaly_detection.benchmark.comparison import Standing
from paddlex.modules.image_anomaly_detection.benchmark.published import CATEGORIES
from paddlex.modules.image_anomaly_detection.benchmark.table import Mean, Row, Table


def row(category: str, image: float | None, pixel: float | None, model: str = "toy", **more) -> Row:
    counts = {"found": 3, "false_alarms": 1, **more}
    return Row(
        category, model, train_images=20, normal_images=4, anomalous_images=5, image_auroc=image, pixel_auroc=pixel,
        training_minutes=2.0, image_milliseconds=12.34, model_megabytes=4.0, **counts,
    )  # fmt: skip


ROWS = [
    row("part", 0.9, 0.8),
    Row("cap", "toy", error="no | images <b>"),
    row("net", 0.6, None, found=5, false_alarms=0),
]
TABLE = Table.of(ROWS, ["toy"], 3, {})


def mean_of(rows: list[Row], total: int) -> Mean:
    return Table.of(rows, ["toy"], total, {}).means["toy"]


def compared(standings: dict[str, Standing]) -> Table:
    """Models on the category bottle, and their means, as they stand."""
    rows = [replace(row("bottle", 0.9 + one.difference, 0.8, model), standing=one) for model, one in standings.items()]
    means = {model: Mean.of([one], 1, one.standing) for model, one in zip(standings, rows, strict=True)}
    return Table(rows, means, 1)


CLEAR = compared({"STFPM": Standing(-0.03125, -0.06, -0.0004, False), "PatchCore": Standing(0, 0, 0, True)})
UNCLEAR = compared({"STFPM": Standing(-0.03125, -0.06, 0.01, False), "PatchCore": Standing(0, 0, 0, False)})


def test_the_mean_is_that_of_the_categories_and_not_of_their_images() -> None:
    mean = mean_of(ROWS, 3)
    assert mean.figures["image_auroc"] == pytest.approx(0.75)  # (0.9 + 0.6) / 2
    assert mean.figures["found_share"] == pytest.approx(0.8)  # (3/5 + 5/5) / 2
    assert mean.figures["false_alarm_share"] == pytest.approx(0.125)  # (1/4 + 0/4) / 2
    assert mean.figures["training_minutes"] == pytest.approx(2)


def test_a_category_without_a_figure_does_not_count_as_zero() -> None:
    mean = mean_of(ROWS, 3)
    assert mean.figures["pixel_auroc"] == pytest.approx(0.8)
    assert (mean.counts["image_auroc"], mean.counts["pixel_auroc"], mean.counts["aupro_30"]) == (2, 1, 0)
    assert mean.figures["aupro_30"] is None


def test_the_mean_says_of_how_many_categories_it_is() -> None:
    assert mean_of(ROWS, 3).name == "mean of 2 of 3 (pixel figures of 1)"
    assert mean_of([row("part", 0.9, 0.8), row("net", 0.6, 0.7)], 2).name == "mean of 2"


def test_each_model_has_a_mean_of_its_own() -> None:
    table = Table.of([row("part", 0.9, 0.8), row("part", 0.7, 0.8, "other")], ["toy", "other"], 1, {})
    assert [mean.figures["image_auroc"] for mean in table.means.values()] == [0.9, 0.7]


def test_the_csv_has_all_figures_in_full_and_the_mean_last() -> None:
    columns, *rows = csv_rows(TABLE)
    lines = [dict(zip(columns, line, strict=True)) for line in rows]
    assert [line["category"] for line in lines] == ["part", "cap", "net", "mean of 2 of 3 (pixel figures of 1)"]
    assert (lines[0]["image_auroc"], lines[0]["found"], lines[0]["anomalous_images"]) == (0.9, 3, 5)
    assert (lines[1]["image_auroc"], lines[1]["error"]) == (None, "no | images <b>")
    assert lines[2]["pixel_auroc"] is None
    assert lines[3]["image_auroc"] == pytest.approx(0.75)
    assert {line["model"] for line in lines} == {"toy"}


def test_the_csv_says_how_each_model_stands_and_what_is_published() -> None:
    columns, *rows = csv_rows(CLEAR)
    lines = [dict(zip(columns, line, strict=True)) for line in rows]
    for line in (lines[0], lines[2]):  # the category, and the mean
        assert (line["model"], line["is_best"], line["published_image_auroc"]) == ("STFPM", False, 0.979)
        assert (line["image_auroc_difference"], line["image_auroc_difference_high"]) == (-0.03125, -0.0004)
    assert (lines[1]["is_best"], lines[1]["published_image_auroc"]) == (True, 1.0)


def test_the_markdown_is_a_table_of_as_many_cells_in_every_line() -> None:
    lines = to_markdown(TABLE).splitlines()
    cells = [line.replace("\\|", "").count("|") for line in lines]
    assert cells == [10] * 6
    assert lines[2].startswith("| part | 0.900 | 0.800 | not measurable | 60\N{NO-BREAK SPACE}% (3 of 5) |")
    assert lines[2].endswith("| 2.0\N{NO-BREAK SPACE}min | 12.3 | 4.0 |")
    assert lines[3].startswith("| cap | failed: no \\| images &lt;b> |")
    assert lines[5].startswith("| **mean of 2 of 3 (pixel figures of 1)** | **0.750** | **0.800** |")


def test_of_several_models_the_markdown_marks_the_best_only_where_that_is_no_chance() -> None:
    clear, unclear = to_markdown(CLEAR).splitlines(), to_markdown(UNCLEAR).splitlines()
    assert clear[0].startswith("| category | model | image AUROC | behind the highest | pixel AUROC |")
    assert clear[2].startswith("| bottle | STFPM | 0.869 | −0.031 (−0.060 to −0.0004) | 0.800 |")
    assert clear[3].startswith("| bottle | PatchCore | **0.900** | best | 0.800 |")
    assert unclear[2].startswith("| bottle | STFPM | 0.869 | −0.031 (−0.060 to 0.010) | 0.800 |")
    assert unclear[3].startswith("| bottle | PatchCore | 0.900 | highest | 0.800 |")


def test_published_figures_stand_beside_those_of_mvtec_ads_categories_alone() -> None:
    assert "published" not in to_markdown(TABLE)
    lines = to_markdown(CLEAR).splitlines()
    assert [line.split(" | ")[-1] for line in lines[2:4]] == ["0.979 |", "1.000 |"]
    mixed = Table.of([row("bottle", 0.9, 0.8, "STFPM"), row("part", 0.9, 0.8, "STFPM")], ["STFPM"], 2, {})
    assert mixed.means["STFPM"].figures["published_image_auroc"] is None  # it would be one over other categories


def test_the_name_of_a_category_makes_no_picture_or_link_in_the_markdown() -> None:
    rows = [row("![x](http://host/x.png)", 0.9, 0.8), row("a\x1b[2J\u202e`", 0.9, 0.8)]
    lines = to_markdown(Table.of(rows, ["toy"], 2, {})).splitlines()
    assert lines[2].startswith("| !\\[x\\](http://host/x.png) | 0.900 |")
    assert lines[3].startswith("| a\\\\u001b\\[2J\\\\u202e\\` | 0.900 |")


@pytest.mark.parametrize(
    ("value", "text"), [(-0.03125, "−0.031"), (0.25, "0.250"), (-0.0004, "−0.0004"), (0.0, "0"), (-1e-9, "−0.000")]
)
def test_a_difference_that_is_none_alone_reads_zero(value: float, text: str) -> None:
    assert signed(value) == text


def test_fitting_takes_seconds_or_minutes() -> None:
    assert duration(0.25) == "15\N{NO-BREAK SPACE}s"
    assert duration(12.34) == "12.3\N{NO-BREAK SPACE}min"


def test_the_headline_names_the_weakest_and_how_many_there_are() -> None:
    text = words.headline(TABLE)
    assert text.startswith("Over 2 of 3 categories, mean image AUROC 0.750, pixel AUROC 0.800, AUPRO not measurable. ")
    assert "found 80.0\N{NO-BREAK SPACE}% of the defective parts, and called 12.5\N{NO-BREAK SPACE}% of" in text
    assert text.endswith("The weakest is net, with an image AUROC of 0.600.")
    assert words.headline(Table.of([], ["toy"], 3, {})) == "No category has figures."


def test_the_headline_of_several_models_says_whether_the_highest_is_so_by_chance() -> None:
    behind = (
        "PatchCore has the highest image AUROC, on average over the categories that all models have judged. STFPM is "
    )
    assert words.headline(CLEAR).startswith(f"{behind}0.031 (0.0004 to 0.060) behind. At its own thresholds PatchCore ")
    assert words.headline(UNCLEAR).startswith(f"{behind}0.031 (−0.010 to 0.060) behind, which may be chance. ")


def test_the_notes_say_what_failed_what_is_missing_and_what_was_passed_over() -> None:
    assert words.notes(Table.of(ROWS, ["toy"], 4, {}), others=["extra", "zip"]) == [
        "cap failed: no | images <b>",
        "A mean without the failed categories is not to be compared with a published one.",
        "The benchmark has not come to its end: 3 of 4 categories are done.",
        "Passed over, because they are no categories: extra, zip.",
    ]


def test_the_notes_say_which_models_have_settings_of_their_own() -> None:
    (note,) = words.notes(Table.of([], ["toy", "PaDiM"], 0, {}), [], by_default=["PaDiM"])
    assert note.startswith("Trained with the defaults of their own, ")
    assert note.endswith(" of this config: PaDiM.")


def test_published_means_are_over_the_categories_at_hand_with_their_source() -> None:
    rows = [row("screw", 0.9, 0.9), row("bottle", 0.9, 0.9), row("part", 0.9, 0.9)]
    (note,) = words.notes(Table.of(rows, ["toy"], 3, {}), others=[])
    assert note.startswith("Published image AUROC on MVTec AD, mean over bottle, screw: STFPM (ResNet-18) 0.907, ")
    assert "PatchCore (Wide ResNet-50) 0.980, EfficientAD-S 0.980. The source: anomalib, seed 42" in note


def test_the_papers_means_are_named_for_the_whole_data_set_that_they_are_of_and_no_other() -> None:
    mvtec_ad = [row(name, 0.9, 0.9) for name in CATEGORIES]
    _, note = words.notes(Table.of(mvtec_ad, ["toy"], 15, {}), others=[])
    assert "0.955 / 0.970" in note
    assert "0.948 / 0.962" in note
    assert len(words.notes(Table.of(mvtec_ad[:14], ["toy"], 14, {}), others=[])) == 1


def chart_of(table: Table) -> str:
    return dot_chart(figures_of(table), names_of(table))


def test_the_chart_holds_every_figure_and_no_dot_for_a_missing_one() -> None:
    chart = chart_of(Table.of([row("<b>", 0.9, 0.8, aupro_30=0.45), row("net", 0.6, None)], ["toy"], 2, {}))
    assert chart.count('class="dot image"') == 2
    assert chart.count('class="dot pixel"') == 1
    assert chart.count('class="dot region"') == 1
    assert "<b>" not in chart
    assert "net: image AUROC 0.600, pixel AUROC not measurable, AUPRO (0.3) not measurable." in chart


def test_of_several_models_the_chart_holds_the_image_auroc_of_each() -> None:
    chart = chart_of(CLEAR)
    assert (chart.count('class="dot image"'), chart.count('class="dot pixel"')) == (1, 1)
    assert "bottle: STFPM 0.869, PatchCore 0.900." in chart
