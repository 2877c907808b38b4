"""Where more images lie than on one disk: what pyarrow's file systems know, such as s3://, gs:// and hdfs://."""

from __future__ import annotations

from typing import Any

from paddlex.errors import ConfigError, ImageReadError
from paddlex.inference.walk import is_image_name


def is_bucket(path: str) -> bool:
    """Whether ``path`` is a URI for pyarrow's file systems, such as s3://bucket/folder; a web address is not."""
    return "://" in path and not path.lower().startswith(("http://", "https://"))


def open_bucket(uri: str) -> tuple[Any, str]:
    """A pyarrow file system and the path on it.

    Raises:
        ConfigError: pyarrow does not know the scheme, or lacks what it takes.
    """
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    try:
        filesystem, path = FileSystem.from_uri(uri)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ConfigError(
            f"the bucket cannot be opened: {error}", where=uri, remedy="For example s3://name/path"
        ) from None
    return filesystem, path.rstrip("/")


def list_bucket(filesystem: Any, root: str, source: str) -> list[str]:
    """The images below a bucket's folder, hidden ones left out, sorted."""
    from pyarrow.fs import FileSelector, FileType

    info = filesystem.get_file_info(root)
    if info.type == FileType.File:
        return [root]
    found = filesystem.get_file_info(FileSelector(root, recursive=True, allow_not_found=True))
    images = [
        entry.path
        for entry in found
        if entry.is_file
        and is_image_name(entry.path)
        and not any(part.startswith(".") for part in entry.path[len(root) :].split("/"))
    ]
    if not images:
        raise ImageReadError("the bucket holds no images", where=source, remedy="Check the address")
    return sorted(images)
