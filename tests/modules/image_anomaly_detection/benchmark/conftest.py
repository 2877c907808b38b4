"""A folder of small categories, of both kinds that there are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from paddlex.data.demo import make_demo_dataset

#: A name that CSV, Markdown, HTML and URLs each want to be quoted.
LISTED = "carpet | 50 % <b>"


@pytest.fixture(scope="session")
def categories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bottle`` in MVTec AD's layout, a SegDataset of an awkward name, ``broken`` with damaged images, and ``notes``."""
    root, source = tmp_path_factory.mktemp("categories"), tmp_path_factory.mktemp("source")
    for seed, name in enumerate(("bottle", LISTED), 1):
        data = make_demo_dataset(source / name, train=10, val_normal=3, val_anomalous=5, size=128, seed=seed)
        if name == LISTED:
            shutil.copytree(data, root / name)
        else:
            for ours, theirs in (("images/train", "train"), ("images/val", "test"), ("masks/val", "ground_truth")):
                shutil.copytree(data / ours, root / name / theirs)
    good = root / "bottle" / "test" / "good"
    for part in ("train", "test"):
        shutil.copytree(good, root / "broken" / part / "good")
    for path in (root / "broken" / "train" / "good").iterdir():
        path.write_bytes(b"\xff\0" + path.name.encode())
    for number in range(5):
        (root / "broken" / "train" / "good" / f"more {number}.png").write_bytes(b"\xff\0" + bytes([number]))
    (root / "notes").mkdir()
    (root / "readme.txt").write_text("not a folder", encoding="utf-8")
    return root
