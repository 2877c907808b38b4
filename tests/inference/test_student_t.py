"""Student's t without SciPy, held against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from paddlex.inference.student_t import t_quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 9, 17, 100, 999, 100_000])
def test_quantiles_are_those_of_scipy(freedom: int) -> None:
    probabilities = [0.01, 0.3, 0.6, 0.9, 0.95, 0.99, 0.999, 1 - 1e-6, 1 - 1e-9]
    found = [t_quantile(probability, freedom) for probability in probabilities]
    np.testing.assert_allclose(found, stats.t.ppf(probabilities, freedom), rtol=1e-8)


def test_half_of_all_values_are_below_0() -> None:
    assert t_quantile(0.5, 7) == pytest.approx(0, abs=1e-12)
