"""What a prediction is, and how it is shown: as text, as JSON, as pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddlex.errors import MissingPackageError, ResultFileError
from paddlex.inference.postprocess import Limit
from paddlex.inference.result_names import NAMES, split_ending, stem_for
from paddlex.inference.rle import mask_to_rle
from paddlex.utils.console import say, say_json
from paddlex.utils.files import atomic_path, write_text

if TYPE_CHECKING:
    from PIL.Image import Image

_ARRAYS = ("input_img", "anomaly_map", "pred", "inspected", "zones")
_LOSSLESS = (".png", ".bmp", ".tif", ".tiff")

#: The files that there can be of a result: what follows its name, and the suffixes that a path of one's own may have.
FILES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "picture": ("_res.png", (*_LOSSLESS, ".jpg", ".jpeg", ".webp")),
    "mask": ("_mask.png", _LOSSLESS),
    "heatmap": ("_heatmap.png", (*_LOSSLESS, ".jpg", ".jpeg", ".webp")),
    "map": ("_map.tiff", (".tif", ".tiff", ".npy")),
    "json": ("_res.json", (".json",)),
}
DEFAULT_FILES = ("picture", "json")
_SUFFIXES = frozenset(suffix for _, suffixes in FILES.values() for suffix in suffixes)


class AnomalyResult(dict):
    """The prediction for one image, a dict.

    Keys:
        input_path (str | None): the file or URL, or ``camera:0``; None for an array or bytes.
        product (str), product_distance (float): only of a bank of models: whose model has judged; with ``auto``, how far
            the photo is from that product's, 0 to 1.
        frame, time (int, float): only of a video or camera: the frame's number, from 0, and its time in seconds.
        position (dict): only of a model that aligns photos: how the part lies in this one, see ``position.Position``. Where it
            is not ``found``, the image is anomalous everywhere, and its raw score above every threshold.
        is_anomalous (bool): the decision, ``raw_score > threshold``.
        score (float): 0 to 1, 0.5 at the threshold.
        raw_score (float): the same on the scale of the anomaly map.
        threshold, pixel_threshold (float): the limits for ``raw_score`` and for ``anomaly_map``.
        anomalous_area (float): the share of the image's pixels that are in the mask, 0 to 1.
        regions (list[dict]): the mask's connected regions, the strongest first, see ``regions.find_regions``.
        inspected_area (float): only of a model that inspects a part of the photo: its share of the pixels, 0 to 1.
        pred (np.ndarray): the mask, uint8 [1, H, W], 255 where a pixel is anomalous, else 0.
        anomaly_map (np.ndarray): float32 [H, W], the raw map at the image's size.
        input_img (np.ndarray): uint8 [H, W, 3] BGR, the image as it was read.
        inspected (np.ndarray): bool [H, W], the pixels that ``inspected_area`` counts.
        zones (np.ndarray): only of a model that has zones: uint8 [H, W], the number of each pixel's, from 1; 0 for none.

    The methods that save take a folder, in which the files are named after the input and the sub-folders of an input folder are
    kept, or a file's path. They write into missing folders too, and return the path. A name that another result of this
    process has is not used again: the next gets a number (``a_2_res.png``, ``res_2.json``). A result that is saved twice keeps
    its name, and so does a run that is repeated.

    Attributes:
        pixel_limit: of the model, for pictures.
        root: the folder that was given as the input, if one was.
    """

    def __init__(self, values: Mapping[str, Any], pixel_limit: Limit, root: str | None = None) -> None:
        super().__init__(values)
        self.pixel_limit = pixel_limit
        self.root = root
        self._names: dict[str, Path] = {}

    @property
    def json(self) -> dict[str, Any]:
        """``{"res": {...}}`` with plain Python values: what ``save_to_json`` writes, and ``pred`` as nested lists."""
        return {"res": {**self.record(), "pred": self["pred"].tolist()}}

    def plain(self) -> dict[str, Any]:
        """What is not an array: plain Python values."""
        return {key: value for key, value in self.items() if key not in _ARRAYS}

    def record(self) -> dict[str, Any]:
        """The same and the mask, as COCO's run lengths, see ``rle.mask_to_rle``."""
        return {**self.plain(), "mask": mask_to_rle(self["pred"][0])}

    @property
    def img(self) -> dict[str, Image]:
        """``{"res": picture}``: the image with the mask outlined beside the heat map, an RGB ``PIL.Image``.

        Raises:
            MissingPackageError: Pillow is not installed; nothing else needs it.
        """
        try:
            from PIL import Image
        except ImportError:
            what, remedy = "a result's .img needs Pillow", "pip install pillow, or use save_to_img"
            raise MissingPackageError(what, remedy=remedy) from None

        from paddlex.inference.pictures import draw_result

        return {"res": Image.fromarray(draw_result(self, self.pixel_limit)[:, :, ::-1])}

    def _repr_png_(self) -> bytes:
        """The same picture as a PNG file's bytes: Jupyter shows a result so."""
        from paddlex.inference.pictures import draw_result, encode_image

        return encode_image(".png", draw_result(self, self.pixel_limit))

    def print(
        self,
        json_format: bool = False,
        indent: int = 4,
        ensure_ascii: bool = False,
        *,
        format_json: bool | None = None,
    ) -> None:
        """Print the result without polygons, the mask shortened to its shape; with ``json_format`` as indented JSON.

        ``format_json`` is the same: PaddleX calls it so since 3.0.
        """
        text = {"res": self._short()}
        if json_format if format_json is None else format_json:
            say_json(text, indent=indent, ensure_ascii=ensure_ascii)
        else:
            say(f"{text}")

    def _short(self) -> dict[str, Any]:
        values = self.plain()
        values["regions"] = [{key: region[key] for key in region if key != "polygon"} for region in self["regions"]]
        values["pred"] = f"... uint8 {list(self['pred'].shape)}"
        return values

    def save_to_img(self, save_path: str | os.PathLike[str]) -> Path:
        """Write the picture: the verdict, the image with the mask outlined, the heat map (``_res.png``)."""
        return self._save("picture", save_path)

    def save_mask(self, save_path: str | os.PathLike[str]) -> Path:
        """Write the mask: one channel, 0 or 255, at the image's size (``_mask.png``)."""
        return self._save("mask", save_path)

    def save_heatmap(self, save_path: str | os.PathLike[str]) -> Path:
        """Write the heat map alone: colours at the image's size, the middle of the scale the threshold (``_heatmap.png``)."""
        return self._save("heatmap", save_path)

    def save_map(self, save_path: str | os.PathLike[str]) -> Path:
        """Write the raw anomaly map, float32 [H, W], as TIFF (``_map.tiff``), or as a NumPy file if the path ends in .npy."""
        return self._save("map", save_path)

    def save_to_json(self, save_path: str | os.PathLike[str], indent: int = 4, ensure_ascii: bool = False) -> Path:
        """Write all but the arrays, and the mask as COCO's run lengths (``_res.json``)."""
        path = self._file("json", save_path)
        self._write_json(path, indent, ensure_ascii)
        return path

    def write(self, what: str, path: Path) -> None:
        """Write one of ``FILES`` to a path, whatever is there: for who names files himself."""
        from paddlex.inference.pictures import draw_result, heat_map, write_image

        if what == "picture":
            write_image(path, draw_result(self, self.pixel_limit))
        elif what == "mask":
            write_image(path, self["pred"][0])
        elif what == "heatmap":
            write_image(path, heat_map(self["anomaly_map"], self.pixel_limit))
        elif what == "map" and path.suffix.lower() != ".npy":
            write_image(path, self["anomaly_map"])
        elif what == "map":
            with atomic_path(path, durable=False) as temporary, temporary.open("wb") as file:
                np.save(file, self["anomaly_map"])
        else:
            self._write_json(path)

    def _save(self, what: str, save_path: str | os.PathLike[str]) -> Path:
        path = self._file(what, save_path)
        self.write(what, path)
        return path

    def _write_json(self, path: Path, indent: int | None = 4, ensure_ascii: bool = False) -> None:
        values = self.record()
        counts = json.dumps(values["mask"]["counts"], separators=(",", ":"), allow_nan=False)
        values["mask"]["counts"] = "COUNTS"  # at an indentation each would have a line of its own
        text = json.dumps(values, indent=indent, ensure_ascii=ensure_ascii, allow_nan=False)
        write_text(path, text.replace('"counts": "COUNTS"', f'"counts": {counts}') + "\n", durable=False)

    def _file(self, what: str, save_path: str | os.PathLike[str]) -> Path:
        """Where one of ``FILES`` goes that is asked for at a path."""
        path = Path(save_path)
        ending, suffixes = FILES[what]
        suffix = path.suffix.lower()
        if suffix not in _SUFFIXES or path.is_dir():
            stem = stem_for(path, self.root, self["input_path"], self.get("frame"))
        elif suffix in suffixes:
            stem, ending = split_ending(path)
        else:
            remedy = f"Let it end in {', '.join(suffixes)}, or give a folder"
            raise ResultFileError(f"the {what} of a result cannot be written as {suffix}", where=path, remedy=remedy)
        stem = NAMES.claim(stem, self._names)
        return stem.with_name(f"{stem.name}{ending}")

    @property
    def str(self) -> dict[str, str]:
        """``{"res": text}``: what ``print`` prints."""
        return {"res": f"{self._short()}"}
