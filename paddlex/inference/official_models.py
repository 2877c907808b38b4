"""Which model is meant: the user's folder, or one of PaddleX's official archives, fetched once and kept in the cache."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from paddlex.errors import DownloadError, ModelError
from paddlex.inference.model_bank import chosen
from paddlex.inference.model_folder import CONFIG_NAME, ModelFolder, open_model_folder
from paddlex.utils.caches import cache_path
from paddlex.utils.downloads import download
from paddlex.utils.files import atomic_directory, file_digest, write_text
from paddlex.utils.logging import logger
from paddlex.utils.strict import Malformed, read_text
from paddlex.utils.tar_files import TarError, members

_MAX_BYTES = 2 * 2**30  # of the archive, and of what is in it
_MAX_MEMBERS = 100

#: Model name -> the archive's address. PaddleX publishes no checksums for them: the one first seen has to stay.
OFFICIAL_MODELS = {
    "STFPM": "https://paddle-model-ecology.bj.bcebos.com/paddlex/official_inference_model/paddle3.0.0/STFPM_infer.tar",
}

#: The model of PaddleX's own pipeline.
_DEFAULT = "STFPM"


def open_model(
    model_name: str | None, model_dir: str | os.PathLike[str] | None, product: str | None = None
) -> ModelFolder:
    """The model that a user asks for, by its name, its folder or both.

    Args:
        model_name: what the model must be; None for whatever the folder holds.
        model_dir: an inference folder, an exported .tar, or the output folder of a training run; None for PaddleX's official
            model of that name (of its pipeline, where none is given).
        product: which model of a bank, where ``model_dir`` is one.

    Raises:
        ModelError: the folder cannot be used or holds another model, or there is no official model of that name, or no product.
        DownloadError: the official model cannot be fetched.
    """
    if model_dir is None and product is None:
        model_dir = official_model_folder(model_name or _DEFAULT)
    folder = open_model_folder(chosen(model_dir, product))
    if model_name not in (None, folder.model_name):
        raise ModelError(
            f"the folder holds the model {folder.model_name}, not {model_name}",
            where=folder.path,
            remedy=f"Set model_name to {folder.model_name}, or leave it out",
        )
    return folder


def official_model_folder(model_name: str) -> Path:
    """The inference folder of an official model; downloaded and unpacked the first time.

    Raises:
        ModelError: there is no official model of that name.
        DownloadError: it cannot be fetched, or holds no model.
    """
    if model_name not in OFFICIAL_MODELS:
        known = ", ".join(OFFICIAL_MODELS)
        remedy = (
            f"Give it as model_dir={model_name!r}"
            if Path(model_name).exists()
            else f"Give model_dir, or one of {known}"
        )
        raise ModelError(f"there is no official model {model_name!r}", remedy=remedy)
    url = OFFICIAL_MODELS[model_name]
    folder = cache_path(f"official_models/{model_name}")
    if not (folder / CONFIG_NAME).is_file():
        known_digest = folder.with_suffix(".sha256")
        with atomic_directory(folder) as temporary:
            archive = temporary / f"{model_name}.tar"
            try:
                download(url, archive, sha256=_known(known_digest), max_bytes=_MAX_BYTES)
            except DownloadError as error:
                raise DownloadError(
                    f"the official {model_name} model cannot be fetched: {error.what}",
                    where=url,
                    remedy="Train a model and give its folder as model_dir; or, on a machine with internet, fetch the "
                    f"archive, and unpack it so that {folder / CONFIG_NAME} exists here. If PaddleX has changed the "
                    f"archive, and you trust the new one, remove {known_digest}",
                ) from error
            _unpack(archive, temporary, url)
            digest = file_digest(archive)
            archive.unlink()
        if not known_digest.exists():
            logger.info("PaddleX publishes no checksum of its archive. From now on it must be SHA-256 %s.", digest)
            write_text(known_digest, f"{digest}\n")
    return folder


def _known(path: Path) -> str | None:
    """The SHA-256 that the archive had when it was first fetched, or that the user has put there; None at first.

    Raises:
        ModelError: the file holds none.
    """
    if not path.exists():
        return None
    try:
        digest = read_text(path, max_bytes=1000).split()[0].lower()
    except (OSError, Malformed, IndexError):
        digest = ""
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ModelError("the file holds no SHA-256", where=path, remedy="Correct or remove it")
    return digest


def _unpack(archive: Path, folder: Path, url: str) -> None:
    """Put the archive's inference folder, which may lie one level down, into ``folder``."""
    unpacked = folder / "unpacked"
    try:
        with archive.open("rb") as file:
            for member in members(file, _MAX_BYTES, _MAX_MEMBERS):
                member.save(unpacked)
    except (TarError, OSError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise DownloadError(
            f"the archive cannot be extracted: {reason}", where=url, remedy="Download it again"
        ) from error
    for path in _inference_folder(unpacked, url).iterdir():
        path.rename(folder / path.name)
    shutil.rmtree(unpacked)


def _inference_folder(unpacked: Path, url: str) -> Path:
    """The folder that holds inference.yml: PaddleX's archives have it one level down."""
    for folder in (unpacked, *sorted(unpacked.glob("*"))):
        if (folder / CONFIG_NAME).is_file():
            return folder
    raise DownloadError(f"the archive holds no {CONFIG_NAME}", where=url, remedy="Give model_dir instead")
