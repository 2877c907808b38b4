"""How long do the questions to a studio's history take, with 100,000 verdicts?

    python benchmarks/studio_history.py /tmp/history                                       SQLite
    python benchmarks/studio_history.py /tmp/history --database postgresql://user@/name    PostgreSQL, an empty database

Fills a workspace at the folder, which must be new, with verdicts of six months on five products, 2 % of them anomalous, 0.5 %
corrected, and asks each question several times, through the same code as the page does. On a machine that is busy with other
things the quickest answer says what the question costs, the slowest what else there was to do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy import func, insert, select, text

from paddlex.studio import export, retention, searching
from paddlex.studio.database.schema import Picture, Product, Verdict, Version
from paddlex.studio.drift.ledger import Ledger
from paddlex.studio.searching import Wanted
from paddlex.studio.workspace import Workspace, now_ms

DAY = 86_400_000
DAYS = 182
ANOMALOUS, CORRECTED = 0.02, 0.005
CHUNK = 5000
LIMIT_S = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--database", metavar="URL")
    parser.add_argument("--verdicts", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    arguments = parser.parse_args()
    workspace = Workspace(arguments.workspace, arguments.database)
    start = time.perf_counter()
    now = fill(workspace, arguments.verdicts)
    print(
        f"{arguments.verdicts} verdicts written in {time.perf_counter() - start:.1f} s, {workspace.engine.dialect.name}"
    )
    figures = {}
    for name, question in questions(workspace, now).items():
        times = []
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            answer = question()
            times.append(time.perf_counter() - start)
        figures[name] = max(times)
        mark = "" if max(times) < LIMIT_S else "  SLOW"
        slowest, median, quickest = (1000 * float(one) for one in (max(times), np.median(times), min(times)))
        print(f"{name:44} {slowest:8.1f} ms  median {median:8.1f} ms  quickest {quickest:8.1f} ms  {answer}{mark}")
    figures |= long_work(workspace, now)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    workspace.close()


def fill(workspace: Workspace, count: int) -> int:
    """Write the verdicts, the oldest first, as they come in; returns the time of the last."""
    rng, now = np.random.default_rng(0), now_ms()
    with workspace.writing() as session:
        products = [Product(name=f"part {number}", made_at=now) for number in range(5)]
        session.add_all(products)
        session.flush()
        versions = [
            Version(product_id=product.id, number=number + 1, folder=f"models/{product.id}/{number}", how="train",
                    digest=f"{product.id:064x}", pictures=50, made_at=now, made_by="anna")
            for product in products for number in range(3)
        ]  # fmt: skip
        session.add_all(versions)
    moments = np.sort(rng.integers(now - DAYS * DAY, now, count))
    for first in range(0, count, CHUNK):
        rows = [row(rng, versions, number, int(moments[number])) for number in range(first, min(first + CHUNK, count))]
        pictures = [
            {"digest": one["digest"], "suffix": ".jpg", "width": 1600, "height": 1200, "size": int(rng.integers(2e5, 4e5)),
             "added_at": one["at"]}
            for one in rows
        ]  # fmt: skip
        with workspace.writing() as session:
            session.execute(insert(Picture), pictures)
            session.execute(insert(Verdict), rows)
    return now


def row(rng: np.random.Generator, versions: list[Version], number: int, at: int) -> dict[str, object]:
    version = versions[int(len(versions) * rng.random() ** 2)]  # some products are made more often than others
    is_anomalous = bool(rng.random() < ANOMALOUS)
    score = float(0.5 + 0.5 * rng.random() if is_anomalous else 0.5 * rng.beta(4, 4))
    corrected = str(rng.choice(["good", "bad"])) if rng.random() < CORRECTED else ""
    region = {
        "box": [410, 300, 60, 44],
        "score": score,
        "area": 0.001,
        "polygon": [[410, 300], [470, 300], [440, 344]] * 5,
    }
    return {
        "at": at, "product_id": version.product_id, "version_id": version.id, "model_digest": version.digest,
        "name": f"line{rng.integers(4)}/SN{number:08}.jpg", "digest": hashlib.sha256(str(number).encode()).hexdigest(),
        "is_kept": True, "is_anomalous": is_anomalous, "score": score, "raw_score": 40 * score, "threshold": 20.0,
        "area": 0.001 * is_anomalous, "brightness": float(rng.normal(0.5, 0.02)), "sharpness": float(rng.gamma(9, 0.1)),
        "offset_x": float(rng.normal()), "offset_y": float(rng.normal()), "angle": float(rng.normal()),
        "regions": [region] if is_anomalous else [], "by": "api", "corrected": corrected,
        "corrected_by": "anna" if corrected else "", "corrected_at": at + 1000 if corrected else None,
    }  # fmt: skip


def questions(workspace: Workspace, now: int) -> dict[str, Callable[[], object]]:
    """Name -> asks, and answers how many verdicts came."""

    def page(wanted: Wanted, sort: searching.Sort = "at", before: str | None = None) -> Callable[[], object]:
        def ask() -> object:
            with workspace.reading() as session:
                found = searching.page(session, wanted, sort, before, 50)
                total = searching.count(session, wanted, found if before is None else None)
                known = searching.names(session, found.verdicts)
                return len([searching.to_json(one, known) for one in found.verdicts]), total

        return ask

    def figures(wanted: Wanted) -> Callable[[], object]:
        def ask() -> object:
            with workspace.reading() as session:
                return len(searching.figures(session, wanted))

        return ask

    def one() -> object:
        with workspace.reading() as session:
            found = session.get_one(Verdict, 77_777)
            return searching.to_json(found, searching.names(session, [found]))["id"]

    def drift(ledger: Ledger) -> object:
        with workspace.reading() as session:
            return len(ledger.verdicts(session, often))

    known = Ledger()
    with workspace.reading() as session:
        rare = session.scalar(select(Version.product_id).order_by(Version.id.desc()).limit(1))
        often = session.scalar(select(Version.product_id).order_by(Version.id).limit(1))
        middle = session.get_one(Verdict, session.scalar(select(func.count()).select_from(Verdict)) // 100)
    drift(known)
    deep_time, deep_score = f"{middle.at}_{middle.id}", f"{0.02!r}_1000"
    day = {"since": now - 90 * DAY, "until": now - 89 * DAY}
    return {
        "first page": page(Wanted()),
        "deep page": page(Wanted(), before=deep_time),
        "by score": page(Wanted(), "score"),
        "by score, deep page": page(Wanted(), "score", deep_score),
        "often product": page(Wanted(product_id=often)),
        "often product, deep page": page(Wanted(product_id=often), before=deep_time),
        "rare product": page(Wanted(product_id=rare)),
        "rare product by score": page(Wanted(product_id=rare), "score"),
        "anomalous": page(Wanted(is_anomalous=True)),
        "anomalous of a product": page(Wanted(product_id=often, is_anomalous=True)),
        "good ones of a product, deep": page(Wanted(product_id=often, is_anomalous=False), before=deep_time),
        "anomalous by score": page(Wanted(is_anomalous=True), "score"),
        "scores around the threshold": page(Wanted(score_from=0.45, score_to=0.55)),
        "scores, one product, by score": page(Wanted(product_id=often, score_from=0.2, score_to=0.3), "score"),
        "no such score": page(Wanted(score_from=0.49999, score_to=0.499991)),
        "a day": page(Wanted(**day)),
        "a day of a product by score": page(Wanted(product_id=often, **day), "score"),
        "three months by score": page(Wanted(since=now - 90 * DAY), "score"),
        "before everything": page(Wanted(until=now - 2 * DAYS * DAY)),
        "false alarms": page(Wanted(is_anomalous=True, corrected="good")),
        "corrected": page(Wanted(corrected="any")),
        "corrected by score": page(Wanted(corrected="any"), "score"),
        "corrected of a product": page(Wanted(product_id=often, corrected="bad")),
        "not corrected": page(Wanted(corrected="none")),
        "not corrected by score": page(Wanted(corrected="none"), "score"),
        "a name, one": page(Wanted(name="SN00012345")),
        "a name, none": page(Wanted(name="no such name")),
        "a name, a quarter": page(Wanted(name="line3")),
        "a name of a product, none": page(Wanted(product_id=often, name="no such name")),
        "a name among anomalous by score": page(Wanted(is_anomalous=True, name="7"), "score"),
        "one verdict": one,
        "figures of all time": figures(Wanted()),
        "figures of a week": figures(Wanted(since=now - 7 * DAY)),
        "drift: all verdicts of a product": lambda: drift(Ledger()),
        "drift: what is new": lambda: drift(known),
    }


def long_work(workspace: Workspace, now: int) -> dict[str, float]:
    """What takes longer than a question: exports, and keeping within limits, a step of which others may wait for."""
    figures = {}
    for name, form in export.FORMATS.items():
        start, first, size = time.perf_counter(), 0.0, 0
        for piece in form.pieces(workspace, Wanted()):
            first, size = first or time.perf_counter() - start, size + len(piece)
        figures[f"export {name}"] = time.perf_counter() - start
        told = f"first piece after {1000 * first:.0f} ms, {size / 1e6:.1f} MB"
        print(f"export {name:37} {figures[f'export {name}']:8.1f} s   {told}")
    with workspace.reading() as session:
        total = int(session.scalar(select(func.sum(Picture.size))))
    for name, limits in (
        ("nothing to remove", retention.Limits(days=2 * DAYS, gigabytes=10 * total / 1e9)),
        ("space for 1,000 pictures", retention.Limits(gigabytes=0.99 * total / 1e9)),
        ("a day", retention.Limits(days=DAYS - 1)),
    ):
        start = time.perf_counter()
        removed = retention.enforce(workspace, limits, now)
        figures[f"retention {name}"] = time.perf_counter() - start
        print(f"retention: {name:33} {figures[f'retention {name}']:8.2f} s   {removed}")
    start = time.perf_counter()
    swept = retention.sweep(workspace, now - DAY)
    figures["sweep"] = time.perf_counter() - start
    print(f"{'sweep':44} {figures['sweep']:8.2f} s   {swept}")
    with workspace.engine.connect() as connection:
        if workspace.engine.dialect.name == "sqlite":
            pages = connection.execute(text("PRAGMA page_count")).scalar() * 4096 / 1e6
            print(f"database {pages:.0f} MB")
    return figures


if __name__ == "__main__":
    main()
