"""What inference_complete.onnx holds of a model beside its network: arrays by name, and what it says of itself.

Export writes them into the graph, and a refit exchanges them there.
"""

from __future__ import annotations

import numpy as np

from paddlex import __version__
from paddlex.inference.inspection import Inspection
from paddlex.inference.model_folder import ModelFolder
from paddlex.inference.view import inspected_positions
from paddlex.utils.files import folder_digest

#: How the names of its arrays begin; what it has no use for, such as a smallest region of 0, it does not hold.
HELD = "verdict."
IMAGE_THRESHOLD, IMAGE_WIDTH, IMAGE_LIMIT = f"{HELD}image_threshold", f"{HELD}image_width", f"{HELD}image_limit"
PIXEL_THRESHOLD, REGION_CUT, MIN_AREA = f"{HELD}pixel_threshold", f"{HELD}region_cut", f"{HELD}min_area"
INSPECTED, POSITIONS = f"{HELD}inspected", f"{HELD}positions"
ZONE_SLOPES, ZONE_SHIFTS = f"{HELD}zone_slopes", f"{HELD}zone_shifts"
LIGHT = f"{HELD}light"

COLOUR_ORDERS = ("RGB", "BGR")

#: What ``predict`` does and the graph does not.
NOT_INSIDE = (
    "reading files and turning them as EXIF says",
    "pictures of more than 8 bits",
    "regions as boxes and polygons",
    "telling which product a picture shows",
)

METHODS = ("LINEAR", "AREA")


def obstacle(folder: ModelFolder) -> str | None:
    """Why a model has no complete graph, in words; None if it can have one."""
    preparation = folder.own.preparation
    if not folder.has_limits:
        return "it is not calibrated: nothing says where normal ends"
    if folder.transform.interpolation not in METHODS:
        return f"its pictures are resized by {folder.transform.interpolation}, not by {' or '.join(METHODS)}"
    if folder.own.tiling is not None:
        return "it scans photos in tiles, as many as a photo needs"
    if preparation is not None and preparation.alignment is not None:
        return "it looks for the part in each photo (alignment), which is a search and no graph"
    return None


def arrays_of(folder: ModelFolder) -> dict[str, np.ndarray]:
    """The arrays by their names: numbers are of shape [].

    ``IMAGE_LIMIT`` is the largest float32 that is not above the threshold: a float32 is above both or above none.
    ``INSPECTED`` is bool [H, W] of the photo, ``POSITIONS`` bool [h, w] of the map, and ``ZONE_SLOPES`` and ``ZONE_SHIFTS``
    float32 [h, w], see ``calibration.scaled``. ``LIGHT`` is float64 [3]: percentile, darkest and brightest of ``Light``.

    Args:
        folder: ``obstacle`` finds none.
    """
    limits, preparation = folder.limits, folder.own.preparation
    image, near = limits.image, np.float32(limits.image.threshold)
    limit = near if float(near) <= image.threshold else np.nextafter(near, np.float32(-np.inf))
    found: dict[str, np.generic | np.ndarray] = {
        IMAGE_THRESHOLD: np.float64(image.threshold),
        IMAGE_WIDTH: np.float64(max(image.threshold - image.typical, 1e-12)),
        IMAGE_LIMIT: np.float32(limit),
        PIXEL_THRESHOLD: np.float32(limits.pixel.threshold),
    }
    if limits.region_cut:
        found[REGION_CUT] = np.float32(limits.region_cut)
    if limits.min_area:
        found[MIN_AREA] = np.float64(limits.min_area)
    if preparation is not None and preparation.light is not None:
        light = preparation.light
        found[LIGHT] = np.array([light.percentile, light.darkest, light.brightest])
    if folder.own.regions is not None:
        found |= _of_regions(folder, folder.own.regions)
    return {name: np.asarray(value) for name, value in found.items()}


def _of_regions(folder: ModelFolder, regions: Inspection) -> dict[str, np.ndarray]:
    (width, height), shape = regions.size, folder.transform.size[::-1]
    inspected, calibration = regions.pixels(height, width), folder.calibration
    positions = inspected_positions(inspected, shape)
    assert positions is not None
    found = {INSPECTED: inspected, POSITIONS: positions}
    if calibration is not None and calibration.zones:
        zones = regions.zones_at(*shape)
        found[ZONE_SLOPES] = np.array([1.0, *(one.slope for one in calibration.zones)], np.float32)[zones]
        found[ZONE_SHIFTS] = np.array([0.0, *(one.shift for one in calibration.zones)], np.float32)[zones]
    return found


def facts_of(folder: ModelFolder, colour_order: str) -> dict[str, str]:
    """The metadata properties.

    Args:
        folder: without the graph itself: what else is in it makes the digest.
        colour_order: of the pictures, ``RGB`` or ``BGR``.
    """
    limits, regions = folder.limits, folder.own.regions
    width, height = folder.transform.size
    sides = "any H and W of 2 or more" if regions is None else "of {1} x {0} (H x W) only".format(*regions.size)
    return {
        "model_name": folder.model_name,
        "toolkit_version": __version__,
        "model_digest": folder_digest(folder.path),
        "image_threshold": repr(limits.image.threshold),
        "image_typical": repr(limits.image.typical),
        "pixel_threshold": repr(limits.pixel.threshold),
        "threshold_source": limits.source,
        "region_cut": repr(limits.region_cut),
        "min_area": repr(limits.min_area),
        "colour_order": colour_order,
        "input": f"image: uint8 [H, W, 3], {colour_order}, {sides}; resized to {height} x {width} inside",
        "outputs": "score: float32, 0 to 1, above 0.5 anomalous; raw_score: float32; is_anomalous: bool; "
        "anomaly_map: float32 [H, W]; mask: uint8 [H, W], 0 or 255",
        "not_inside": "; ".join(NOT_INSIDE),
    }
