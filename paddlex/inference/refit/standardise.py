"""Features brought to mean 0 and deviation 1, channel by channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: The least deviation of a channel, as a share of the mean deviation: one that is constant on the training images, dead
#: perhaps, must not turn its slightest stir into a huge distance.
_LEAST = 0.01


@dataclass(frozen=True)
class Standardisation:
    """``(features - mean) * scale`` of each channel.

    Attributes:
        mean, scale: float32 [C].
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, patches: np.ndarray) -> Standardisation:
        """By the mean and the deviation of some patches, float32 [m, C]."""
        mean = patches.mean(axis=0, dtype=np.float64)
        deviation = patches.std(axis=0, mean=mean[None], dtype=np.float64)
        usual = float(deviation.mean())
        deviation = np.maximum(deviation, _LEAST * usual) if usual > 0 else np.ones_like(deviation)
        return cls(mean.astype(np.float32), (1 / deviation).astype(np.float32))

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        """float16 or float32 [n, C] -> float32 [n, C]."""
        standardised = patches - self.mean
        standardised *= self.scale
        return standardised
