"""What a short STFPM training gives: run it to write reference.npz anew, after a change that is meant to change the result.

    python tests/modules/image_anomaly_detection/models/stfpm/make_reference.py

The reference was made before STFPM became one of several models. The last bits of a sum depend on the processor, so the
numbers come with the machine that they are from.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[5]
REFERENCE = Path(__file__).with_name("reference.npz")
CONFIG = ROOT / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"

#: Everything that rounds may do it differently elsewhere.
OPTIONS = (
    "Global.mode=train", "Global.device=cpu", "Train.image_size=64", "Train.epochs_iters=2", "Train.batch_size=4",
)  # fmt: skip
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def machine() -> str:
    """Processor and versions: where they are the same, results are the same to the bit."""
    import paddle

    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else []
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    return f"{processor or platform.processor()}, paddle {paddle.__version__}, numpy {np.__version__}"


def outcome(output: Path, images: list[Path]) -> dict[str, np.ndarray]:
    """Weights, maps and scores of the model that a training has left in a folder.

    Returns:
        ``weights`` float64 [tensors, 3]: mean, standard deviation and largest magnitude of each tensor, by name;
        ``digest``: SHA-256 of all their bytes; ``maps`` float32 [images, 64, 64]; ``scores`` float64 [images];
        ``thresholds`` float64 [2].
    """
    from paddlex.inference.predictor import AnomalyPredictor
    from paddlex.utils.tensor_files import read_arrays

    arrays = dict(sorted(read_arrays(output / "best_model" / "model.pdparams").items()))
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(name.encode() + array.tobytes())
    predictor = AnomalyPredictor(output / "best_model" / "inference", device="cpu", run_mode="paddle", quiet=True)
    results = list(predictor.predict([str(path) for path in images]))
    inputs = predictor.folder.transform([_read(path) for path in images])
    limits = predictor.folder.limits
    return {
        "weights": np.array([[a.mean(), a.std(), np.abs(a).max()] for a in map(np.float64, arrays.values())]),
        "digest": np.array(digest.hexdigest()),
        "maps": np.concatenate([predictor.backend.run(one[None])[1] for one in inputs])[:, 0],
        "scores": np.array([result["raw_score"] for result in results], np.float64),
        "thresholds": np.array([limits.image.threshold, limits.pixel.threshold]),
        "machine": np.array(machine()),
    }


def _read(path: Path) -> np.ndarray:
    from paddlex.inference.inputs import read_image

    return read_image(path)


def short_training(folder: Path) -> dict[str, np.ndarray]:
    """Make the demonstration data, train on it in a process of its own, and look at the result, in another."""
    environment = {**os.environ, **ENVIRONMENT}
    command = [sys.executable, __file__, str(folder)]
    subprocess.run(command, check=True, env=environment, cwd=ROOT)
    with np.load(folder / "outcome.npz") as arrays:
        return dict(arrays)


def _in_this_process(folder: Path) -> None:
    sys.path.insert(0, str(ROOT))
    from paddlex.data.demo import make_demo_dataset
    from paddlex.engine import run_config

    dataset = make_demo_dataset(folder / "data", train=24, val_normal=3, val_anomalous=3, size=128)
    overrides = [*OPTIONS, f"Global.dataset_dir={dataset}", f"Global.output={folder / 'output'}"]
    assert run_config(str(CONFIG), overrides) == 0
    images = sorted((dataset / "images" / "val").rglob("*.jpg"))
    np.savez_compressed(folder / "outcome.npz", **outcome(folder / "output", images))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _in_this_process(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            np.savez_compressed(REFERENCE, **short_training(Path(temporary)))
