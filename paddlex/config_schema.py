"""The schema of the config: its sections, their keys, types and defaults. Every key is explained in the shipped YAML."""

from __future__ import annotations

import os
import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

from paddlex.errors import ConfigError
from paddlex.utils.processes import process_count

if TYPE_CHECKING:
    from paddlex.inference.reading import Reading
    from paddlex.utils.devices import Device

Mode = Literal["check_dataset", "train", "evaluate", "export", "predict", "benchmark"]
MODES: tuple[str, ...] = typing.get_args(Mode)

#: What good parts alone can tell about a model, see ``evaluation.analyses``.
AnalysisName = Literal["detectability", "robustness", "learning_curve"]
ANALYSIS_NAMES: tuple[AnalysisName, ...] = typing.get_args(AnalysisName)

DEFAULT_OUTPUT = "output"
DEFAULT_MODEL = "STFPM"

ConvolutionalBackbone = Literal[
    "resnet18", "resnet34", "resnet50", "wide_resnet50_2",
    "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2",
]  # fmt: skip
Backbone = Literal[ConvolutionalBackbone, "dinov2_vits14", "dinov2_vitb14"]


def _user_path(path: str) -> str:
    if "\0" in path:
        raise ValueError("must be a path, and none holds a zero byte")
    return os.path.expanduser(path)


def _image_size(value: Any) -> int | list[int] | str:
    """What ``Train.image_size`` may be; a YAML scalar comes as text."""
    given = value if isinstance(value, list) and len(value) == 2 else [value]
    sides = [int(side) if isinstance(side, str) and side.isdecimal() else side for side in given]
    if all(type(side) is int and SMALLEST_SIDE <= side <= LARGEST_SIDE for side in sides):
        return sides[0] if sides[0] == sides[-1] else sides
    if isinstance(value, str) and re.fullmatch(r"auto(:\d{2,4})?", value):
        pixels = value.partition(":")[2]
        if not pixels or SMALLEST_SIDE <= int(pixels) <= LARGEST_SIDE:
            return value
    raise ValueError(
        f"must be a whole number of pixels from {SMALLEST_SIDE} to {LARGEST_SIDE}, [height, width], auto, or auto:NUMBER"
    )


#: Of the network's input, in pixels.
SMALLEST_SIDE, LARGEST_SIDE = 32, 4096

Percent = Annotated[float, Field(ge=0, le=100)]
Rate = Annotated[float, Field(gt=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1, strict=True)]

#: A path as users write it: a leading ~ is their home folder, which no shell puts in the place of -o Global.output=~/x.
UserPath = Annotated[str, AfterValidator(_user_path)]
Seed = Annotated[int, Field(ge=0, strict=True)]

#: [[x, y], ...] in pixels of the photos, from the upper left corner.
Polygon = Annotated[list[Annotated[list[float], Field(min_length=2, max_length=2)]], Field(min_length=3)]

#: Of the network's input: the side of a square, [height, width], or ``auto`` for the photos' own aspect ratio with about as
#: many pixels as the model's usual square has (``auto:256``: as one of 256 has).
ImageSize = Annotated[int | list[int] | str, PlainValidator(_image_size)]


class Section(BaseModel):
    """A part of the config; keys that it does not declare are errors."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class GlobalSection(Section):
    """What every mode needs."""

    model: str = DEFAULT_MODEL
    mode: Mode = "check_dataset"
    dataset_dir: UserPath | None = None
    device: str = "auto"
    output: UserPath = DEFAULT_OUTPUT
    bit_depth: Literal[8, 10, 12, 14, 16] | None = None
    max_megapixels: Annotated[float, Field(gt=0)] = 250
    pixels_per_mm: Annotated[float, Field(gt=0)] | None = None

    @property
    def reading(self) -> Reading:
        """How pictures are read."""
        from paddlex.inference.reading import Reading

        return Reading(self.bit_depth, self.max_megapixels)


class ConvertSection(Section):
    """Turning another layout into a SegDataset, before the check."""

    enable: bool = False
    src_dataset_type: str | None = None
    normal: str | list[str] = []
    defects: str | list[str] = []
    masks: str | list[str] = []
    ignore: str | list[str] = []


class SplitSection(Section):
    """Dividing the normal images anew between train and val, before the check."""

    enable: bool = False
    train_percent: Percent | None = None
    val_percent: Percent | None = None
    seed: Seed = 0


class CheckDatasetSection(Section):
    """Mode check_dataset."""

    lists_dir: UserPath | None = None
    convert: ConvertSection = ConvertSection()
    split: SplitSection = SplitSection()


class CalibrationSection(Section):
    """Where the thresholds come from: normal images of the training list that the model has not seen."""

    fusion: Literal["calibrated", "paper"] = "calibrated"
    target_fpr: Rate = 0.05
    target_pixel_fpr: Rate = 0.001
    rule: Literal["target_fpr", "best_f1"] = "target_fpr"
    min_area: Annotated[float, Field(ge=0, lt=1)] = 0.0001


class HoldoutSection(CalibrationSection):
    """The same for a model that some images have to be held back from."""

    holdout_percent: Annotated[float, Field(gt=0, le=50)] = 20


class TilingSection(Section):
    """Scanning photos in tiles at full resolution, see ``inference.tiling.Tiling``."""

    tile_size: Annotated[int, Field(ge=0, strict=True)] | None = None
    overlap: Annotated[float, Field(ge=0, le=0.5)] = 0.25

    def given(self) -> dict[str, Any] | None:
        """What is asked for; None for nothing."""
        return None if self.tile_size is None else {"tile_size": self.tile_size, "overlap": self.overlap}


class TrainTilingSection(TilingSection):
    """Training for that."""

    max_tiles: PositiveInt | None = 1000


class ZoneSection(Section):
    """A zone with a limit of its own, see ``inference.inspection.Zone``."""

    name: str
    polygon: Polygon
    factor: Annotated[float, Field(gt=0, le=1000)] = 1
    target_fpr: Rate | None = None


class RegionsSection(Section):
    """Where photos are inspected, see ``inference.inspection.Inspection``."""

    mask: UserPath | None = None
    inspect: list[Polygon] = []
    ignore: list[Polygon] = []
    foreground: bool = False
    zones: list[ZoneSection] = []

    @property
    def are_given(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.mask or self.inspect or self.ignore or self.foreground or self.zones)


class AlignmentSection(Section):
    """Bringing the part to where a reference picture has it, see ``inference.alignment.Alignment``."""

    enable: bool = False
    reference: UserPath | None = None
    motion: Literal["translation", "rigid", "similarity"] = "rigid"
    max_shift: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    max_angle: Annotated[float, Field(ge=0, le=180)] = 20
    min_seen: Annotated[float, Field(gt=0, le=1)] = 0.7
    not_found: Literal["ng", "error"] = "ng"


class TrainSection(Section):
    """Mode train: what every model has. Each adds its own keys, see ``Model.options``."""

    num_classes: Literal[1] = 1
    image_size: ImageSize = 256
    batch_size: PositiveInt = 4
    seed: Seed = 0
    alignment: AlignmentSection = AlignmentSection()
    light: Literal["none", "brightness"] = "none"
    robust: Literal["off", "list", "leave_out"] = "leave_out"
    tiling: TrainTilingSection = TrainTilingSection()
    regions: RegionsSection = RegionsSection()
    calibration: CalibrationSection = CalibrationSection()

    #: Of the square with as many pixels as ``image_size: auto`` gives.
    usual_side: ClassVar[int] = 256

    def features(self) -> dict[str, Any]:
        """``backbone`` and ``layers`` of the model's card; {} for a model without a backbone."""
        return {}

    @property
    def is_resumed(self) -> bool:
        """Whether the training may go on from where an earlier one stopped."""
        return False

    @property
    def needs_validation(self) -> bool:
        """Whether the model depends on val.txt."""
        return self.calibration.rule == "best_f1"

    def __str__(self) -> str:
        """How it is trained, in a few words."""
        return f"batch {self.batch_size}, seed {self.seed}"

    def from_the_start(self) -> TrainSection:
        """The same for whoever trains again: it starts at the beginning."""
        return self

    def processes_to_start(self, device: Device) -> int:
        """How many processes are to train together; 1 if this one is enough.

        Raises:
            ConfigError: several have been started, and this model trains in one.
        """
        if process_count() > 1:
            raise ConfigError(
                f"{process_count()} processes were started to train together, but this model trains in one",
                where="Global.model",
                remedy="Start it with paddlex -c, without a launcher",
            )
        return 1


class BackboneSection(TrainSection):
    """Mode train, for models that compare the features of a pretrained backbone."""

    backbone: Backbone = "resnet18"
    layers: Annotated[list[str], Field(min_length=1)] = ["layer1", "layer2", "layer3"]
    pretrain_weight_path: UserPath | None = None

    def features(self) -> dict[str, Any]:
        return {"backbone": self.backbone, "layers": tuple(sorted(set(self.layers)))}


class EvaluateSection(Section):
    """Mode evaluate."""

    weight_path: UserPath | None = None
    log_interval: PositiveInt = 10
    analyses: list[AnalysisName] = list(ANALYSIS_NAMES)


class ExportSection(Section):
    """Mode export."""

    weight_path: UserPath | None = None
    precision: Literal["float32", "int8"] = "float32"
    force: bool = False
    complete: bool = True
    colour_order: Literal["RGB", "BGR"] = "RGB"
    archive: bool = False


class KernelOptionSection(Section):
    """How the network is run."""

    run_mode: str = "auto"
    cpu_threads: PositiveInt | None = None


class VideoSection(Section):
    """Which frames of a video or a camera are judged, see ``inference.video.VideoOptions``."""

    every: PositiveInt = 1
    max_frames: PositiveInt | None = None


class PredictSection(Section):
    """Mode predict."""

    batch_size: PositiveInt = 1
    model_dir: UserPath | None = None
    product: str | None = None
    input: UserPath | list[UserPath] | None = None
    threshold: float | None = None
    score_threshold: Rate | None = None
    target_fpr: Rate | None = None
    min_area: Annotated[float, Field(ge=0, lt=1)] | None = None
    tiling: TilingSection = TilingSection()
    video: VideoSection = VideoSection()
    save: list[Literal["picture", "mask", "heatmap", "map", "json"]] = ["picture", "json"]
    save_anomalous_only: bool = False
    save_coco: bool = False
    kernel_option: KernelOptionSection = KernelOptionSection()
    use_hpip: bool = False
    hpi_config: dict[str, Any] | None = None


class BenchmarkSection(Section):
    """Mode benchmark."""

    models: list[str] = []


class Config(Section):
    """The whole config, complete: every key that a file leaves out has its default.

    Attributes:
        for_model: whose ``Train`` section it has.
    """

    for_model: ClassVar[str] = DEFAULT_MODEL
    Global: GlobalSection = GlobalSection()
    CheckDataset: CheckDatasetSection = CheckDatasetSection()
    Train: TrainSection = TrainSection()
    Evaluate: EvaluateSection = EvaluateSection()
    Export: ExportSection = ExportSection()
    Predict: PredictSection = PredictSection()
    Benchmark: BenchmarkSection = BenchmarkSection()

    @property
    def output(self) -> Path:
        return Path(self.Global.output)

    def to_yaml(self) -> str:
        """The config as a YAML file that loads to the same config."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)
