"""How often does the studio flag good pictures, and how often what is wrong with one?

    python benchmarks/studio_flags.py dataset/metal_grid …

The training photos of each data set come in one after the other in a drawn order, as in an import. Then every fourth is held
against them again: blurred, darker, brighter, photographed again, and photographed again a little aside.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable

import cv2
import numpy as np

from paddlex.data.dataset import TRAIN_LIST, read_samples
from paddlex.studio.looks import GoodPictures, Look

Change = Callable[[np.ndarray], np.ndarray]


def changes(rng: np.random.Generator) -> dict[str, Change]:
    """What is done to a photo, uint8 [H, W, 3]."""

    def again(image: np.ndarray) -> np.ndarray:
        return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)

    def aside(image: np.ndarray) -> np.ndarray:
        moved = np.array([[1, 0, 3], [0, 1, 2]], np.float32)
        return again(cv2.warpAffine(image, moved, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT))

    def blurred(pixels: float) -> Change:
        return lambda image: cv2.GaussianBlur(image, (0, 0), pixels * max(image.shape) / 512)

    return {
        "blurred by 2 of 512 pixels": blurred(2),
        "by 4": blurred(4),
        "40 % darker": lambda image: (image * 0.6).astype(np.uint8),
        "40 % brighter": lambda image: np.clip(image * 1.4, 0, 255).astype(np.uint8),
        "photographed again": again,
        "and 3 pixels aside": aside,
    }


def measure(dataset: str, most: int) -> None:
    """Print what is flagged of one data set."""
    rng = np.random.default_rng(0)
    samples = read_samples(dataset, TRAIN_LIST)
    photos = [samples[number].read() for number in rng.permutation(len(samples))[:most]]
    good, found, sound = GoodPictures(), {}, []
    flags: Counter[str] = Counter()

    def flag_of(look: Look) -> str:
        return good.problem_of(look) or ("duplicate" if good.like(look) else "")

    for number, photo in enumerate(photos):
        look = Look.of(photo)
        flags[flag := flag_of(look)] += 1
        found[str(number)] = look.descriptor
        if not flag:
            sound.append((look.appearance.brightness, look.appearance.sharpness))
        good.update(found, *np.array(sound).reshape(-1, 2).T)
    print(f"{dataset}: {len(photos)} good photos, flagged {dict(flags)}")
    some = photos[::4]
    for name, change in changes(rng).items():
        expected = ("duplicate",) if change.__name__ in ("again", "aside") else ("blurred", "dark", "bright", "flat")
        print(f"  {name}: {sum(flag_of(Look.of(change(photo))) in expected for photo in some)} of {len(some)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--most", type=int, default=80, help="photos of each")
    given = parser.parse_args()
    for one in given.datasets:
        measure(one, given.most)
