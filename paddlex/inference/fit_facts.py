"""How a model was fitted, as far as it can be fitted again: it stands with the model, in inference.yml and in the card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from paddlex.inference.checked import Checked, block, list_of, optional, share, text, whole, within, word

#: How the names of what is learnt begin, in the network and in inference.onnx.
LEARNT = ("parts.", "fusion.")

#: Different images that a training needs: two to train on, and two held out to choose and calibrate with.
FEWEST_TRAINING_IMAGES = 4

#: With fewer a warning says that they are few; with fewer than this a threshold for 5 % rests on ten images.
FEW_IMAGES = 50

#: A part that remembers patches, and one that has a Gaussian at each position.
BANK, GAUSSIANS = "bank", "gaussians"

_POSITIVE = within(0, 1e6, "above 0, and 1000000 at most", open_below=True)


@dataclass(frozen=True)
class PartFacts(Checked):
    """One part of a model that compares patch features.

    Attributes:
        kind: what it is.
        features: the name of those that it looks at.
        size: how many patches a bank shall hold, where there are so many; None for another part.
        neighbours: of how many patches the surroundings of a patch consist; 0 for no weighting.

    Raises:
        Invalid: a value that cannot be.
    """

    kind: Annotated[str, word(BANK, GAUSSIANS)]
    features: Annotated[str, text]
    size: Annotated[int | None, optional(whole(1))] = None
    neighbours: Annotated[int, whole(0)] = 0


@dataclass(frozen=True)
class FitFacts(Checked):
    """What a fit depends on beside the photos.

    Attributes:
        parts: the finest first, as the network has them.
        seed, sampled_patches, memory_gb, batch_size, copies: as in the ``Train`` section of the config.
        rule: by which the image threshold was found, likewise.
        sigma: of the Gaussian that smooths the calibrated map, in positions of the finest map.
        least_shrinkage: of the fusion's statistics.

    Raises:
        Invalid: a value that cannot be.
    """

    parts: Annotated[list[PartFacts], list_of(block(PartFacts), least=1)]
    seed: Annotated[int, whole(0)]
    sampled_patches: Annotated[int, whole(1)]
    memory_gb: Annotated[float, _POSITIVE]
    batch_size: Annotated[int, whole(1)]
    sigma: Annotated[float, _POSITIVE]
    least_shrinkage: Annotated[float, share]
    rule: Annotated[str, text] = "target_fpr"
    copies: Annotated[list[str], list_of(text)] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Of the features, each once."""
        return list(dict.fromkeys(part.features for part in self.parts))


def features_value(name: str) -> str:
    """What features are called in inference.onnx."""
    return f"features.{name}"


def fusion_arrays(layers: int) -> Sequence[tuple[str, str]]:
    """What the mean and the deviation of each layer are called there."""
    return [(f"fusion.mean_{number}", f"fusion.deviation_{number}") for number in range(layers)]


def part_array(number: int, name: str) -> str:
    """What an array of a part is called there."""
    return f"parts.{number}.{name}"
