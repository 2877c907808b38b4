"""Qualifying what is live, or another version: a job that does what ``paddlex --qualify`` does with the product's study."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from sqlalchemy import select

from paddlex.inference.serving.errors import RequestError
from paddlex.studio.database.schema import Job, Product, Version
from paddlex.studio.jobs import QUALIFY, Conclude, Jobs, Work, command_line
from paddlex.studio.studies import Studies
from paddlex.studio.workspace import Workspace

#: In the job's folder.
_STUDY, _REPORT = "study", "report"

#: Files of a report -> what they are over HTTP.
FILES = {
    "qualification.html": "text/html; charset=utf-8",
    "qualification.json": "application/json",
    "per_picture.csv": "text/csv; charset=utf-8",
}


class Qualifying:
    """Begins qualifications.

    Args:
        workspace: of the products.
        jobs: of the workspace.

    Attributes:
        studies: what products are qualified by.
    """

    def __init__(self, workspace: Workspace, jobs: Jobs) -> None:
        self._workspace = workspace
        self._jobs = jobs
        self.studies = Studies(workspace)
        jobs.on_success(QUALIFY, self._done)

    def start(self, product: Product, version_id: int | None, pixels_per_mm: float | None, by: str) -> Job:
        """Qualify a version of a product by its study as it is now.

        Args:
            product: whose.
            version_id: None for what is live.
            pixels_per_mm: of the pictures; None where nobody has said.
            by: who wants it.

        Raises:
            RequestError: 409, there is no such version, or none is live.
            WorkspaceError: the study is empty.
        """
        with self._workspace.reading() as session:
            version = session.get(Version, version_id or product.live_id or 0)
        if version is None or version.product_id != product.id:
            what = "there is no such version" if version_id else f"nothing of {product.name} is live"
            raise RequestError(409, what, remedy="Choose one of its versions")
        model = self._workspace.path / version.folder

        def prepare(folder: Path) -> Work:
            self.studies.copy_to(product, folder / _STUDY)
            arguments = ["--qualify", str(folder / _STUDY), "--model_dir", str(model)]
            arguments += ["--save_path", str(folder / _REPORT)]
            if version.threshold is not None:
                arguments.append(f"--threshold={version.threshold!r}")  # it may begin with a minus
            if pixels_per_mm is not None:
                arguments.append(f"--pixels_per_mm={pixels_per_mm!r}")
            shown = shlex.join(["paddlex", *arguments])
            return Work(command_line(arguments), shown, f"{_REPORT}/qualification.json")

        return self._jobs.start(QUALIFY, product.id, by, prepare)

    def reports(self, product: Product) -> list[Job]:
        """The product's qualifications, the newest first."""
        chosen = select(Job).where(Job.product_id == product.id, Job.kind == QUALIFY).order_by(Job.id.desc())
        with self._workspace.reading() as session:
            return list(session.scalars(chosen.limit(100)))

    def file(self, number: int, name: str) -> Path:
        """A file of a report.

        Raises:
            RequestError: 404, there is none.
        """
        job = self._jobs.get(number)
        path = self._workspace.path / job.folder / _REPORT / name
        if job.kind != QUALIFY or name not in FILES or not path.is_file():
            raise RequestError(404, "there is no such report", remedy="Reload the page")
        return path

    def _done(self, job: Job, folder: Path, outcome: dict[str, Any], conclude: Conclude) -> None:
        figures = {key: outcome[key] for key in ("challenge", "good", "repeatability", "agreement")}
        if figures["repeatability"] is not None:
            figures["repeatability"] = {**figures["repeatability"], "parts": len(figures["repeatability"]["parts"])}
        report = f"studio/jobs/{job.id}/qualification/qualification.html"
        with self._workspace.writing() as session:
            conclude(session, {"report": report, "words": outcome["words"], "figures": figures})
