"""The memory bank of PatchCore (Roth et al.: Towards total recall in industrial anomaly detection, CVPR 2022, section 3)."""

from __future__ import annotations

import numpy as np
import paddle
from paddle.nn import functional as F

from paddlex.inference.fit_facts import BANK, PartFacts
from paddlex.inference.refit.bank import FLOOR, bank_size, fit_bank
from paddlex.inference.refit.features import PatchFeatures
from paddlex.modules.image_anomaly_detection.models.patchcore.options import PatchCoreOptions
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection
from paddlex.modules.image_anomaly_detection.models.patches.part import Part


class MemoryBank(Part):
    """Patches of good parts; the distance of a patch is the Euclidean one to the nearest of them, of standardised features.

    |x - b|^2 is |x|^2 - 2 x.b + |b|^2, and the nearest b is found by one matrix product of [x, 1] and [-2b, |b|^2]. For a
    patch that is in the bank the terms cancel, and what is left of C or so is rounding, another one in every engine. So
    distances have a floor, ``FLOOR`` times the root of C, far below those of a new image: above it any two engines agree to
    1e-4 of the root of C. (To gather the nearest patch and subtract it would be exact, but ArgMin makes the whole five times as
    slow in OpenVINO.)

    Args:
        layer: the stage it looks at.
        channels: of a patch.
        size: how many patches it holds; see ``bank_size``.
        neighbours: of how many patches of the bank, itself among them, the surroundings of a patch consist (b in Eq. 7, which
            the authors set to 9); the distances of an image are then weighted by how lonely the nearest patch to the farthest
            position is. 0 for no weighting.

    Raises:
        ValueError: fewer than 2 neighbours, which leave nothing to weight by.
    """

    def __init__(self, layer: str, channels: int, size: int, neighbours: int = 0) -> None:
        super().__init__(layer)
        self.channels = channels
        self.size = size
        self.wanted_neighbours = neighbours
        self.neighbours = min(neighbours, size)
        if neighbours:
            if self.neighbours < 2:
                raise ValueError(f"the weighting needs 2 neighbours or more: {neighbours} in a bank of {size} patches")
            # numbers of patches, in the type of all weights
            self.register_buffer("surroundings", paddle.zeros([size, self.neighbours]))
        self.register_buffer("mean", paddle.zeros([1, channels, 1, 1]))
        self.register_buffer("scale", paddle.ones([1, channels, 1, 1]))
        # a row a channel, as a matrix product wants them, of -2b, and |b|^2 as the last row
        self.register_buffer("patches", paddle.zeros([channels + 1, size]))

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        height, width = features.shape[2:]
        rows = ((features - self.mean) * self.scale).flatten(2).transpose([0, 2, 1])  # [N, h * w, C]
        squares = (rows * rows).sum(axis=-1, keepdim=True)
        extended = paddle.concat([rows, paddle.ones_like(squares)], axis=-1)
        nearest = F.linear(extended, self.patches).min(axis=-1, keepdim=True) + squares
        distance = paddle.clip(nearest, min=self._floor**2) ** 0.5
        if self.neighbours:
            distance = distance * self._weight(extended, distance)
        return distance.transpose([0, 2, 1]).reshape([-1, 1, height, width])

    def _weight(self, extended: paddle.Tensor, distance: paddle.Tensor) -> paddle.Tensor:
        """The factor of Eq. 7 for patches [N, h * w, C + 1], the last channel 1, and their distances [N, h * w, 1]: [N, 1, 1].

        The weighted largest distance is the paper's image score; all others take the same factor, so that a map keeps its form.
        """
        is_farthest = (distance >= distance.max(axis=1, keepdim=True)).astype("float32")
        farthest = (extended * is_farthest).sum(axis=1) / is_farthest.sum(axis=1)  # where several are, they are alike
        to_bank = F.linear(farthest, self.patches)  # less |x|^2
        around = paddle.gather(self.surroundings, paddle.argmin(to_bank, axis=-1))  # [N, b], the nearest first
        squares = paddle.take_along_axis(to_bank, around.astype("int64"), axis=1)
        squares = squares + (farthest * farthest).sum(axis=-1, keepdim=True) - 1
        to_surroundings = paddle.clip(squares, min=self._floor**2) ** 0.5
        return (1 - F.softmax(to_surroundings, axis=-1)[:, :1]).unsqueeze(-1)

    def facts(self, options: PatchSection) -> PartFacts:
        assert isinstance(options, PatchCoreOptions)
        return PartFacts(BANK, self.layer, options.bank_size, self.wanted_neighbours)

    def unfitted(self, patches: int) -> MemoryBank:
        """An empty one that holds as many patches, or as many as there are; see ``Part.unfitted``."""
        return MemoryBank(self.layer, self.channels, bank_size(self.size, patches), self.neighbours)

    def fit(self, features: PatchFeatures, seed: int) -> np.ndarray:
        """Fill the bank with a coreset of the pool; see ``Part.fit`` and ``fit_bank``."""
        return self.take_over(fit_bank(features, self.layer, self.size, self.neighbours, seed))

    @property
    def _floor(self) -> float:
        return FLOOR * self.channels**0.5
