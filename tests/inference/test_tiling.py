"""Tiles cover an image, and what comes back from them is one map without seams."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex import create_model
from paddlex.errors import ModelError
from paddlex.inference import tiling as tiling_module
from paddlex.inference.model_folder import open_model_folder
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.tiling import TileGrid, Tiling, blended_map

#: Image sizes (height, width), tile size and overlap: fitting, with a rest, narrower than a tile, smaller, one pixel more.
GRIDS = [
    ((64, 64), 32, 0.0),
    ((100, 75), 32, 0.25),
    ((33, 32), 32, 0.25),
    ((97, 32), 32, 0.5),
    ((20, 150), 32, 0.25),
    ((10, 7), 32, 0.3),
    ((32, 32), 32, 0.25),
    ((1, 40), 16, 0.5),
]


@pytest.fixture(scope="module")
def photo(images: list[str]) -> np.ndarray:
    """uint8 [250, 330, 3]: a defective picture and its mirror images, so that nothing but the tiles has borders in it."""
    return np.pad(cv2.imread(images[3]), ((0, 122), (0, 202), (0, 0)), mode="reflect")


def random_image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(height, width, 3), dtype=np.uint8)


def first_channel(tiles: list[np.ndarray]) -> np.ndarray:
    """A network that answers with what it sees: the map of a tile is its first channel."""
    return np.stack([tile[:, :, 0] for tile in tiles]).astype(np.float32)


# The grid


@pytest.mark.parametrize(("size", "tile", "overlap"), GRIDS)
def test_tiles_cover_every_pixel_and_begin_and_end_at_the_edges(size, tile, overlap):
    grid = TileGrid.over(*size, Tiling(tile, overlap))
    for length, starts in zip(size, (grid.tops, grid.lefts), strict=True):
        covered = {pixel for start in starts for pixel in range(start, min(start + tile, length))}
        assert covered == set(range(length))
        assert starts[0] == 0
        assert max(starts) + tile == max(length, tile)
        assert list(starts) == sorted(set(starts))


@pytest.mark.parametrize(("size", "tile", "overlap"), GRIDS)
def test_neighbours_overlap_at_least_as_asked_for_with_no_tile_too_many(size, tile, overlap):
    grid = TileGrid.over(*size, Tiling(tile, overlap))
    for length, starts in zip(size, (grid.tops, grid.lefts), strict=True):
        gaps = np.diff(starts)
        assert (tile - gaps >= overlap * tile).all()
        step = int(tile * (1 - overlap))
        assert (len(starts) - 2) * step + tile < length or len(starts) == 1  # one fewer would not reach the end


def test_a_tile_is_a_view_of_its_place():
    image = random_image(100, 75)
    grid = TileGrid.over(100, 75, Tiling(32))
    tile = grid.cut(image, len(grid.lefts) + 1)
    np.testing.assert_array_equal(tile, image[grid.tops[1] : grid.tops[1] + 32, grid.lefts[1] : grid.lefts[1] + 32])
    assert np.shares_memory(tile, image)


def test_an_image_smaller_than_a_tile_keeps_its_scale_and_is_continued_by_its_mirror_image():
    image = random_image(20, 30)
    tile = TileGrid.over(20, 30, Tiling(32)).cut(image, 0)
    assert tile.shape == (32, 32, 3)
    np.testing.assert_array_equal(tile, np.pad(image, ((0, 12), (0, 2), (0, 0)), mode="reflect"))


# Blending


@pytest.mark.parametrize(("size", "tile", "overlap"), GRIDS)
@pytest.mark.parametrize("value", [0.1, 1 / 3, 123456.78, -1e-7])
def test_the_weights_are_a_partition_of_unity_bit_for_bit(size, tile, overlap, value):
    constant = np.float32(value)
    answer = lambda tiles: np.full((len(tiles), 8, 8), constant)  # noqa: E731
    blended = blended_map(random_image(*size), Tiling(tile, overlap), answer)
    assert blended.shape == size and blended.dtype == np.float32
    assert (blended == constant).all()


@pytest.mark.parametrize(("size", "tile", "overlap"), GRIDS)
def test_tiles_that_agree_give_back_what_they_agree_on(size, tile, overlap):
    image = random_image(*size)
    np.testing.assert_array_equal(blended_map(image, Tiling(tile, overlap), first_channel), image[:, :, 0])


def test_where_tiles_disagree_one_fades_into_the_other():
    """Two tiles of 32, 16 apart, that answer 0 and 1: half a period of a cosine over the 16 pixels that both have."""
    answers = iter([0.0, 1.0])
    answer = lambda tiles: np.stack([np.full((32, 32), next(answers), np.float32) for _ in tiles])  # noqa: E731
    blended = blended_map(random_image(32, 48), Tiling(32, 0.5), answer)
    expected = np.concatenate([np.zeros(16), 0.5 - 0.5 * np.cos(np.pi * (np.arange(16) + 0.5) / 16), np.ones(16)])
    np.testing.assert_allclose(blended, np.tile(expected, (32, 1)), atol=1e-6)


def test_a_map_of_another_size_than_its_tile_is_enlarged_bilinearly():
    small = np.random.default_rng(0).normal(size=(1, 8, 8)).astype(np.float32)
    blended = blended_map(random_image(32, 32), Tiling(32), lambda tiles: small)
    np.testing.assert_array_equal(blended, cv2.resize(small[0], (32, 32), interpolation=cv2.INTER_LINEAR))


def test_only_a_few_tiles_are_held_at_once():
    sizes = []

    def answer(tiles):
        sizes.append(len(tiles))
        return first_channel(tiles)

    image = random_image(400, 300)
    blended_map(image, Tiling(32), answer)
    assert sum(sizes) == len(TileGrid.over(400, 300, Tiling(32)))
    assert max(sizes) == tiling_module.TILES_AT_ONCE


def test_beside_the_map_little_memory_is_needed():
    """Photo and map of six megapixels: 18 and 24 MB. A batch of tiles and one row of maps are all there is besides."""
    image = random_image(2000, 3000)
    tracemalloc.start()
    blended = blended_map(image, Tiling(256), first_channel)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.4 * blended.nbytes


# With a real model


def test_one_tile_is_the_untiled_result_bit_for_bit(trained: Path, images: list[str], predictor: AnomalyPredictor):
    """The pictures are 128 x 128, as is the network's input."""
    tiled = create_model("STFPM", trained, device="cpu", tiling={"tile_size": 128, "overlap": 0.25})
    for path in images:
        expected, found = next(predictor.predict(path)), next(tiled.predict(path))
        for key in ("anomaly_map", "pred", "input_img"):
            np.testing.assert_array_equal(found.pop(key), expected.pop(key))
        assert found == expected


def test_every_tile_is_seen_as_an_image_of_its_own(trained: Path, photo: np.ndarray, predictor: AnomalyPredictor):
    """Without overlap the blended map is the tiles' maps side by side."""
    whole = photo[:128, :256]
    blended = next(create_model("STFPM", trained, device="cpu", tiling=Tiling(128, 0)).predict(whole))["anomaly_map"]
    for left in (0, 128):
        alone = next(predictor.predict(np.ascontiguousarray(whole[:, left : left + 128])))["anomaly_map"]
        np.testing.assert_allclose(blended[:, left : left + 128], alone, atol=1e-4)


def test_score_mask_and_regions_come_from_the_blended_map(trained: Path, photo: np.ndarray):
    model = create_model("STFPM", trained, device="cpu", tiling=128)
    result = next(model.predict(photo))
    assert result["anomaly_map"].shape == photo.shape[:2] == result["pred"].shape[1:]
    assert result["raw_score"] == result["anomaly_map"].max()
    assert result["is_anomalous"] and result["regions"]
    assert (result["anomaly_map"][result["pred"][0] > 0] > model.limits.pixel.threshold).all()


def test_the_batch_does_not_change_a_tiled_result(trained: Path, photo: np.ndarray, monkeypatch):
    model = create_model("STFPM", trained, device="cpu", tiling=128)
    expected = next(model.predict(photo))["anomaly_map"]
    monkeypatch.setattr(tiling_module, "TILES_AT_ONCE", 3)
    for result in model.predict([photo, photo], batch_size=2):
        np.testing.assert_allclose(result["anomaly_map"], expected, atol=1e-4)


def test_tile_boundaries_leave_no_step():
    """Across the columns and rows where a tile begins or ends, neighbouring pixels differ as they do elsewhere.

    Each tile's map is off by a value of its own, as a network's are that sees no further than the tile. Put side by side
    without blending, the same tiles do leave steps there.
    """
    rows, columns = np.mgrid[:250, :330]
    waves = (128 + 60 * np.sin(rows / 17) + 60 * np.cos(columns / 23)).astype(np.uint8)
    image = np.repeat(waves[:, :, None], 3, axis=2)
    tiling = Tiling(128, 0.25)
    grid = TileGrid.over(*image.shape[:2], tiling)
    assert len(grid.tops) > 2 and len(grid.lefts) > 2
    offsets = iter(np.random.default_rng(0).permutation(len(grid)) * 8.0)
    seen: list[np.ndarray] = []

    def anomaly_maps(tiles):
        seen.extend(tile[:, :, 0].astype(np.float32) + np.float32(next(offsets)) for tile in tiles)
        return np.stack(seen[-len(tiles) :])

    blended = blended_map(image, tiling, anomaly_maps)
    assert all(at_seams < 1.5 * elsewhere for at_seams, elsewhere in _steps(blended, grid))

    pasted = np.empty_like(blended)
    for number, tile_map in enumerate(seen):
        top, left = grid.tops[number // len(grid.lefts)], grid.lefts[number % len(grid.lefts)]
        pasted[top : top + 128, left : left + 128] = tile_map
    assert all(at_seams > 5 * elsewhere for at_seams, elsewhere in _steps(pasted, grid))


def _steps(anomaly_map: np.ndarray, grid: TileGrid) -> list[tuple[float, float]]:
    """For either direction: the mean step between neighbours at the seams, and elsewhere."""
    found = []
    for axis, starts in enumerate((grid.tops, grid.lefts)):
        steps = np.abs(np.diff(anomaly_map, axis=axis)).mean(axis=1 - axis)
        seams = sorted({start - 1 for start in starts[1:]} | {start + 127 for start in starts[:-1]})
        found.append((steps[seams].mean(), np.delete(steps, seams).mean()))
    return found


def test_a_speck_is_a_share_of_the_tile_however_large_the_image(trained: Path, photo: np.ndarray):
    share = 60 / 128**2
    model = create_model("STFPM", trained, device="cpu", tiling=128, min_area=share)
    areas = [region["area"] for region in next(model.predict(photo))["regions"]]
    assert min(areas) >= 60
    smaller = create_model("STFPM", trained, device="cpu", tiling=128, min_area=0)
    everything = [region["area"] for region in next(smaller.predict(photo))["regions"]]
    assert sorted(areas) == sorted(area for area in everything if area >= 60)


# What a user asks for


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (0, None),
        (False, None),
        ({"tile_size": 0, "overlap": 0.25}, None),
        (256, Tiling(256, 0.25)),
        ({"tile_size": 512, "overlap": 0.1}, Tiling(512, 0.1)),
        (Tiling(64), Tiling(64)),
    ],
)
def test_a_tiling_can_be_asked_for_in_several_ways(value, expected):
    assert Tiling.of(value) == expected


@pytest.mark.parametrize(
    "value", [-1, 3, 1.5, True, "256", {"tile_size": 256, "overlap": 0.6}, {"tile_size": 256, "stride": 3}, {}]
)
def test_what_is_no_tiling_is_refused(value):
    with pytest.raises(ModelError):
        Tiling.of(value)


def test_a_model_that_was_not_made_for_tiles_warns(trained: Path, caplog):
    create_model("STFPM", trained, device="cpu", tiling=128)
    assert "The model was made for whole images, and its thresholds are for these" in caplog.text


def test_without_tiling_nothing_is_said_of_it(trained: Path, caplog):
    create_model("STFPM", trained, device="cpu")
    assert "tile" not in caplog.text and "whole" not in caplog.text
    assert open_model_folder(trained).own.tiling is None
