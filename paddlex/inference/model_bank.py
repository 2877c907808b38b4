"""A bank: a folder with the models of several products, each in a folder, or an exported .tar, of the product's name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paddlex.errors import ModelError
from paddlex.inference.archive import SUFFIX
from paddlex.inference.checked import text
from paddlex.inference.model_folder import ModelFolder, checked_argument, holds_model, open_model_folder
from paddlex.utils.logging import logger

#: In the place of a product's name: whichever a photo shows.
AUTO = "auto"


@dataclass(frozen=True)
class ModelBank:
    """A folder of models.

    Attributes:
        path: the folder.
        products: name -> the product's folder or .tar, in the order of their names.
    """

    path: Path
    products: Mapping[str, Path]

    @property
    def names(self) -> str:
        """The products, for messages."""
        return ", ".join(self.products)

    def path_of(self, product: str) -> Path:
        """The folder, or .tar, of a product.

        Raises:
            ModelError: there is none of this name.
        """
        checked_argument("product", text, product)
        if product in self.products:
            return self.products[product]
        if product == AUTO:
            what, remedy = "auto takes one of several models for each photo, and here one is needed", self.names
            raise ModelError(what, where=self.path, remedy=f"Set product to one of {remedy}")
        if product in (entry.name for entry in self.path.iterdir() if entry.is_dir()):
            return self.path / product  # it is damaged, and opening it says how
        near = difflib.get_close_matches(product, self.products, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"Set product to one of {self.names}, or to {AUTO}"
        raise ModelError(f"the folder has no product {product!r}", where=self.path, remedy=remedy)

    def open_all(self) -> dict[str, ModelFolder]:
        """The model folders of all products, each with the signature that ``auto`` needs.

        Raises:
            ModelError: one is damaged, or has no signature.
        """
        folders = {product: open_model_folder(path) for product, path in self.products.items()}
        lacking = [product for product, folder in folders.items() if folder.own.signature is None]
        if lacking:
            raise ModelError(
                f"{AUTO} cannot recognise {', '.join(lacking)}: the models say nothing of how their products look",
                where=self.path,
                remedy="Train them again, which notes it, or set product to a name",
            )
        for path in sorted(self.path.iterdir()):
            if path.is_dir() and path.name not in self.products and not path.name.startswith("."):
                logger.warning("%s holds no model, and its photos are not recognised.", path)
        return folders


def find_bank(path: str | os.PathLike[str]) -> ModelBank | None:
    """The bank that a folder is; None where it is a model itself, holds no models, or is no folder.

    Raises:
        ModelError: two of its models have the same name, or one is called ``auto``.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir() or holds_model(folder):
        return None
    products: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        is_archive = entry.is_file() and entry.suffix.lower() == SUFFIX
        if entry.name.startswith(".") or not (is_archive or holds_model(entry)):
            continue
        name = entry.stem if is_archive else entry.name
        if name in products:
            what = f"two models are called {name}: {products[name].name} and {entry.name}"
            raise ModelError(what, where=folder, remedy="Remove or rename one of them")
        if name == AUTO:
            what = f"a product cannot be called {AUTO}, which means whichever a photo shows"
            raise ModelError(what, where=entry, remedy="Rename it")
        products[name] = entry
    return ModelBank(folder, products) if products else None


def bank_of(path: str | os.PathLike[str] | None) -> ModelBank:
    """The bank at a path.

    Raises:
        ModelError: there is none.
    """
    bank = None if path is None else find_bank(path)
    if bank is None:
        what = "product is for a folder of models, one folder a product, and this is none"
        raise ModelError(what, where=path, remedy="Set model_dir to such a folder, or leave product out")
    return bank


def chosen(path: str | os.PathLike[str] | None, product: str | None) -> str | os.PathLike[str]:
    """The folder of the model that is meant: the path itself, or a product's below it; one of both is given.

    Raises:
        ModelError: the path is a bank and no product is named, or the other way round; or it has no such product.
    """
    if product is not None:
        return bank_of(path).path_of(product)
    assert path is not None
    if (bank := find_bank(path)) is not None:
        what = f"the folder holds the models of {len(bank.products)} products: {bank.names}"
        remedy = f"Set product (--product, Predict.product) to one of them, or to {AUTO}"
        raise ModelError(what, where=path, remedy=remedy)
    return path
