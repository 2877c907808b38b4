"""Intervals of counted shares are the exact ones of SciPy, also where none or all were counted."""

import pytest
from scipy.stats import binomtest

from paddlex.evaluation.metrics import share_interval


@pytest.mark.parametrize("confidence", [0.9, 0.95])
@pytest.mark.parametrize(("count", "total"), [(0, 1), (1, 1), (0, 24), (2, 24), (23, 24), (24, 24), (12, 5000)])
def test_it_is_the_exact_interval(count, total, confidence):
    expected = binomtest(count, total).proportion_ci(confidence, method="exact")
    assert share_interval(count, total, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)
