"""What every anomaly network is: some partial maps, and their fusion to one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import paddle
from paddle import nn

from paddlex.inference.refit.calibrating import Fusions
from paddlex.modules.image_anomaly_detection.calibration.fusion import CalibratedFusion


class AnomalyNetwork(nn.Layer):
    """Base of all anomaly networks. Whoever makes a new one writes ``partial_maps`` and ``paper_map``.

    Everything that follows (calibration, thresholds, export, prediction, evaluation) takes it from there.

    Args:
        map_sizes: (h_l, w_l) of each partial map, the finest first.
        sigma: of the Gaussian that smooths the calibrated map, in positions of the finest map.

    Raises:
        ValueError: the finest map is too small to be smoothed.

    Attributes:
        least_shrinkage: how far the statistics of a position are shrunk towards those of its map at least, see
            ``inference.refit.fusion_statistics``.
    """

    least_shrinkage: float = 0.0

    def __init__(self, map_sizes: Sequence[tuple[int, int]], sigma: float = 1.0) -> None:
        super().__init__()
        self.fusion = CalibratedFusion(map_sizes, sigma)

    @abstractmethod
    def partial_maps(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """How unusual each position is, once for each kind of evidence, not yet comparable with each other.

        Args:
            x: float32 [N, 3, H, W], RGB, normalised as the backbone was trained.

        Returns:
            float32 [N, 1, h_l, w_l] each, the larger the more unusual.
        """

    @abstractmethod
    def paper_map(self, partial: Sequence[paddle.Tensor], size: Sequence[int]) -> paddle.Tensor:
        """The fusion as the model's paper has it: [N, 1, h_l, w_l] each -> [N, 1, H, W] for ``size`` (H, W)."""

    def paper_maps(self, partial: Sequence[np.ndarray], size: Sequence[int]) -> np.ndarray:
        """``paper_map`` of arrays: float32 [n, h_l, w_l] each -> float32 [n, H, W]."""
        with paddle.no_grad():
            return self.paper_map([paddle.to_tensor(layer[:, None]) for layer in partial], size).numpy()[:, 0]

    def fusions(self) -> Fusions:
        """What a calibration fuses partial maps by; the network itself stays as it is."""
        return Fusions(self.fusion.in_numpy(), self.paper_maps, self.least_shrinkage)

    def with_features(self) -> tuple[nn.Layer, list[str]] | None:
        """What gives the outputs of this network and, after them, the features that it can be fitted again to; their names.

        None for a network that has to be trained.
        """
        return None

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """The paper's map and the calibrated one, float32 [N, 1, H, W] each, of images float32 [N, 3, H, W]."""
        partial = self.partial_maps(x)
        size = x.shape[2:]
        return self.paper_map(partial, size), self.fusion(partial, size)
