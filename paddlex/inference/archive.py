"""One model in one file: a .tar with a manifest and checksums, for a machine without a network."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path

from paddlex.errors import DownloadError, ModelError
from paddlex.utils.downloads import cache_folder, extract_tar
from paddlex.utils.files import atomic_directory, atomic_path

MANIFEST = "manifest.json"
SUFFIX = ".tar"
_FORMAT = "image-anomaly-model 1"


def pack(folder: Path, path: Path) -> None:
    """Write an inference folder as one file: its files, and first ``manifest.json`` with the SHA-256 of each.

    The same folder gives the same bytes.
    """
    files = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}
    manifest = {"format": _FORMAT, "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}
    with atomic_path(path) as temporary, tarfile.open(temporary, "w") as tar:
        for name, data in {MANIFEST: json.dumps(manifest, indent=2).encode(), **files}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))


def unpack(path: Path) -> Path:
    """The inference folder of a file that ``pack`` wrote, checked; unpacked once into the cache.

    Raises:
        ModelError: the file is damaged, no such archive, or not what its manifest says.
    """
    name = _digest(path)[:32]
    folder = cache_folder() / "models" / name
    if (folder / MANIFEST).is_file():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError:  # a home that cannot be written to
        folder = Path(tempfile.mkdtemp(prefix="model_")) / name
    with atomic_directory(folder) as temporary:
        try:
            extract_tar(path, temporary)
        except DownloadError as error:
            raise ModelError(
                f"the model file cannot be read: {error.what}", where=path, remedy="Copy it again"
            ) from error
        _check(temporary, path)
    return folder


def _check(folder: Path, path: Path) -> None:
    """Hold the files against the manifest."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        expected = dict(manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"the file has no readable {MANIFEST}", where=path, remedy="Give one that export wrote, or a folder"
        ) from error
    found = {file.name: _digest(file) for file in folder.iterdir() if file.name != MANIFEST}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise ModelError(
            f"{', '.join(wrong)} in it is not what {MANIFEST} says", where=path, remedy="Copy the file again"
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
