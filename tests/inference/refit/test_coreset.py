"""The coreset against the greedy algorithm as it is written (PatchCore, algorithm 1), and against drawing at random."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from paddlex.inference.refit.coreset import (
    PROJECTION,
    greedy_coreset,
    nearest_squares,
)

RANDOM = np.random.default_rng(0)
#: Most patches are alike, few are not, as on a photo of a part on a table; more of them than one round looks at.
PATCHES = np.vstack([0.1 * RANDOM.normal(size=(2000, 24)), RANDOM.normal(size=(200, 24))]).astype(np.float32)


def as_it_is_written(patches: np.ndarray, size: int) -> list[int]:
    distances = cdist(patches, patches)
    chosen = [int(np.linalg.norm(patches - patches.mean(axis=0), axis=1).argmin())]
    while len(chosen) < size:
        chosen.append(int(distances[:, chosen].min(axis=1).argmax()))
    return chosen


def radius(patches: np.ndarray, chosen: np.ndarray) -> float:
    """How far from the chosen ones a patch can be."""
    return float(cdist(patches, patches[chosen]).min(axis=1).max())


def test_each_choice_is_the_patch_farthest_from_those_before_it():
    patches = PATCHES.astype(np.float64)
    assert greedy_coreset(PATCHES, 300, seed=0).tolist() == as_it_is_written(patches, 300)


def test_all_but_one_patch_can_be_chosen():
    patches = PATCHES[::20]
    assert greedy_coreset(patches, len(patches) - 1, seed=0).tolist() == as_it_is_written(patches, len(patches) - 1)


def test_a_coreset_leaves_no_patch_as_far_away_as_patches_drawn_at_random_do():
    wide = np.hstack([PATCHES, PATCHES @ RANDOM.normal(size=(24, 200))]).astype(np.float32)
    assert wide.shape[1] > PROJECTION
    random = RANDOM.permutation(len(wide))[:200]
    assert radius(wide, greedy_coreset(wide, 200, seed=0)) < 0.8 * radius(wide, random)


def test_the_projection_is_fixed_by_its_seed():
    wide = RANDOM.normal(size=(500, 100)).astype(np.float32)
    first, again, other = (greedy_coreset(wide, 50, seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("size", [2200, 3000])
def test_no_fewer_patches_than_asked_for_are_all_chosen(size):
    assert greedy_coreset(PATCHES, size, seed=0).tolist() == list(range(2200))


def test_patches_that_are_all_alike_are_each_chosen_once():
    assert len(set(greedy_coreset(np.ones((1000, 8), np.float32), 600, seed=0))) == 600


def test_squared_distances_to_the_nearest_are_those_of_scipy():
    points, others = (RANDOM.normal(size=(count, 30)).astype(np.float32) for count in (2500, 40))
    expected = cdist(points, others, "sqeuclidean").min(axis=1)
    np.testing.assert_allclose(nearest_squares(points, others), expected, rtol=1e-5)
