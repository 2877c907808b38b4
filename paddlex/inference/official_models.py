"""PaddleX's official inference archives: fetched once, kept in the cache."""

from __future__ import annotations

import shutil
from pathlib import Path

from paddlex.errors import DownloadError, ModelError
from paddlex.inference.model_folder import CONFIG_NAME
from paddlex.utils.downloads import cache_folder, download, extract_tar
from paddlex.utils.files import atomic_directory

#: Model name -> the archive's address. PaddleX publishes no checksums for them.
OFFICIAL_MODELS = {
    "STFPM": "https://paddle-model-ecology.bj.bcebos.com/paddlex/official_inference_model/paddle3.0.0/STFPM_infer.tar",
}


def official_model_folder(model_name: str) -> Path:
    """The inference folder of an official model; downloaded and unpacked the first time.

    Raises:
        ModelError: there is no official model of that name.
        DownloadError: it cannot be fetched, or holds no model.
    """
    if model_name not in OFFICIAL_MODELS:
        known = ", ".join(OFFICIAL_MODELS)
        raise ModelError(f"there is no official model {model_name!r}", remedy=f"Give model_dir, or one of {known}")
    url = OFFICIAL_MODELS[model_name]
    folder = cache_folder() / "official_models" / model_name
    if not (folder / CONFIG_NAME).is_file():
        archive = folder.with_suffix(".tar")
        try:
            download(url, archive)
        except DownloadError as error:
            raise DownloadError(
                f"the official {model_name} model cannot be fetched: {error.what}",
                where=url,
                remedy="Train a model and give its folder as model_dir; or, on a machine with internet, fetch the archive, "
                f"and unpack it so that {folder / CONFIG_NAME} exists here",
            ) from error
        try:
            with atomic_directory(folder) as temporary:
                unpacked = extract_tar(archive, temporary / "unpacked")
                for path in _inference_folder(unpacked, url).iterdir():
                    path.rename(temporary / path.name)
                shutil.rmtree(unpacked)
        finally:
            archive.unlink(missing_ok=True)  # a damaged one must not be taken for a good download the next time
    return folder


def _inference_folder(unpacked: Path, url: str) -> Path:
    """The folder that holds inference.yml: PaddleX's archives have it one level down."""
    for folder in (unpacked, *sorted(unpacked.iterdir())):
        if (folder / CONFIG_NAME).is_file():
            return folder
    raise DownloadError(f"the archive holds no {CONFIG_NAME}", where=url, remedy="Give model_dir instead")
