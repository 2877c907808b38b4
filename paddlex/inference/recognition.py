"""Which product does a photo show? The nearest, or none: a part that nobody knows is judged by no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddlex.errors import UnknownProductError
from paddlex.inference.signature import Signature

#: The second product must be farther than the first by this factor, or either may be meant.
LEAST_MARGIN = 1.1


@dataclass(frozen=True)
class Recognised:
    """What a photo shows.

    Attributes:
        product: its name.
        distance: how far the photo is from the product's, 0 to 1.
    """

    product: str
    distance: float

    def to_dict(self) -> dict[str, Any]:
        """The keys of a result."""
        return {"product": self.product, "product_distance": self.distance}


def recognise(photo: np.ndarray, signatures: Mapping[str, Signature]) -> Recognised:
    """The product that a photo shows.

    Args:
        photo: uint8 [H, W, 3] BGR.
        signatures: of the products, by their names; at least one.

    Raises:
        UnknownProductError: no product is near, or two are as good as equally near.
    """
    distances = {product: signature.distance(photo) for product, signature in signatures.items()}
    (first, least), *others = sorted(distances.items(), key=lambda item: (item[1], item[0]))
    if not least <= 1:
        raise UnknownProductError(
            f"the photo shows none of the products {', '.join(signatures)}: the nearest is {first} at distance "
            f"{least:.2f}, and 1 is the farthest",
            remedy="Check the part and its place, or name the product",
        )
    if others and others[0][1] < LEAST_MARGIN * least:
        second, distance = others[0]
        raise UnknownProductError(
            f"the photo may show {first} or {second}: they are equally near, at distances {least:.2f} and {distance:.2f}",
            remedy="Check the part and its place, or name the product",
        )
    return Recognised(first, least)
