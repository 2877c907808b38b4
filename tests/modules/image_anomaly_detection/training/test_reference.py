"""The reference is chosen or refused, and photos without the part are named, before anything is fitted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.config import schema_for
from paddlex.data.demo.part import draw_part, moved
from paddlex.errors import ConfigError, DatasetError
from paddlex.modules.image_anomaly_detection.training.training_list import card_of, training_samples

#: right, down, angle of each training photo; the middle one of each lies in the middle.
PLACES = [(0, 0, 0), *((12 * x, 9 * y, 6 * x * y) for x in (-1, 0, 1) for y in (-1, 0, 1))]


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., list]:
    """The samples of a training on some photos: ``train(photos, reference=..., ...)``."""

    def samples(photos: list[np.ndarray], regions: dict | None = None, **alignment: object) -> tuple:
        for number, photo in enumerate(photos):
            cv2.imwrite(str(tmp_path / f"{number}.png"), photo)
        (tmp_path / "train.txt").write_text("".join(f"{n}.png\n" for n in range(len(photos))), encoding="utf-8")
        options = {"image_size": 64, "alignment": {"enable": True, **alignment}, "regions": regions or {}}
        values = {"Global": {"dataset_dir": str(tmp_path)}, "Train": options}
        config = schema_for("PatchCore").model_validate(values)
        return config, training_samples(config)

    return samples


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    part = draw_part(0, 120, 160)
    return [moved(part, *place)[0] for place in PLACES]


def test_photos_come_to_the_frame_of_one_of_them(train, photos):
    config, samples = train(photos)
    views = [sample.view() for sample in samples]
    assert len(views) == len(photos)
    assert all(view.position.found for view in views)
    spread = np.std([cv2.GaussianBlur(view.image, (0, 0), 2).astype(float) for view in views], axis=0)
    before = np.std([cv2.GaussianBlur(photo, (0, 0), 2).astype(float) for photo in photos], axis=0)
    middle = np.s_[30:-30, 40:-40]
    assert spread[middle].mean() < before[middle].mean() / 5
    assert card_of(config, samples).preparation == samples[0].preparation


def test_the_photo_that_the_others_fit_best_is_the_reference(train, photos):
    """The outermost ones show least of one another; whichever of the two in the middle is taken."""
    _, samples = train(photos)
    positions = [sample.view().position for sample in samples]
    at_rest = [number for number, place in enumerate(PLACES) if place == (0, 0, 0)]
    assert min(abs(positions[number].shift[0]) + abs(positions[number].angle) for number in at_rest) < 0.5


def test_the_least_quality_lies_between_chance_and_the_photos(train, photos):
    _, samples = train(photos)
    alignment = samples[0].preparation.alignment
    qualities = [sample.view().position.quality for sample in samples]
    assert 0.3 < alignment.least_quality < min(qualities)


def test_a_reference_may_be_given(train, photos, tmp_path):
    path = tmp_path / "reference.png"
    cv2.imwrite(str(path), draw_part(0, 120, 160))
    _, samples = train(photos, reference=str(path))
    for sample, (right, down, angle) in zip(samples, PLACES, strict=True):
        position = sample.view().position
        assert position.shift == pytest.approx((right, down), abs=1)
        assert position.angle == pytest.approx(angle, abs=0.5)


def test_the_photo_in_which_the_part_is_not_found_is_named_and_left_out(train, photos, caplog):
    with caplog.at_level("WARNING", logger="paddlex"):
        _, samples = train([*photos[:4], draw_part(7, 120, 160), *photos[4:]])
    assert [sample.line for sample in samples] == [1, 2, 3, 4, *range(6, len(photos) + 2)]
    assert re.search(
        r"the part is not found in 1 of 11 training photos: 4\.png \(line 5: the correlation .*\. They are left out",
        caplog.text,
    )


def test_several_such_photos_are_an_error(train, photos):
    with pytest.raises(DatasetError) as caught:
        train([*photos, draw_part(7, 120, 160), draw_part(8, 120, 160)])
    assert re.match(
        r"the part is not found in 2 of 12 training photos: 10\.png \(line 11: .*\); 11\.png \(line 12: .*Take those photos",
        str(caught.value),
    )


def test_photos_that_show_too_little_of_the_inspected_place_are_left_out_too(train, photos, caplog):
    """A strip at the left edge, of which the photo that is moved furthest to the left shows next to nothing."""
    far = moved(draw_part(0, 120, 160), right=-25)[0]
    with caplog.at_level("WARNING", logger="paddlex"):
        _, samples = train(
            [*photos, *photos[:1] * 10, far],
            regions={"inspect": [[[0, 0], [30, 0], [30, 119], [0, 119]]]},
            min_seen=0.3,
        )
    assert len(photos) + 11 not in [sample.line for sample in samples]
    assert re.search(r"20\.png \(line 21: the photo shows \d+% of what is to be inspected\)", caplog.text)
    assert all(sample.view().position.found for sample in samples)


def test_photos_that_have_nothing_in_common_are_an_error(train):
    rng = np.random.default_rng(0)
    with pytest.raises(DatasetError, match="most training photos have too little in common with the reference picture"):
        train([cv2.GaussianBlur(rng.integers(0, 256, (120, 160, 3), np.uint8), (0, 0), 2) for _ in range(8)])


def test_a_plain_reference_is_refused(train, photos, tmp_path):
    path = tmp_path / "plain.png"
    noise = np.random.default_rng(0).normal(0, 1, (120, 160, 3))
    cv2.imwrite(str(path), (np.linspace(80, 120, 160)[:, None] + noise).astype(np.uint8))
    with pytest.raises(
        ConfigError, match=r"plain\.png shows nothing to align by: its contrast is .* \(Train\.alignment\.ref"
    ):
        train(photos, reference=str(path))


def test_a_reference_of_another_shape_is_refused(train, photos, tmp_path):
    path = tmp_path / "square.png"
    cv2.imwrite(str(path), draw_part(0, 120, 120))
    with pytest.raises(ConfigError, match="160 x 120, has another shape than the reference, 120 x 120"):
        train(photos, reference=str(path))


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_reference_that_cannot_be_read_is_refused(train, photos, tmp_path, content):
    path = tmp_path / "reference.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^the reference picture cannot be used: .*\(Train\.alignment\.reference: "):
        train(photos, reference=str(path))
