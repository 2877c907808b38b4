"""From an image to the network's input, against the same computed in NumPy alone."""

from __future__ import annotations

import numpy as np
import pytest

from paddlex.errors import ModelError
from paddlex.inference.transforms import Transform

NORMALIZE = {"type": "Normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
RESIZE = {"type": "Resize", "target_size": [32, 24]}


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Smooth, different in each channel, neither square nor symmetric."""
    y, x = np.mgrid[0:50, 0:90]
    return np.stack([2 * x, 5 * y, x + y], axis=-1).clip(0, 255).astype(np.uint8)


def bilinear(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Bilinear interpolation with pixel centres at half integers, in float64: [H, W, C] -> [height, width, C]."""

    def places(new: int, old: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, old - 1), at - low

    top, bottom, v = places(height, image.shape[0])
    left, right, h = places(width, image.shape[1])
    v, h = v[:, None, None], h[None, :, None]
    pixels = image.astype(np.float64)
    upper = pixels[top][:, left] * (1 - h) + pixels[top][:, right] * h
    lower = pixels[bottom][:, left] * (1 - h) + pixels[bottom][:, right] * h
    return upper * (1 - v) + lower * v


def test_an_image_is_resized_bilinearly_and_its_channels_become_red_green_blue(image: np.ndarray) -> None:
    resized = Transform((32, 24)).resize(image)
    assert resized.shape == (24, 32, 3)
    assert resized.dtype == np.uint8
    assert np.abs(resized - bilinear(image, 32, 24)[:, :, ::-1]).max() <= 1


def test_normalising_is_divide_by_255_subtract_the_mean_divide_by_the_deviation(image: np.ndarray) -> None:
    batch = Transform((90, 50)).normalise(image[None])
    red_first = image.astype(np.float64) / 255
    expected = (red_first - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert batch.shape == (1, 3, 50, 90)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    assert np.abs(batch[0] - expected.transpose(2, 0, 1)).max() < 1e-5


def test_white_and_black_have_the_values_that_one_calculates_by_hand() -> None:
    image = np.stack([np.full((4, 4, 3), 255, np.uint8), np.zeros((4, 4, 3), np.uint8)])
    white, black = Transform((4, 4)).normalise(image)[:, :, 0, 0]
    assert white == pytest.approx([2.2489, 2.4286, 2.6400], abs=1e-4)  # (1 - 0.485) / 0.229 and so on
    assert black == pytest.approx([-2.1179, -2.0357, -1.8044], abs=1e-4)


def test_a_batch_of_mixed_sizes_is_the_same_as_one_by_one(image: np.ndarray) -> None:
    transform = Transform((32, 32))
    images = [image, image[:20, :30], image[::-1, ::-1]]
    together = transform(images)
    assert together.shape == (3, 3, 32, 32)
    for number, single in enumerate(images):
        assert np.array_equal(together[number], transform([single])[0])


def test_the_image_is_not_changed(image: np.ndarray) -> None:
    before = image.copy()
    Transform((32, 32))([image])
    assert np.array_equal(image, before)


# Deploy.transforms


def test_what_is_written_is_read_back_and_spelled_as_paddlex_does() -> None:
    transform = Transform((32, 24))
    assert transform.to_deploy() == [RESIZE, NORMALIZE]
    again = Transform.from_deploy(transform.to_deploy(), "file")
    assert (again.size, again.mean, again.std, again.interpolation) == (
        (32, 24), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "LINEAR",
    )  # fmt: skip


def test_another_interpolation_is_written_and_read_back() -> None:
    deploy = Transform((8, 8), interpolation="AREA").to_deploy()
    assert deploy[0] == {"type": "Resize", "target_size": [8, 8], "interp": "AREA"}
    assert Transform.from_deploy(deploy, "file").interpolation == "AREA"


def test_what_upstream_leaves_out_has_upstreams_defaults() -> None:
    transform = Transform.from_deploy([{"type": "Resize", "target_size": 64}, {"type": "Normalize"}], "file")
    assert (transform.size, transform.mean, transform.std) == ((64, 64), (0.5,) * 3, (0.5,) * 3)


def test_upstreams_default_options_change_nothing() -> None:
    resize = {**RESIZE, "keep_ratio": False, "size_divisor": None, "interp": "LINEAR"}
    assert Transform.from_deploy([resize, NORMALIZE], "file").size == (32, 24)


@pytest.mark.parametrize(
    ("transforms", "problem"),
    [
        (None, "Deploy.transforms is not a list of steps"),
        (["Resize"], "Deploy.transforms is not a list of steps"),
        ([NORMALIZE, RESIZE], "Deploy.transforms are Normalize, Resize, not Resize, Normalize"),
        ([RESIZE], "Deploy.transforms are Resize, not Resize, Normalize"),
        ([RESIZE, NORMALIZE, {"type": "Crop"}], "Deploy.transforms are Resize, Normalize, Crop, not Resize, Normalize"),
        ([RESIZE, RESIZE, NORMALIZE], "Deploy.transforms are Resize, Resize, Normalize, not Resize, Normalize"),
        ([{"type": "Resize"}, NORMALIZE], "Deploy.transforms cannot be read: 'target_size'"),
        (
            [{**RESIZE, "target_size": [0, 4]}, NORMALIZE],
            "Deploy.transforms cannot be read: target_size[0] must be a whole number, 1 to 8192, not 0",
        ),
        ([{**RESIZE, "target_size": "big"}, NORMALIZE], "Deploy.transforms cannot be read: "),
        (
            [RESIZE, {"type": "Normalize", "mean": [0.5]}],
            "Deploy.transforms cannot be read: mean must be a list of 3 values, not a list",
        ),
        ([{**RESIZE, "keep_ratio": True}, NORMALIZE], "Deploy.transforms have an option that is not supported"),
        ([{**RESIZE, "interp": "FOURIER"}, NORMALIZE], "Deploy.transforms have an option that is not supported"),
        ([{**RESIZE, "colour": 1}, NORMALIZE], "Deploy.transforms have an option that is not supported"),
        (
            [RESIZE, {**NORMALIZE, "std": [0, 1, 1]}],
            "Deploy.transforms cannot be read: std[0] must be a number from 0.001 to 1",
        ),
    ],
)
def test_a_step_that_cannot_be_carried_out_is_an_error_and_never_left_out(transforms: object, problem: str) -> None:
    with pytest.raises(ModelError) as caught:
        Transform.from_deploy(transforms, "inference.yml")
    assert str(caught.value).startswith(problem)
    assert "(inference.yml)" in str(caught.value)


def test_area_averages_the_pixels_that_become_one() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 24, 3), dtype=np.uint8)
    means = image.reshape(3, 4, 6, 4, 3).mean(axis=(1, 3))[..., ::-1]  # RGB
    assert Transform((6, 3), interpolation="AREA").resize(image) == pytest.approx(means, abs=0.51)


@pytest.mark.parametrize("size", [(24, 24), (24, 6), (6, 24)])
def test_where_a_side_grows_linear_takes_the_place_of_area(size) -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    assert np.array_equal(
        Transform(size, interpolation="AREA").resize(image), Transform(size, interpolation="LINEAR").resize(image)
    )
