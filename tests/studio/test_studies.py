"""What a product is qualified by must be new to its model."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from paddlex.errors import WorkspaceError
from paddlex.studio.database.schema import Member, Product, Version
from paddlex.studio.studies import Studies
from paddlex.studio.workspace import Workspace, now_ms


@pytest.fixture
def database_url() -> None:
    """SQLite is enough."""


@pytest.fixture
def product(workspace: Workspace, add_version: Callable[..., Version]) -> Product:
    number = add_version(workspace).product_id
    with workspace.reading() as session:
        return session.get_one(Product, number)


def _teach(workspace: Workspace, product: Product, data: bytes, role: str) -> None:
    with workspace.writing() as session:
        picture = workspace.pictures.add(session, data)
        member = Member(
            product_id=product.id, digest=picture.digest, role=role, name="a.png", source="import", where=[],
            added_at=now_ms(), added_by="ada",
        )  # fmt: skip
        session.add(member)


@pytest.mark.parametrize("role", ["good", "challenge", "aside"])
def test_a_picture_of_the_product_proves_nothing_of_new_parts(
    workspace: Workspace, product: Product, png: Callable[[int], bytes], role: str
) -> None:
    studies = Studies(workspace)
    _teach(workspace, product, png(1), role)
    with pytest.raises(WorkspaceError, match="is taught with this picture"):
        studies.add(product, None, png(1))
    assert studies.add(product, "part 1", png(1))  # that a part gets the same score again may be asked of any


def test_what_is_learnt_from_later_is_in_the_study_no_more(
    workspace: Workspace, product: Product, png: Callable[[int], bytes]
) -> None:
    studies = Studies(workspace)
    names = [studies.add(product, None, png(number)) for number in (1, 2)]
    assert sorted(studies.contents(product).good) == sorted(names)
    _teach(workspace, product, png(1), "good")
    assert studies.contents(product).to_rate == names[1:]
