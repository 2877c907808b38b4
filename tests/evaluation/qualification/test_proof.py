"""What a sample proves: against SciPy's binomial distribution and figures that handbooks print."""

import pytest
from scipy import stats

from paddlex.evaluation.qualification.proof import Counted, parts_needed, sample_table


def test_three_hundred_found_of_three_hundred_prove_that_at_most_one_per_cent_is_missed() -> None:
    none = Counted(0, 300)
    assert none.at_most == pytest.approx(1 - 0.05 ** (1 / 300))  # (1 - p)^300 = 0.05
    assert none.proves("missed") == "at most 1.0\N{NO-BREAK SPACE}% missed, at 95\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(("count", "total"), [(0, 5), (1, 5), (3, 40), (40, 40)])
def test_the_bound_is_where_so_few_failures_have_a_chance_of_one_in_twenty(count: int, total: int) -> None:
    bound = Counted(count, total).at_most
    assert stats.binom.cdf(count, total, bound) == pytest.approx(1 if count == total else 0.05)


@pytest.mark.parametrize("failures", [0, 1, 2])
@pytest.mark.parametrize("share", [0.3, 0.05, 0.01])
def test_the_parts_needed_are_the_fewest_that_prove_it(share: float, failures: int) -> None:
    n = parts_needed(share, failures)
    assert stats.binom.cdf(failures, n, share) <= 0.05 < stats.binom.cdf(failures, n - 1, share)


def test_the_table_has_the_figures_that_are_known_by_heart() -> None:
    table = dict(sample_table())
    assert table[0.05] == [59, 93, 124]  # "59 without a failure": 95 % confidence, 95 % reliability
    assert table[0.01][0] == 299
