"""Does upstream PaddleX 3.x load our inference folder, and is its mask the one that its rule makes of our raw map?

Its rule: a pixel is 255 where the raw map is above 0.01, then an opening with a disk of radius 4; 256x256 is not resized back.
Upstream's import package has the name of ours, so it runs in an environment of its own:

    python3 -m venv upstream && upstream/bin/pip install "paddlex[base]" paddlepaddle==3.2.2
    python benchmarks/upstream_paddlex.py --python upstream/bin/python --model_dir output/demo_stfpm/best_model/inference \
        --images dataset/metal_grid/images/val
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from paddlex import create_model
from paddlex.inference.inputs import list_images, read_image

UPSTREAM = """
import sys
import numpy as np
from paddlex import create_model
model = create_model("STFPM", model_dir=sys.argv[1], device="cpu")
images = sys.stdin.read().splitlines()
np.savez(sys.argv[2], *[next(iter(model.predict(image)))["pred"] for image in images])
"""


def upstream_masks(python: str, model_dir: str, images: list[str]) -> list[np.ndarray]:
    """uint8 [1, H, W] an image, from upstream's own predictor."""
    with tempfile.TemporaryDirectory() as folder:
        masks = Path(folder) / "masks.npz"
        # an empty working directory, so that the other environment does not import this project
        subprocess.run(
            [python, "-c", UPSTREAM, str(Path(model_dir).resolve()), str(masks)],
            input="\n".join(str(Path(image).resolve()) for image in images), text=True, check=True, cwd=folder,
        )  # fmt: skip
        with np.load(masks) as arrays:
            return [arrays[name] for name in arrays.files]


def upstream_rule(anomaly_map: np.ndarray) -> np.ndarray:
    """Upstream's mask of a raw map [H, W], by OpenCV instead of scikit-image."""
    y, x = np.mgrid[-4:5, -4:5]
    disk = (x**2 + y**2 <= 16).astype(np.uint8)
    mask = np.where(anomaly_map > 0.01, 255, 0).astype(np.uint8)
    return cv2.morphologyEx(mask, cv2.MORPH_OPEN, disk)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="the Python of the environment with upstream PaddleX")
    parser.add_argument("--model_dir", required=True)
    parser.add_argument("--images", required=True)
    arguments = parser.parse_args()
    images = list(list_images(arguments.images))
    ours = create_model("STFPM", arguments.model_dir, device="cpu")
    theirs = upstream_masks(arguments.python, arguments.model_dir, images)
    different = pixels = anomalous = 0
    for image, mask in zip(images, theirs, strict=True):
        expected = upstream_rule(ours.paper_maps([read_image(image)])[0])
        different += int(np.count_nonzero(mask[0] != expected))
        anomalous += int(np.count_nonzero(mask))
        pixels += mask.size
    print(
        f"{len(images)} images, {pixels} pixels, {anomalous} of them 255 upstream, {different} different from our map's"
    )
    return int(different > pixels * 1e-5)


if __name__ == "__main__":
    sys.exit(main())
