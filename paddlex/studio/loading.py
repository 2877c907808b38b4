"""A version, opened: it judges only if its folder is what it was when the version was made."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from paddlex.errors import WorkspaceError
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.results import AnomalyResult
from paddlex.inference.serving.batching import check_finite
from paddlex.studio.database.schema import Product, Version
from paddlex.studio.pictures import Pictures
from paddlex.studio.workspace import Workspace
from paddlex.utils.files import folder_digest

#: Versions that are kept open beside those that are served: a gate needs two.
_KEPT_OPEN = 2


class VersionPredictor(AnomalyPredictor):
    """A version's model with the version's threshold.

    Attributes:
        version: which one.
        digest: of its folder.
        product_id, product_name: whose it is.
    """

    def __init__(
        self, version: Version, product: Product, folder: Path, device: str | None, threads: int | None = None
    ):
        super().__init__(folder, device=device, threshold=version.threshold, threads=threads, quiet=True)
        self.version = version
        self.digest = version.digest
        self.product_id = product.id
        self.product_name = product.name

    def look_at(self, pictures: Pictures, digest: str) -> AnomalyResult:
        """What it says of a picture that the workspace keeps.

        Raises:
            PaddleXError: the picture is gone or cannot be read, or it cannot be judged.
        """
        [result] = self.judge([pictures.image(digest, self.reading)])
        check_finite(result)
        return result


class Loader:
    """Opens versions of a workspace.

    Args:
        workspace: of the versions.
        device: that they judge on; None for whatever there is.
    """

    def __init__(self, workspace: Workspace, device: str | None) -> None:
        self._workspace = workspace
        self._device = device
        self._open: OrderedDict[int, VersionPredictor] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, version_id: int, threads: int | None = None) -> VersionPredictor:
        """Open a version.

        Raises:
            WorkspaceError: there is none of this number, or its folder is gone or not what it was.
            ModelError: the model cannot be used.
        """
        with self._workspace.reading() as session:
            version = session.get(Version, version_id)
            product = None if version is None else session.get(Product, version.product_id)
        if version is None or product is None:
            raise WorkspaceError(f"there is no version {version_id}", remedy="Reload the page")
        folder = self._workspace.path / version.folder
        check_folder(version, folder)
        return VersionPredictor(version, product, folder, self._device, threads)

    def kept(self, version_id: int, threads: int | None = None) -> VersionPredictor:
        """The same for work beside the service: what was opened last is still open.

        Raises:
            WorkspaceError, ModelError: as ``open`` does.
        """
        with self._lock:
            predictor = self._open.pop(version_id, None) or self.open(version_id, threads)
            self._open[version_id] = predictor
            while len(self._open) > _KEPT_OPEN:
                self._open.popitem(last=False)
            return predictor

    def release(self) -> None:
        """Let go of what ``kept`` holds."""
        with self._lock:
            self._open.clear()


def check_folder(version: Version, folder: Path) -> None:
    """See that a version's folder is what it was.

    Raises:
        WorkspaceError: it is not.
    """
    remedy = "Put the folder back from a backup, or go back to another version"
    try:
        digest = folder_digest(folder) if folder.is_dir() else ""
    except OSError as error:
        what = f"the model of version {version.number} cannot be read: {error.strerror or error}"
        raise WorkspaceError(what, where=version.folder, remedy=remedy) from error
    if digest != version.digest:
        what = "is gone" if not digest else "is not what it was when it was made"
        raise WorkspaceError(f"the model of version {version.number} {what}", where=version.folder, remedy=remedy)
