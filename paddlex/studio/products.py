"""Products: what is taught, and how."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

import paddlex
from paddlex.config import load_config
from paddlex.errors import ConfigError
from paddlex.inference.model_bank import AUTO
from paddlex.inference.serving.errors import RequestError, explain
from paddlex.studio import audit
from paddlex.studio.database.schema import Member, Product
from paddlex.studio.regions import Regions, size_of_good
from paddlex.studio.web.bodies import Body
from paddlex.studio.workspace import now_ms

CONFIGS = Path(paddlex.__file__).parent / "configs"

#: A name is a folder, a model of the service, and part of URLs: letters and digits of any script, and few signs between.
_NAME = re.compile(r"\w(?:[\w .+-]*\w)?")
_LONGEST_NAME, _MOST_NAME_BYTES = 64, 120

#: What no folder can be called on some systems, or the service understands otherwise.
_TAKEN = frozenset(
    {AUTO, "con", "prn", "aux", "nul", *(f"{name}{number}" for name in ("com", "lpt") for number in range(10))}
)

#: As many as one page lists.
MOST_PRODUCTS = 1000

#: With fewer good pictures nothing can be learnt.
FEWEST_GOOD = 4

ImageSize = int | Annotated[list[int], Field(min_length=2, max_length=2)] | Annotated[str, Field(max_length=9)]


class Settings(Body):
    """How a product is taught; what is left out is as the model's config has it.

    Attributes:
        model: a config in ``configs/image_anomaly_detection``, by its name without ``.yaml``.
        imageSize: ``Train.image_size``.
        robust: ``Train.robust``.
        align: ``Train.alignment.enable``.
        light: ``Train.light``.
        autoLive: whether a refit after corrections goes live if the gate lets it.
        regions: see ``regions``; None where nobody has looked at them yet.
    """

    model: str
    imageSize: ImageSize | None = None  # noqa: N815 - as in JSON
    robust: Literal["off", "list", "leave_out"] = "leave_out"
    align: bool = False
    light: Literal["none", "brightness"] = "none"
    autoLive: bool = True  # noqa: N815
    regions: Regions | None = None

    def overrides(self) -> list[str]:
        """What they change of the model's config, as ``-o`` takes it."""
        given: dict[str, Any] = {
            "Train.robust": self.robust,
            "Train.alignment.enable": self.align,
            "Train.light": self.light,
        }
        if self.imageSize is not None:
            given["Train.image_size"] = self.imageSize
        return [
            f"{key}={yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}" for key, value in given.items()
        ]

    def check(self) -> None:
        """See that a training could begin with them.

        Raises:
            RequestError: 422, it could not.
        """
        try:
            load_config(template(self.model), self.overrides())
        except ConfigError as error:
            raise RequestError(422, f"the settings cannot be used: {error}") from error


class Changes(Body):
    """Of a product; what is left out stays as it is."""

    targetFpr: Annotated[float, Field(gt=0, lt=1)] | None = None  # noqa: N815
    settings: dict[str, Any] = Field(default_factory=dict)


def templates() -> list[str]:
    """The models that a product can be taught with."""
    return sorted(path.stem for path in (CONFIGS / "image_anomaly_detection").glob("*.yaml"))


def template(model: str) -> Path:
    """The config that trainings of a model start from.

    Raises:
        RequestError: 422, there is none.
    """
    if model not in templates():
        raise RequestError(422, f"there is no model {model[:80]!r}", remedy=f"It is one of {', '.join(templates())}")
    return CONFIGS / "image_anomaly_detection" / f"{model}.yaml"


@cache
def defaults() -> Mapping[str, Any]:
    """What a new product has."""
    found = yaml.safe_load((CONFIGS / "studio" / "studio.yaml").read_text(encoding="utf-8"))["Product"]
    assert isinstance(found, dict)
    return found


def add(session: Session, name: str, model: str | None, by: str) -> Product:
    """Begin with a product.

    Args:
        session: that writes.
        name: what the product is called.
        model: what it is taught with; None for the default.
        by: who wants it.

    Raises:
        RequestError: 422, the name or the model cannot be; 409, there is such a product, or there are too many.
    """
    name = checked_name(name)
    settings = Settings(model=model or defaults()["model"])
    settings.check()
    names = session.scalars(select(Product.name)).all()
    if len(names) >= MOST_PRODUCTS:
        raise RequestError(409, f"a workspace has at most {MOST_PRODUCTS} products", remedy="Begin another workspace")
    alike = [one for one in names if one.casefold() == name.casefold()]
    if alike:  # two names that differ in that alone are one folder on some systems
        raise RequestError(409, f"there is a product {alike[0]} already", remedy="Choose another name")
    product = Product(name=name, made_at=now_ms(), target_fpr=defaults()["target_fpr"], settings=settings.model_dump())
    session.add(product)
    session.flush()
    audit.append(session, by=by, action="product.add", product=name, details={"model": settings.model})
    return product


def checked_name(name: str) -> str:
    """A name as it is kept.

    Raises:
        RequestError: 422, it cannot be a product's.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not name or len(name) > _LONGEST_NAME or len(name.encode("utf-8", "replace")) > _MOST_NAME_BYTES:
        raise RequestError(422, f"a name has 1 to {_LONGEST_NAME} letters", remedy="Choose another name")
    if _NAME.fullmatch(name) is None:
        what = "a name has letters, digits and _ - + . or spaces between them"
        raise RequestError(422, what, remedy="Choose another name")
    if name.partition(".")[0].casefold() in _TAKEN:
        raise RequestError(422, f"{name} has a meaning of its own", remedy="Choose another name")
    return name


def change(session: Session, product: Product, changes: Changes, by: str) -> None:
    """Teach it otherwise from the next training on.

    Raises:
        RequestError: 422, it cannot be taught so.
    """
    if "regions" in changes.settings:
        raise RequestError(422, "settings.regions is not set here", remedy="PUT the regions")
    settings = _checked({**settings_of(product).model_dump(), **changes.settings})
    settings.check()
    new: dict[str, Any] = {"settings": {**product.settings, **settings.model_dump()}}
    if changes.targetFpr is not None:
        new["target_fpr"] = changes.targetFpr
    told = {}
    for key, value in new.items():
        if (before := getattr(product, key)) != value:
            setattr(product, key, value)
            told[key] = {"from": before, "to": value}
    if told:
        audit.append(session, by=by, action="product.change", product=product.name, details=told)


def settings_of(product: Product) -> Settings:
    """How a product is taught; what else is kept with it is another's."""
    kept = {key: value for key, value in product.settings.items() if key in Settings.model_fields}
    return Settings.model_validate({"model": defaults()["model"], **kept})


def _checked(values: Mapping[str, Any]) -> Settings:
    """Settings as somebody has sent them.

    Raises:
        RequestError: 422, they cannot be.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestError(422, f"settings: {explain(problems)}") from error


def set_regions(session: Session, product: Product, regions: Regions, by: str) -> None:
    """Inspect other regions from the next training on.

    Raises:
        RequestError: 422, nothing would be inspected, or zones overlap; 409, the pictures are of several sizes.
    """
    settings = settings_of(product)
    if regions.are_given:
        regions.in_pixels(size_of_good(session, product, one_size=not settings.align))
    before = settings.regions
    product.settings = {**product.settings, **settings.model_dump(), "regions": regions.model_dump()}
    details = {"from": None if before is None else before.model_dump(), "to": regions.model_dump()}
    audit.append(session, by=by, action="regions.change", product=product.name, details=details)


def good_digests(session: Session, product: Product) -> list[str]:
    """The pictures that the product is learnt from, in the order in which they came."""
    return list(
        session.scalars(
            select(Member.digest).where(Member.product_id == product.id, Member.role == "good").order_by(Member.id)
        )
    )
