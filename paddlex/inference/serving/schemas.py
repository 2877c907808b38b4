"""What goes in and out, as JSON. PaddleX's names first; what is ours beside them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator
from typing_extensions import Self

#: A grey 8 x 8 PNG, for the examples.
EXAMPLE_IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR42mM8wQABTAwUMQA6AADYbMmlZgAAAABJRU5ErkJggg=="

ImageText = Annotated[
    str,
    Field(
        description="The base64 of the image file's content (JPEG, PNG, BMP, GIF, TIFF, WebP, PPM), or its http(s) URL if the "
        "server allows URLs."
    ),
]
ModelName = Annotated[str | None, Field(description="One of GET /models; the default one if it is left out.")]
Threshold = Annotated[
    FiniteFloat | None,
    Field(ge=-1e30, le=1e30, description="Another threshold for the raw image score than the model's own."),
]

ScoreThreshold = Annotated[
    FiniteFloat | None,
    Field(
        ge=0.001,
        le=0.999,
        description="The same on the scale of the model's scores, on which its own threshold is 0.5.",
    ),
]


class _Request(BaseModel):
    """Unknown keys are refused: a misspelt ``threshold`` must not pass for none. Nor does 0 pass for false."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: ModelName = None
    threshold: Threshold = None
    scoreThreshold: ScoreThreshold = None  # noqa: N815
    logId: str | None = Field(None, max_length=128, description="Comes back in the answer; a new UUID if left out.")  # noqa: N815

    @model_validator(mode="after")
    def _has_one_threshold(self) -> Self:
        if self.threshold is not None and self.scoreThreshold is not None:
            raise ValueError("give threshold or scoreThreshold, not both")
        return self


class ImageRequest(_Request):
    """The body of ``POST /image-anomaly-detection``."""

    image: ImageText
    visualize: bool | None = Field(
        None, description="Whether the answer holds a picture; null: as Serving.visualize of the pipeline says, or yes."
    )

    model_config = ConfigDict(json_schema_extra={"examples": [{"image": EXAMPLE_IMAGE, "visualize": False}]})


class BatchRequest(_Request):
    """The body of ``POST /image-anomaly-detection/batch``."""

    images: list[ImageText] = Field(min_length=1)
    visualize: bool | None = Field(None, description="Whether each result holds a picture; null is no.")
    labelMap: bool | None = Field(None, description="Whether each result holds its label map; null is yes.")  # noqa: N815

    model_config = ConfigDict(json_schema_extra={"examples": [{"images": [EXAMPLE_IMAGE, EXAMPLE_IMAGE]}]})


class Region(BaseModel):
    """One connected region of the mask, in pixels of the image; scores are 0 to 1, 0.5 at the pixel threshold."""

    bbox: list[int] = Field(min_length=4, max_length=4, description="x, y, width, height")
    polygon: list[list[int]] = Field(description="The outer border: [[x, y], ...]")
    area: int
    max_score: float
    mean_score: float
    zone: str | None = Field(None, description="The zone that it is in, of a model that has zones.")


class PartPosition(BaseModel):
    """How the part lies in the image, of a model that aligns its images."""

    found: bool
    reason: str = Field(description="Why it is not found, and the image therefore anomalous; empty where it is found.")
    quality: float = Field(description="Correlation with the reference picture, -1 to 1.")
    seen: float = Field(ge=0, le=1, description="Share of the reference picture that the image shows.")
    shift: list[float] = Field(min_length=2, max_length=2, description="right, down, in pixels of the image")
    angle: float = Field(description="Degrees, clockwise.")
    scale: float


class Decision(BaseModel):
    """What every answer says about an image."""

    isAnomalous: bool = Field(description="rawScore > threshold")  # noqa: N815
    score: float = Field(ge=0, le=1, description="0.25 is a typical good part, 0.5 the threshold.")
    rawScore: float = Field(description="The same on the scale of the anomaly map.")  # noqa: N815
    threshold: float = Field(description="For rawScore.")
    anomalousArea: float = Field(ge=0, le=1, description="Share of the pixels that are in the mask.")  # noqa: N815
    size: list[int] = Field(min_length=2, max_length=2, description="height, width")
    regions: list[Region] = Field(description="The strongest first.")
    product: str | None = Field(
        None, description="Whose model has judged, where the server has those of several products."
    )
    productDistance: float | None = Field(  # noqa: N815
        None, description="How far the image is from that product's, 0 to 1, where the model asked for is auto."
    )
    position: PartPosition | None = None


class DetectionResult(Decision):
    """``result`` of PaddleX's endpoint; labelMap, size and image are PaddleX's own."""

    labelMap: list[Literal[0, 255]] | None = Field(  # noqa: N815
        None, description="Row by row, 255 where a pixel is anomalous."
    )
    image: str | None = Field(None, description="Base64 of a JPEG: the image with its regions beside the heat map.")
    pixelThreshold: float = Field(description="For the anomaly map.")  # noqa: N815
    warning: str | None = Field(None, description="What speaks against the threshold that the request asks for.")


class _Success(BaseModel):
    logId: str  # noqa: N815
    errorCode: Literal[0] = 0  # noqa: N815
    errorMsg: Literal["Success"] = "Success"  # noqa: N815


class Detection(_Success):
    """The answer of PaddleX's endpoint."""

    result: DetectionResult


class _Item(BaseModel):
    errorCode: int = Field(description="0, or the HTTP status that this image alone would have got.")  # noqa: N815
    errorMsg: str  # noqa: N815


class BatchItem(_Item):
    """One image of a batch."""

    result: DetectionResult | None = None


class BatchDetection(_Success):
    """The answers to a batch, in its order."""

    results: list[BatchItem]


class JudgedFile(_Item):
    """One uploaded file."""

    name: str
    isAnomalous: bool | None = None  # noqa: N815
    score: float | None = None
    rawScore: float | None = None  # noqa: N815
    threshold: float | None = None
    anomalousArea: float | None = None  # noqa: N815
    size: list[int] | None = None
    regions: list[Region] | None = None
    product: str | None = None
    productDistance: float | None = None  # noqa: N815
    position: PartPosition | None = None
    heatMap: str | None = Field(  # noqa: N815
        None, description="Base64 of an 8-bit grey PNG, 512 pixels at most: 128 is the pixel threshold."
    )


class Judged(_Success):
    """The answers to uploaded files, in their order."""

    results: list[JudgedFile]


class ServedBankInfo(BaseModel):
    """The name ``auto``: each image is judged by the model of the product that it shows."""

    name: Literal["auto"]
    modelName: Literal["auto"]  # noqa: N815
    isDefault: bool  # noqa: N815
    products: list[str] = Field(description="The models that it chooses from.")


class ServedModelInfo(BaseModel):
    """One model of the server."""

    name: str
    modelName: str  # noqa: N815
    isDefault: bool  # noqa: N815
    threshold: float
    typical: float
    pixelThreshold: float  # noqa: N815
    pixelTypical: float  # noqa: N815
    thresholdSource: str  # noqa: N815
    targetFpr: float | None = Field(description="Share of good parts that the threshold calls anomalous.")  # noqa: N815
    calibrationScores: list[float] = Field(description="Raw scores of the normal images it comes from.")  # noqa: N815
    inputSize: list[int] = Field(description="width, height of the network's input")  # noqa: N815
    inspectedArea: float = Field(description="Share of the photo that is inspected, 0 to 1.")  # noqa: N815
    zones: list[str] = Field(description="Names of the zones with limits of their own.")
    runMode: str  # noqa: N815
    device: str


class Models(BaseModel):
    """All of them."""

    models: list[ServedModelInfo | ServedBankInfo]


class Reloaded(_Success):
    """The model as it is now."""

    result: ServedModelInfo


class Health(BaseModel):
    """The server is well; the words are PaddleX's."""

    logId: str  # noqa: N815
    errorCode: Literal[0]  # noqa: N815
    errorMsg: Literal["Healthy"]  # noqa: N815


class Problem(BaseModel):
    """An error, as PaddleX has it."""

    logId: str  # noqa: N815
    errorCode: int = Field(description="The HTTP status.")  # noqa: N815
    errorMsg: str = Field(description="What is wrong, and what to do about it.")  # noqa: N815


class BatchProblem(Problem):
    """Not one image could be judged; why, of each."""

    results: list[_Item] | None = None
