"""What a list of products tells, and what it asks of the database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, select

from paddlex.inference.serving.errors import RequestError
from paddlex.studio import products
from paddlex.studio.database.schema import Job, Member, Picture, Product
from paddlex.studio.product_facts import products_json
from paddlex.studio.workspace import Workspace


def listed(workspace: Workspace) -> list[dict[str, Any]]:
    with workspace.reading() as session:
        rows = session.scalars(select(Product).order_by(Product.id)).all()
    return products_json(workspace, rows)


def add_products(workspace: Workspace, *names: str) -> list[int]:
    with workspace.writing() as session:
        return [products.add(session, name, None, "anna").id for name in names]


def test_each_product_has_its_own(workspace: Workspace) -> None:
    first, second = add_products(workspace, "first", "second")
    with workspace.writing() as session:
        session.add_all(
            Picture(digest=f"{number:064x}", suffix=".png", width=8, height=8, size=1, added_at=number)
            for number in range(8)
        )
        session.flush()
        session.add_all(
            Member(
                product_id=product, digest=f"{number:064x}", role=role, name="", source="import", where=[], problem="",
                duplicate_of="", added_at=number, added_by="anna",
            )
            for product, number, role in [(first, number, "good") for number in range(4)] + [(second, 5, "challenge")]
        )  # fmt: skip
        session.add_all(
            Job(product_id=product, kind=kind, state=state, made_at=made_at, made_by="anna")
            for product, kind, state, made_at in (
                (first, "check", "running", 1), (first, "train", "done", 2), (first, "analyse", "running", 3),
                (second, "check", "done", 4), (second, "check", "done", 5), (second, "check", "failed", 9),
            )
        )  # fmt: skip
    told = listed(workspace)
    assert [product["counts"] for product in told] == [
        {"good": 4, "challenge": 0, "aside": 0}, {"good": 0, "challenge": 1, "aside": 0}
    ]  # fmt: skip
    assert [product["steps"]["pictures"] for product in told] == ["done", "open"]
    assert [product["steps"]["check"] for product in told] == ["open", "done"]
    assert [(product["job"]["kind"], product["job"]["state"]) for product in told] == [
        ("check", "running"), ("check", "failed")
    ]  # fmt: skip


def test_many_products_are_asked_for_as_one_is(workspace: Workspace) -> None:
    asked: list[str] = []
    event.listen(workspace.engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    counts = []
    for names in (["first"], [f"product {number}" for number in range(50)]):
        add_products(workspace, *names)
        asked.clear()
        listed(workspace)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_there_are_no_more_products_than_a_page_lists(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "MOST_PRODUCTS", 3)
    add_products(workspace, "a", "b", "c")
    with pytest.raises(RequestError, match="at most 3 products"):
        add_products(workspace, "d")
    assert len(listed(workspace)) == 3
