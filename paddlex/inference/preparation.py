"""What is done to a photo before the network sees it, and how the network's map comes back into the photo.

A model is made for photos as its own preparation leaves them; it stands in inference.yml. Training, calibration, evaluation and
every prediction come through here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from paddlex.inference.alignment import Alignment
from paddlex.inference.checked import Checked, block, optional
from paddlex.inference.inspection import Inspection
from paddlex.inference.light import Light
from paddlex.inference.view import View


@dataclass(frozen=True)
class Preparation(Checked):
    """The steps, in their order; a model without any sees photos as they are.

    Attributes:
        alignment: brings the part to where a reference picture has it; None leaves it where it is.
        regions: where it is inspected then; None for everywhere.
        light: brings photos in other light to the light of the training photos; None leaves them as they are.

    Raises:
        Invalid: a value that cannot be.
    """

    alignment: Annotated[Alignment | None, optional(block(Alignment))] = None
    regions: Annotated[Inspection | None, optional(block(Inspection))] = None
    light: Annotated[Light | None, optional(block(Light))] = None

    @property
    def steps(self) -> list[Callable[[View], View]]:
        """What is done, one after the other."""
        painted = None if self.regions is None else self.regions.painted
        whole = None if self.alignment is None or self.regions is None else self._seen_enough
        return [step for step in (self.alignment, self.regions, whole, self.light, painted) if step is not None]

    @property
    def refuses(self) -> bool:
        """Whether a photo in which the part is not found is an error; else it is called anomalous."""
        return self.alignment is not None and self.alignment.not_found == "error"

    def never_refusing(self) -> Preparation:
        """The same for whoever wants a verdict on every photo that can be read."""
        if self.alignment is None:
            return self
        return replace(self, alignment=replace(self.alignment, not_found="ng"))

    def _seen_enough(self, view: View) -> View:
        """The same view; the part is not found where too little is seen of what is to be inspected of it."""
        alignment, regions, position = self.alignment, self.regions, view.position
        if alignment is None or regions is None or position is None or not position.found or view.inspected is None:
            return view
        seen = float(view.inspected.sum() / regions.pixels(*view.inspected.shape).sum())
        return view if seen >= alignment.min_seen else replace(view, position=position.too_little_seen(seen))

    def view_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the view of a photo of this size."""
        return (height, width) if self.alignment is None else (self.alignment.height, self.alignment.width)

    def example(self, height: int, width: int) -> np.ndarray:
        """A picture of about so many pixels that it takes for a photo, uint8 [h, w, 3]: the reference, or a grey one."""
        if self.alignment is not None:
            return self.alignment.scaled_to(height * width)
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
