"""A folder's predictions in the format of COCO results, for annotation tools: images, one category, a region each."""

from __future__ import annotations

from typing import Any

from paddlex.inference.results import AnomalyResult

CATEGORIES = [{"id": 1, "name": "anomaly", "supercategory": "defect"}]


class CocoCollector:
    """Collects results; what it holds grows with the number of regions, not of pixels."""

    def __init__(self) -> None:
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, result: AnomalyResult, file_name: str) -> None:
        """Take in one result; ``file_name`` is what stands in the file."""
        height, width = result["pred"].shape[1:]
        image_id = len(self._images) + 1
        self._images.append({
            "id": image_id, "file_name": file_name, "width": width, "height": height,
            "is_anomalous": result["is_anomalous"], "score": result["score"],
        })  # fmt: skip
        for region in result["regions"]:
            polygon = [coordinate for point in region["polygon"] for coordinate in point]
            self._annotations.append({
                "id": len(self._annotations) + 1, "image_id": image_id, "category_id": 1, "iscrowd": 0,
                "bbox": region["bbox"], "area": region["area"], "score": region["max_score"],
                # COCO's polygons have three corners at least; a region of one or two pixels is its box
                "segmentation": [polygon if len(polygon) >= 6 else _box(region["bbox"])],
            })  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The whole file."""
        return {"images": self._images, "annotations": self._annotations, "categories": CATEGORIES}


def _box(bbox: list[int]) -> list[int]:
    x, y, width, height = bbox
    return [x, y, x + width, y, x + width, y + height, x, y + height]
