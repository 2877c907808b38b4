"""Where a product's pictures are inspected, as people paint it: polygons in shares of width and height."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from paddlex.inference.checked import Invalid
from paddlex.inference.inspection import Inspection
from paddlex.inference.serving.errors import RequestError
from paddlex.studio.database.schema import Member, Picture, Product
from paddlex.studio.web.bodies import Body

Share = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[list[tuple[Share, Share]], Field(min_length=3, max_length=1000)]
Polygons = Annotated[list[Polygon], Field(max_length=100)]


class Zone(Body):
    """A zone with a limit of its own, see ``inference.inspection.Zone``."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    polygon: Polygon
    factor: Annotated[float, Field(gt=0, le=1000)] = 1
    targetFpr: Annotated[float, Field(gt=0, lt=1)] | None = None  # noqa: N815 - as in JSON


class Regions(Body):
    """All of them.

    Attributes:
        inspect: if there are any, only these are inspected.
        ignore: these are not.
        zones: parts with limits of their own.
    """

    inspect: Polygons = Field(default_factory=list)
    ignore: Polygons = Field(default_factory=list)
    zones: Annotated[list[Zone], Field(max_length=100)] = Field(default_factory=list)

    @property
    def are_given(self) -> bool:
        """Whether anything is painted."""
        return bool(self.inspect or self.ignore or self.zones)

    def in_pixels(self, size: tuple[int, int]) -> dict[str, Any]:
        """``Train.regions`` for pictures of a size (width, height).

        Raises:
            RequestError: 422, nothing would be inspected, or zones overlap.
        """

        def placed(polygon: Sequence[tuple[float, float]]) -> list[list[float]]:
            return [[round(x * size[0], 2), round(y * size[1], 2)] for x, y in polygon]

        zones = [
            {"name": zone.name, "polygon": placed(zone.polygon), "factor": zone.factor, "target_fpr": zone.targetFpr}
            for zone in self.zones
        ]
        drawn = {
            "inspect": [placed(one) for one in self.inspect],
            "ignore": [placed(one) for one in self.ignore],
            "zones": zones,
        }
        try:
            Inspection.parse({"size": list(size), **drawn})
        except Invalid as error:
            what = f"the regions {'cannot be used: ' if error.key else ''}{error}"
            raise RequestError(422, what, remedy="Paint them anew") from error
        return drawn


def size_of_good(session: Session, product: Product, *, one_size: bool = True) -> tuple[int, int]:
    """Width and height of a product's good pictures, or of most of them where they need not be of one size.

    Raises:
        RequestError: 409, there are none, or they are of several sizes.
    """
    good = (
        select(Picture.width, Picture.height, func.count())
        .join(Member, Member.digest == Picture.digest)
        .where(Member.product_id == product.id, Member.role == "good")
        .group_by(Picture.width, Picture.height)
    )
    sizes = Counter({(width, height): count for width, height, count in session.execute(good).all()})
    if not sizes:
        raise RequestError(409, "there is no good picture to paint on", remedy="Add pictures of good parts first")
    (usual, _), *others = sizes.most_common()
    if others and one_size:
        (width, height), count = others[0]
        raise RequestError(
            409,
            f"the good pictures are of {len(sizes)} sizes, {count} of {width} x {height} pixels and most of {usual[0]} x "
            f"{usual[1]}: the same regions cannot be meant",
            remedy="Take those of another size out, or let parts be aligned",
        )
    return usual
