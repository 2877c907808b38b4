"""What the ``Train`` sections of all models that compare patch features have in common."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from paddlex.config_schema import Backbone, BackboneSection, Config, ImageSize, PositiveInt


class PatchSection(BackboneSection):
    """Mode train, for models that look at the features of good parts once, without gradients."""

    usual_side: ClassVar[int] = 320

    backbone: Backbone = "efficientnet_lite0"
    layers: Annotated[list[str], Field(min_length=1)] = ["layer2", "layer3", "layer4"]  # noqa: RUF012  (pydantic copies it)
    image_size: ImageSize = "auto"
    batch_size: PositiveInt = 8
    sampled_patches: Annotated[int, Field(ge=100, strict=True)] = 40_000
    memory_gb: Annotated[float, Field(gt=0)] = 1.0

    @classmethod
    def of(cls, config: Config) -> PatchSection:
        """The section of a config that is for such a model."""
        assert isinstance(config.Train, cls)
        return config.Train
