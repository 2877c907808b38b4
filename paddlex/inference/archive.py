"""One model in one file: a .tar with a manifest and checksums, for a machine without a network."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from paddlex.errors import ModelError
from paddlex.utils.caches import cache_path
from paddlex.utils.files import atomic_directory, atomic_path, file_digest, open_regular_file
from paddlex.utils.strict import parse_json
from paddlex.utils.tar_files import Member, TarError, members

MANIFEST = "manifest.json"
SUFFIX = ".tar"
_FORMAT = "image-anomaly-model 1"
_MAX_MANIFEST_BYTES = 2**20
_MAX_BYTES = 16 * 2**30
_MAX_MEMBERS = 1000


def pack(folder: Path, path: Path) -> None:
    """Write an inference folder as one file: its files, and first ``manifest.json`` with the size and SHA-256 of each.

    The same folder gives the same bytes.
    """
    files = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}
    manifest = {
        "format": _FORMAT,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "bytes": {name: len(data) for name, data in files.items()},
    }
    with atomic_path(path) as temporary, tarfile.open(temporary, "w") as tar:
        for name, data in {MANIFEST: json.dumps(manifest, indent=2, allow_nan=False).encode(), **files}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))


def unpack(path: Path) -> Path:
    """The inference folder of a file that ``pack`` wrote, checked; unpacked once into the cache.

    What the manifest, which stands first, does not name, and what is larger or other than it says, is not unpacked.

    Raises:
        ModelError: the file is damaged, no such archive, or not what its manifest says.
    """
    try:
        with open_regular_file(path) as archive:
            expected = _manifest(archive)
            folder = cache_path(f"models/{file_digest(path)[:32]}")
            if not (folder / MANIFEST).is_file():
                with atomic_directory(folder) as temporary:
                    _extract(archive, expected, temporary)
    except TarError as error:
        remedy = "Give the folder or the .tar that export wrote; if it is that, copy it again"
        raise ModelError(f"the model file cannot be read: {error}", where=path, remedy=remedy) from error
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "Check the file, and the room on the disk"
        raise ModelError(f"the model file cannot be unpacked: {reason}", where=path, remedy=remedy) from error
    return folder


@dataclass(frozen=True)
class _Manifest:
    """Of each file its SHA-256, and its size in bytes (files of earlier versions do not state it)."""

    sha256: Mapping[str, str]
    sizes: Mapping[str, int]

    @classmethod
    def parse(cls, data: bytes) -> _Manifest:
        try:
            content = parse_json(data.decode("utf-8"))
            manifest = cls(content["sha256"], content.get("bytes", {}))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise TarError(f"it has no readable {MANIFEST}") from None
        if not (_holds(manifest.sha256, str) and _holds(manifest.sizes, int)):
            raise TarError(f"it has no readable {MANIFEST}")
        return manifest


def _holds(values: object, kind: type) -> bool:
    return isinstance(values, dict) and all(type(value) is kind for value in values.values())


def _members(archive: BinaryIO) -> Iterator[Member]:
    archive.seek(0)
    return members(archive, _MAX_BYTES, _MAX_MEMBERS)


def _manifest(archive: BinaryIO) -> _Manifest:
    """The manifest, which must be the first file, so that what follows can be held against it."""
    first = next(_members(archive), None)
    if first is None or first.name != MANIFEST or first.size > _MAX_MANIFEST_BYTES:
        raise TarError(f"it has no readable {MANIFEST}")
    return _Manifest.parse(b"".join(first.chunks()))


def _extract(archive: BinaryIO, manifest: _Manifest, folder: Path) -> None:
    """Write the files that the manifest names; anything else ends it.

    Raises:
        TarError: a file is not what the manifest says.
    """
    missing = {MANIFEST, *manifest.sha256}
    for member in _members(archive):
        is_wrong_size = manifest.sizes.get(member.name, member.size) != member.size
        if member.name not in missing or member.is_folder or is_wrong_size:
            raise _wrong(member.name)
        missing.remove(member.name)
        member.save(folder)
        if member.name != MANIFEST and file_digest(folder / member.name) != manifest.sha256[member.name]:
            raise _wrong(member.name)
    if missing:
        raise _wrong(sorted(missing)[0])


def _wrong(name: str) -> TarError:
    return TarError(f"{name} in it is not what {MANIFEST} says")
