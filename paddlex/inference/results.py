"""What a prediction is, and how it is shown: as text, as JSON, as a picture."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddlex.errors import MissingPackageError
from paddlex.inference.postprocess import Limit
from paddlex.utils.files import atomic_path, write_text

if TYPE_CHECKING:
    from PIL.Image import Image

_ARRAYS = ("input_img", "anomaly_map", "pred")
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})


class AnomalyResult(dict):
    """The prediction for one image, a dict.

    Keys:
        input_path (str | None): the file or URL, or ``camera:0``; None for an array or bytes.
        frame, time (int, float): only of a video or camera: the frame's number, from 0, and its time in seconds.
        is_anomalous (bool): the decision, ``raw_score > threshold``.
        score (float): 0 to 1, 0.5 at the threshold.
        raw_score (float): the same on the scale of the anomaly map.
        threshold, pixel_threshold (float): the limits for ``raw_score`` and for ``anomaly_map``.
        anomalous_area (float): the share of the image's pixels that are in the mask, 0 to 1.
        regions (list[dict]): the mask's connected regions, the strongest first, see ``regions.find_regions``.
        pred (np.ndarray): the mask, uint8 [1, H, W], 255 where a pixel is anomalous, else 0.
        anomaly_map (np.ndarray): float32 [H, W], the raw map at the image's size.
        input_img (np.ndarray): uint8 [H, W, 3] BGR, the image as it was read.
    """

    def __init__(self, values: Mapping[str, Any], pixel_limit: Limit) -> None:
        super().__init__(values)
        self._pixel_limit = pixel_limit

    @property
    def json(self) -> dict[str, Any]:
        """``{"res": {...}}`` with plain Python values; the mask as nested lists, without the image and the map."""
        return {"res": {**self.plain(), "pred": self["pred"].tolist()}}

    def plain(self) -> dict[str, Any]:
        """What is not an array: plain Python values."""
        return {key: value for key, value in self.items() if key not in _ARRAYS}

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

        return {"res": Image.fromarray(draw_result(self, self._pixel_limit)[:, :, ::-1])}

    def _repr_png_(self) -> bytes:
        """The same picture as a PNG file's bytes: Jupyter shows a result so."""
        from paddlex.inference.pictures import draw_result, encode_image

        return encode_image(".png", draw_result(self, self._pixel_limit))

    def print(self, json_format: bool = False, indent: int = 4, ensure_ascii: bool = False) -> None:
        """Print the result without polygons, the mask shortened to its shape; with ``json_format`` as indented JSON."""
        values = self.plain()
        values["regions"] = [{key: region[key] for key in region if key != "polygon"} for region in self["regions"]]
        values["pred"] = f"... uint8 {list(self['pred'].shape)}"
        text = {"res": values}
        print(json.dumps(text, indent=indent, ensure_ascii=ensure_ascii) if json_format else text)

    def save_to_img(self, save_path: str | os.PathLike[str]) -> Path:
        """Write the picture; a path without an image's suffix is a folder, and the file is named after the input."""
        from paddlex.inference.pictures import draw_result, write_image

        path = self._file(save_path, ".png")
        write_image(path, draw_result(self, self._pixel_limit))
        return path

    def save_to_json(self, save_path: str | os.PathLike[str], indent: int = 4, ensure_ascii: bool = False) -> Path:
        """Write what ``.json`` holds under "res", a line of the mask on a line of the file.

        A path without the suffix .json is a folder, and the file is named after the input.
        """
        path = self._file(save_path, ".json")
        values = {key: value for key, value in self.items() if key not in _ARRAYS}
        text = json.dumps({**values, "pred": "PRED"}, indent=indent, ensure_ascii=ensure_ascii, allow_nan=False)
        rows = ",\n".join(_rows_as_json(self["pred"][0]))
        write_text(path, text.replace('"pred": "PRED"', f'"pred": [[\n{rows}\n]]') + "\n", durable=False)
        return path

    def save_map(self, save_path: str | os.PathLike[str]) -> Path:
        """Write the raw anomaly map as a NumPy file, float32 [H, W]."""
        path = self._file(save_path, ".npy")
        with atomic_path(path) as temporary:
            np.save(temporary, self["anomaly_map"])
        return path

    def _file(self, save_path: str | os.PathLike[str], suffix: str) -> Path:
        path = Path(save_path)
        suffixes = _PICTURES if suffix == ".png" else {suffix}
        if path.suffix.lower() in suffixes and not path.is_dir():
            return path
        return path / f"{name_of(self['input_path'], self.get('frame'))}_res{suffix}"


def name_of(input_path: str | None, frame: int | None = None) -> str:
    """How the files of a result are called: after the input, without its folder and suffix, and the frame."""
    name = Path(input_path.partition("?")[0]).stem.replace(":", "_") if input_path else "image"
    return name if frame is None else f"{name}_{frame:06d}"


def _rows_as_json(mask: np.ndarray) -> Iterator[str]:
    """Each row of a mask [H, W] as a JSON list; most rows of most masks are alike, so each is written out once."""
    written: dict[bytes, str] = {}
    for row in mask:
        key = row.tobytes()
        if key not in written:
            written[key] = json.dumps(row.tolist(), separators=(",", ":"))
        yield written[key]
