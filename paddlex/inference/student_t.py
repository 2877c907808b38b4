"""Student's t distribution, as far as thresholds need it: NumPy alone, for a device that has no SciPy."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

#: Nodes of the quadrature: right to 1e-9 of the quantile up to 100,000 degrees of freedom.
_NODES = 200

#: Halvings of an interval of length pi / 2: down to the last bit of a float64.
_HALVINGS = 60


@lru_cache(maxsize=1024)  # a learning curve asks thousands of times for the same few
def t_quantile(probability: float, freedom: int) -> float:
    """The value that Student's t with so many degrees of freedom stays below with a probability.

    With t = sqrt(freedom) / tan(a) the upper tail is c times the integral of sin(u)^(freedom - 1) over 0 <= u <= a, where c =
    gamma((freedom + 1) / 2) / (sqrt(pi) gamma(freedom / 2)) (the density, Abramowitz and Stegun 26.7.1, by substitution). It is
    found by Gauss and Legendre's quadrature, and a by halving.

    Args:
        probability: between 0 and 1.
        freedom: 1 or more.
    """
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    shares, weights = _quadrature()
    factor = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(math.pi) / 2

    def log_tail(angle: float) -> float:
        highest = math.sin(angle)
        inside = (np.sin(angle * shares) / highest) ** (freedom - 1)
        return factor + (freedom - 1) * math.log(highest) + math.log(angle * float(weights @ inside))

    low, high, wanted = 0.0, math.pi / 2, math.log(1 - probability)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if log_tail(middle) < wanted else (low, middle)
    return math.sqrt(freedom) / math.tan((low + high) / 2)


@lru_cache(maxsize=1)  # an eigenvalue problem of 200 x 200
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on 0..1, float64 [200] each. Do not change them."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2
