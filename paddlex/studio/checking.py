"""The check of a product's pictures: the data set check, and what it finds as pictures to click away."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from paddlex.config import load_config
from paddlex.studio.database.schema import Job, Member, Picture, Product
from paddlex.studio.dataset_view import FOLDER, digest_of, write_view
from paddlex.studio.fitting import CONFIG, OUTPUT, Taught
from paddlex.studio.jobs import CHECK, Conclude, Jobs, Work, command_line
from paddlex.studio.products import settings_of, template
from paddlex.studio.words import IN_BOTH, UNLIKE, finding, is_known, remark
from paddlex.studio.workspace import Workspace

#: Where a problem is, see ``data.dataset.Sample.where``.
_LINE = re.compile(r".*/(?P<name>(train|val|false_alarms)\.txt) line (?P<number>\d+)", re.DOTALL)

_WITHOUT_CHALLENGE = (
    "There is no known bad part yet. Whether a model finds what it must cannot be tried without one.",
    "还没有已知的不良品。没有不良品就无法验证模型能否发现缺陷。",
)


class Checking:
    """Checks the pictures of products.

    Args:
        workspace: of the products.
        jobs: of the workspace.
    """

    def __init__(self, workspace: Workspace, jobs: Jobs) -> None:
        self._workspace = workspace
        self._jobs = jobs
        jobs.on_success(CHECK, self._checked, or_failure=True)

    def start(self, product_id: int, by: str) -> Job:
        """Check the pictures of a product.

        Raises:
            RequestError: 409, there are too few, or they are being checked already.
        """
        return self._jobs.start(CHECK, product_id, by, lambda folder: self._prepared(folder, product_id))

    def _prepared(self, folder: Path, product_id: int) -> Work:
        with self._workspace.reading() as session:
            taught = Taught.read(session, session.get_one(Product, product_id))
        # those that are learnt from are held against each other, so all that can be are; a list of none is an error
        sound = [member for member in taught.good if not member.problem] or taught.good
        judged = [] if taught.challenge else sound[:1]
        learnt = [member for member in taught.good if member not in judged]
        with self._workspace.reading() as session:
            pairs = [(member, session.get_one(Picture, member.digest)) for member in judged]
        dataset = write_view(self._workspace.pictures, folder, learnt, [*pairs, *taught.challenge], taught.false_alarms)
        overrides = [f"Global.dataset_dir={dataset}", f"Global.output={folder / OUTPUT}", "Global.mode=check_dataset"]
        config = load_config(template(settings_of(taught.product).model), overrides)
        (folder / CONFIG).write_text(config.to_yaml(), encoding="utf-8")
        arguments = ["-c", str(folder / CONFIG)]
        return Work(command_line(arguments), shlex.join(["paddlex", *arguments]), f"{OUTPUT}/check_dataset_result.json")

    def _checked(self, job: Job, folder: Path, outcome: dict[str, Any], conclude: Conclude) -> None:
        with self._workspace.reading() as session:
            members = session.scalars(select(Member).where(Member.product_id == job.product_id)).all()
        found = findings_of(folder / FOLDER, outcome, members)
        with self._workspace.writing() as session:
            conclude(session, {"findings": found, "command": job.command})


def findings_of(root: Path, outcome: dict[str, Any], members: Iterable[Member]) -> list[dict[str, Any]]:
    """What is found, as the page has it.

    Args:
        root: the data set that was checked.
        outcome: of the check.
        members: the pictures of the product.
    """
    by_kind: dict[str, list[str]] = defaultdict(list)
    roles = {member.digest: member.role for member in members}
    for member in members:
        if member.problem and member.role == "good" and is_known(member.problem):
            by_kind[member.problem].append(member.digest)
    analysis = outcome.get("analysis", {})
    for one in analysis.get("outliers", {}).get("images", []):
        by_kind[UNLIKE].append(digest_of(root, one["image"]))
    for pair in analysis.get("near_duplicates", {}).get("pairs", []):
        learnt, judged = digest_of(root, pair["train"]), digest_of(root, pair["val"])
        if roles.get(judged) == "challenge":  # of two good ones the picture itself says so
            by_kind[IN_BOTH] += [judged, learnt]
    found = [finding(kind, list(dict.fromkeys(filter(None, digests)))) for kind, digests in by_kind.items()]
    for problem in outcome.get("problems", []):
        found.append(remark(f"{problem['what']}.", f"检查发现：{problem['what']}", _named(root, problem["where"])))
    if "challenge" not in roles.values():
        found.append(remark(*_WITHOUT_CHALLENGE))
    return found


def _named(root: Path, where: str) -> list[str]:
    """The picture in the line of a list that a problem is about; none where it is about no line."""
    if (line := _LINE.fullmatch(where)) is None:
        return []
    image = (root / line["name"]).read_text(encoding="utf-8").splitlines()[int(line["number"]) - 1].partition("\t")[0]
    return list(filter(None, [digest_of(root, image)]))
