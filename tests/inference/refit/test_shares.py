"""Which pictures give how many patches to the pool."""

from __future__ import annotations

import numpy as np
import pytest

from paddlex.inference.refit.features import FOLDS, shares


@pytest.mark.parametrize(("pictures", "total"), [(1, 7), (3, 7), (7, 7), (209, 40_000), (200_000, 40_000)])
def test_together_they_give_the_total_and_each_about_the_same(pictures: int, total: int) -> None:
    each = shares(pictures, total)
    assert (len(each), each.sum()) == (pictures, total)
    assert each.max() - each.min() <= 1


@pytest.mark.parametrize("pictures", [80_000, 100_000, 200_000])
def test_where_most_pictures_give_none_every_fold_still_gives_its_part(pictures: int) -> None:
    folds = np.bincount(np.arange(pictures) % FOLDS, weights=shares(pictures, 40_000))
    assert folds == pytest.approx(40_000 / FOLDS, rel=0.05)
