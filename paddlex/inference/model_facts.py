"""What a model of ours says of itself: our block of inference.yml, and the model card beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from paddlex.errors import ModelError
from paddlex.inference.calibration import Calibration
from paddlex.inference.checked import Checked, Invalid, block, list_of, mapping, named, optional, text, whole
from paddlex.inference.fit_facts import FitFacts
from paddlex.inference.inspection import Inspection
from paddlex.inference.preparation import Preparation
from paddlex.inference.reading import bit_depth
from paddlex.inference.self_check import SelfCheck
from paddlex.inference.signature import Signature
from paddlex.inference.tiling import Tiling
from paddlex.inference.transforms import LARGEST_SIDE


def _texts(value: Any) -> dict[str, str]:
    return {key: named(key, text, one) for key, one in mapping(value).items()}


def layer_names(value: Any) -> tuple[str, ...]:
    """The layers whose features are compared: one or more names."""
    return tuple(list_of(text, least=1)(value))


def image_size(value: Any) -> int | tuple[int, int]:
    """A side, or [height, width]; a square is a side."""
    side = whole(1, LARGEST_SIDE)
    if not isinstance(value, (list, tuple)):
        return side(value)
    height, width = list_of(side, length=2)(list(value))
    return height if height == width else (height, width)


def _tiling(value: Any) -> Tiling | None:
    try:
        return Tiling.of(value or None)
    except ModelError as error:
        raise Invalid(f"cannot be used: {error.what}") from None


@dataclass(frozen=True)
class ModelFacts(Checked):
    """A model without its weights.

    Attributes:
        backbone, layers, image_size: the architecture, as in the config; the size is a side or (height, width), in pixels.
        architecture: what else the network's shape depends on, such as how many patches a memory bank holds.
        teacher_weights: {source, sha256} of the weights that the teacher was made with.
        tiling: how photos are cut that the model is for; None for whole ones.
        calibration: its thresholds; None where it was never calibrated.
        bit_depth: of the pictures that it was trained on, see ``Reading``; None where nothing was noted.
        preparation: what is done to a photo before the network sees it; None for nothing.
        signature: what the product looks like, to tell it from others; None where nothing was noted.
        fit: how it was fitted, for it to be fitted again; None where it has to be trained instead.

    Raises:
        Invalid: a value that cannot be.
    """

    backbone: Annotated[str | None, optional(text)] = None
    layers: Annotated[tuple[str, ...] | None, optional(layer_names)] = None
    image_size: Annotated[int | tuple[int, int] | None, optional(image_size)] = None
    architecture: Annotated[Mapping[str, Any], mapping] = field(default_factory=dict)
    teacher_weights: Annotated[Mapping[str, str], _texts] = field(default_factory=dict)
    tiling: Annotated[Tiling | None, _tiling] = None
    calibration: Annotated[Calibration | None, optional(block(Calibration))] = None
    bit_depth: Annotated[int | None, optional(bit_depth)] = None
    preparation: Annotated[Preparation | None, optional(block(Preparation))] = None
    signature: Annotated[Signature | None, optional(block(Signature))] = None
    fit: Annotated[FitFacts | None, optional(block(FitFacts))] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.calibration is None:
            return
        drawn = [] if self.regions is None else [zone.name for zone in self.regions.zones]
        if [zone.name for zone in self.calibration.zones] != drawn:
            all_of_them = ", ".join(drawn) or "none"
            raise Invalid(f"must be those of preparation.regions, in their order: {all_of_them}", "calibration.zones")

    @property
    def regions(self) -> Inspection | None:
        """Where photos are inspected; None for everywhere."""
        return None if self.preparation is None else self.preparation.regions


@dataclass(frozen=True)
class OwnBlock(ModelFacts):
    """Our block of inference.yml; empty for a model that was made elsewhere.

    Attributes:
        self_check: the network's answer to ``self_check.probe`` when it was exported.
    """

    self_check: Annotated[SelfCheck | None, optional(block(SelfCheck))] = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for inference.yml; what is not known is left out."""
        return {key: value for key, value in super().to_dict().items() if value}
