"""What is done to a photo before the network sees it, and how the network's map comes back into the photo.

A model is made for photos as its own preparation leaves them; it stands in inference.yml. Training, calibration, evaluation and
every prediction come through here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from paddlex.inference.checked import Checked, optional
from paddlex.inference.inspection import Inspection
from paddlex.inference.light import Light
from paddlex.inference.view import View


def _inspection(value: Any) -> Inspection:
    return value if isinstance(value, Inspection) else Inspection.parse(value)


def _light(value: Any) -> Light:
    return value if isinstance(value, Light) else Light.parse(value)


@dataclass(frozen=True)
class Preparation(Checked):
    """The steps, in their order; a model without any sees photos as they are.

    Attributes:
        regions: where a photo is inspected; None for everywhere.
        light: brings photos in other light to the light of the training photos; None leaves them as they are.

    Raises:
        Invalid: a value that cannot be.
    """

    regions: Annotated[Inspection | None, optional(_inspection)] = None
    light: Annotated[Light | None, optional(_light)] = None

    @property
    def steps(self) -> list[Callable[[View], View]]:
        """What is done, one after the other."""
        painted = None if self.regions is None else self.regions.painted
        return [step for step in (self.regions, self.light, painted) if step is not None]

    def view_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the view of a photo of this size."""
        return height, width

    def example(self, height: int, width: int) -> np.ndarray:
        """A picture of about so many pixels that it takes for a photo, uint8 [h, w, 3]: grey, in the shape of the photos."""
        if self.regions is not None:
            height, width = self.regions.scaled_to(height * width)
        return np.full((height, width, 3), 128, np.uint8)

    def __call__(self, photo: np.ndarray) -> View:
        """The view of a photo, uint8 [H, W, 3] BGR, which stays as it is."""
        view = View(photo)
        for step in self.steps:
            view = step(view)
        return view


#: What a model without a preparation does.
NOTHING = Preparation()
