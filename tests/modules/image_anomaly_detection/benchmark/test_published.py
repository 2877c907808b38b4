"""Published figures, copied by hand from their source."""

from __future__ import annotations

import pytest

from paddlex.modules.image_anomaly_detection.benchmark.published import CATEGORIES, PUBLISHED


@pytest.mark.parametrize(
    ("name", "average"), [("STFPM", 0.893), ("PaDiM", 0.891), ("PatchCore", 0.980), ("EfficientAD-S", 0.982)]
)
def test_the_figures_have_the_average_that_their_source_prints_beside_them(name: str, average: float) -> None:
    figures = PUBLISHED[name].image_auroc
    assert set(figures) == set(CATEGORIES)
    assert sum(figures.values()) / 15 == pytest.approx(average, abs=0.0006)  # both are rounded to three decimals


def test_the_categories_that_turn_easiest_into_another_column_are_where_they_belong() -> None:
    assert PUBLISHED["STFPM"].image_auroc["zipper"] == 0.645
    assert PUBLISHED["PaDiM"].image_auroc["hazelnut"] == 0.750
    assert PUBLISHED["PatchCore"].image_auroc["pill"] == 0.924
    assert PUBLISHED["EfficientAD-S"].image_auroc["screw"] == 0.960
