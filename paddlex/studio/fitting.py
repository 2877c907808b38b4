"""Letting a product's model learn: a training, or a refit of a model that there is, each in a process of its own."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from paddlex.config import load_config
from paddlex.inference.list_files import FALSE_ALARMS_LIST, TRAIN_LIST
from paddlex.inference.model_folder import NESTED_FOLDERS
from paddlex.inference.serving.errors import RequestError
from paddlex.studio import task, versions
from paddlex.studio.database.schema import Job, Member, Picture, Product, Verdict, Version
from paddlex.studio.dataset_view import FOLDER, digest_of, write_view
from paddlex.studio.intake import CHALLENGE, GOOD
from paddlex.studio.jobs import ANALYSE, REFIT, TRAIN, Conclude, Jobs, Work, command_line
from paddlex.studio.products import FEWEST_GOOD, settings_of, template
from paddlex.studio.regions import size_of_good
from paddlex.studio.words import SUSPECT, finding
from paddlex.studio.workspace import Workspace
from paddlex.utils.files import write_text
from paddlex.utils.progress import progress, tell_step

CONFIG, REGIONS, OUTPUT = "config.yaml", "regions.yaml", "output"

#: Below a workspace: models from elsewhere that a product can begin with where no training is possible.
START_MODELS = "start_models"

#: Good pictures that defects are drawn on, as many as a training draws on.
_DRAWN_ON = 24


@dataclass(frozen=True)
class Taught:
    """What a product is taught with, as of now.

    Attributes:
        product: the product.
        good: its good pictures, in the order in which they came, but for false alarms.
        false_alarms: those of which a model has said that they are bad: no threshold rests on them.
        challenge: its known bad parts.
        regions: ``Train.regions`` in pixels; None for everywhere.
        size: width and height of the good pictures where regions are given.
    """

    product: Product
    good: list[Member]
    false_alarms: list[Member]
    challenge: list[tuple[Member, Picture]]
    regions: dict[str, Any] | None
    size: tuple[int, int] | None

    @classmethod
    def read(cls, session: Session, product: Product) -> Taught:
        """Of a product.

        Raises:
            RequestError: 409, there are too few good pictures, or regions do not fit them.
        """
        members = session.execute(
            select(Member, Picture, Verdict.is_anomalous)
            .join(Picture, Picture.digest == Member.digest)
            .outerjoin(Verdict, Verdict.id == Member.verdict_id)
            .where(Member.product_id == product.id)
            .order_by(Member.id)
        ).all()
        good = [member for member, _, is_alarm in members if member.role == GOOD and not is_alarm]
        false_alarms = [member for member, _, is_alarm in members if member.role == GOOD and is_alarm]
        if len(good) < FEWEST_GOOD:
            what = f"{product.name} has {len(good)} good pictures, and at least {FEWEST_GOOD} are needed"
            raise RequestError(409, what, remedy="Add pictures of good parts; 30 are a beginning")
        challenge = [(member, picture) for member, picture, _ in members if member.role == CHALLENGE]
        settings = settings_of(product)
        if settings.regions is None or not settings.regions.are_given:
            return cls(product, good, false_alarms, challenge, None, None)
        size = size_of_good(session, product, one_size=not settings.align)
        return cls(product, good, false_alarms, challenge, settings.regions.in_pixels(size), size)


class Fitting:
    """Begins trainings and refits, and makes versions of what they have learnt.

    Args:
        workspace: of the products.
        jobs: of the workspace.

    Attributes:
        on_version: is told of each version that was made.
    """

    def __init__(self, workspace: Workspace, jobs: Jobs) -> None:
        self._workspace = workspace
        self._jobs = jobs
        self.on_version: Callable[[Version], None] = lambda version: None
        jobs.on_success(TRAIN, self._trained)
        jobs.on_success(REFIT, self._refitted)
        jobs.on_success(ANALYSE, self._analysed)

    def start(self, product_id: int, how: str, by: str, start: str | None = None) -> Job:
        """Let a product's model learn from its good pictures.

        Args:
            product_id: whose.
            how: ``train`` or ``refit``.
            by: who wants it.
            start: for a refit of a product without versions: one of ``start_models``.

        Raises:
            RequestError: 409, it cannot be done now.
        """
        if how == TRAIN and importlib.util.find_spec("paddle") is None:
            raise RequestError(
                409,
                "a training needs Paddle, which is not installed here",
                remedy=f"Refit a model: put one from elsewhere into {self._workspace.path / START_MODELS}",
            )

        def prepare(folder: Path) -> Work:
            with self._workspace.reading() as session:
                product = session.get_one(Product, product_id)
                taught = Taught.read(session, product)
                source = None if how == TRAIN else self._source(session, product, start)
            return self._training(folder, taught) if source is None else self._refit(folder, taught, source)

        return self._jobs.start(how, product_id, by, prepare)

    def start_models(self) -> list[str]:
        """The models from elsewhere that can be refitted, by name."""
        folder = self._workspace.path / START_MODELS
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def _training(self, folder: Path, taught: Taught) -> Work:
        dataset = write_view(self._workspace.pictures, folder, taught.good, taught.challenge, taught.false_alarms)
        overrides = [*settings_of(taught.product).overrides(), "Global.mode=train"]
        overrides += [f"Global.dataset_dir={dataset}", f"Global.output={folder / OUTPUT}"]
        overrides.append(f"Train.calibration.target_fpr={taught.product.target_fpr!r}")
        overrides += [f"Train.regions.{key}={value}" for key, value in (taught.regions or {}).items() if value]
        config = load_config(template(settings_of(taught.product).model), overrides)
        (folder / CONFIG).write_text(config.to_yaml(), encoding="utf-8")
        arguments = ["-c", str(folder / CONFIG)]
        return Work(command_line(arguments), shlex.join(["paddlex", *arguments]), f"{OUTPUT}/train_result.json")

    def _refit(self, folder: Path, taught: Taught, source: Path) -> Work:
        dataset = write_view(self._workspace.pictures, folder, taught.good, [], taught.false_alarms)
        images = str(dataset / "images" / "good")
        arguments = {"model_dir": str(source), "input": images, "save_path": str(folder / OUTPUT)}
        if taught.false_alarms:
            arguments["false_alarms"] = str(dataset / "images" / "false_alarms")
        arguments["target_fpr"] = repr(taught.product.target_fpr)
        if settings_of(taught.product).regions is not None:
            drawn = {} if taught.regions is None else {"size": list(taught.size or ()), **taught.regions}
            write_text(folder / REGIONS, yaml.safe_dump(drawn, allow_unicode=True) if drawn else "", durable=False)
            arguments["regions"] = str(folder / REGIONS)
        shown = ["paddlex", "--refit", *(part for key, value in arguments.items() for part in (f"--{key}", value))]
        return task.work(folder, "paddlex.studio.fitting:refit_as", arguments, shlex.join(shown))

    def _source(self, session: Session, product: Product, start: str | None) -> Path:
        """The model that is refitted: the live one, else the newest, else one from elsewhere."""
        if start is not None:
            if start not in self.start_models():
                what = f"there is no model {start[:80]!r} in {START_MODELS}"
                raise RequestError(409, what, remedy="Put its folder there")
            return self._workspace.path / START_MODELS / start
        newest = select(Version).where(Version.product_id == product.id).order_by(Version.id.desc()).limit(1)
        version = session.get(Version, product.live_id) if product.live_id is not None else session.scalar(newest)
        if version is None:
            raise RequestError(409, f"{product.name} has no model that could be refitted", remedy="Train one first")
        return self._workspace.path / version.folder

    def _trained(self, job: Job, folder: Path, outcome: dict[str, Any], conclude: Conclude) -> None:
        root = folder / FOLDER
        suspects = [digest for one in outcome.get("suspects", []) if (digest := digest_of(root, one["image"]))]
        drawn = outcome.get("detectability")
        result = {
            "findings": [finding(SUSPECT, suspects)] if suspects else [],
            "detectability": None if drawn is None else _in_all(drawn["drawn"], drawn["found"]),
            "warnings": outcome.get("warnings", []),
        }
        robust = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))["Train"]["robust"]
        learnt = sum(len(_listed(root / name)) for name in (TRAIN_LIST, FALSE_ALARMS_LIST)) - (
            len(suspects) if robust == "leave_out" else 0
        )
        self._make_version(job, folder / OUTPUT, learnt, result, conclude, suspects)

    def _refitted(self, job: Job, folder: Path, outcome: dict[str, Any], conclude: Conclude) -> None:
        result = {"findings": [], "detectability": None, "warnings": outcome.get("warnings", [])}
        source = Path(task.arguments_of(folder)["model_dir"])
        version = self._make_version(job, folder / OUTPUT, outcome["images"], result, conclude, source=source)
        with suppress(RequestError):  # an earlier one is still being looked at
            self._jobs.start(ANALYSE, job.product_id, job.made_by, lambda folder: self._analysis(folder, version))

    def _analysis(self, folder: Path, version: Version) -> Work:
        with self._workspace.reading() as session:
            good = Taught.read(session, session.get_one(Product, version.product_id)).good
        dataset = write_view(self._workspace.pictures, folder, good, [])
        arguments = {
            "model": str(self._workspace.path / version.folder),
            "dataset": str(dataset),
            "version": version.id,
        }
        return task.work(folder, "paddlex.studio.fitting:find_drawn_defects", arguments, "")

    def _analysed(self, job: Job, folder: Path, outcome: dict[str, Any], conclude: Conclude) -> None:
        with self._workspace.writing() as session:
            conclude(session, {"version": outcome["version"], "detectability": outcome["detectability"]})

    def _refitted_from(self, session: Session, product: Product, source: Path) -> int | None:
        """The version that a refit has begun with, which need not be live any more; None for a model from elsewhere.

        What a threshold means depends on it.
        """
        if not source.is_relative_to(self._workspace.path):
            return None
        same = select(Version.id).where(
            Version.product_id == product.id, Version.folder == source.relative_to(self._workspace.path).as_posix()
        )
        return session.scalar(same.order_by((Version.id == product.live_id).desc(), Version.id.desc()).limit(1))

    def _make_version(
        self, job: Job, output: Path, pictures: int, result: dict[str, Any], conclude: Conclude,
        suspects: Sequence[str] | None = None, source: Path | None = None,
    ) -> Version:  # fmt: skip
        with versions.staged(self._workspace, output) as model, self._workspace.writing() as session:
            product = versions.locked_product(session, job.product_id)
            version = versions.add(
                session, self._workspace, product, model, how=job.kind, by=job.made_by, pictures=pictures,
                learnt_at=job.made_at,
                parent_id=product.live_id if source is None else self._refitted_from(session, product, source),
            )  # fmt: skip
            if suspects is not None:
                mark_suspects(session, product, suspects)
            conclude(session, {"version": version.id, **result})
        self.on_version(version)
        for made in [output] if job.kind == REFIT else [output / nested.partition("/")[0] for nested in NESTED_FOLDERS]:
            shutil.rmtree(made, ignore_errors=True)  # the version has it
        return version


def mark_suspects(session: Session, product: Product, digests: Sequence[str]) -> None:
    """Note at pictures that they look as if they showed defects; earlier notes of that are taken back."""
    members = select(Member).where(Member.product_id == product.id)
    for member in session.scalars(members.where(Member.problem == SUSPECT)):
        member.problem = ""
    for member in session.scalars(members.where(Member.digest.in_(digests), Member.problem == "")):
        member.problem = SUSPECT


def refit_as(
    model_dir: str,
    input: str,
    save_path: str,
    target_fpr: str,
    regions: str | None = None,
    false_alarms: str | None = None,
) -> dict[str, Any]:
    """What ``paddlex --refit`` does with the same arguments, in a process of its own."""
    from paddlex.inference.refit import UNCHANGED, refit
    from paddlex.refit_command import read_regions

    done = refit(
        model_dir, input, save_path, false_alarms=false_alarms or (), target_fpr=float(target_fpr), progress=tell_step,
        regions=UNCHANGED if regions is None else read_regions(regions),
    )  # fmt: skip
    return {"images": done.images, "warnings": [*done.warnings, *map(str, done.left_out)]}


def find_drawn_defects(model: str, dataset: str, version: int) -> dict[str, Any]:
    """How many plain defects, drawn on good pictures, a model finds, in a process of its own."""
    from paddlex.data.dataset import TRAIN_LIST, read_samples, thinned
    from paddlex.evaluation.analyses.quick_check import quick_check
    from paddlex.inference.predictor import AnomalyPredictor

    predictor = AnomalyPredictor(model, device="cpu", quiet=True)
    samples = thinned(read_samples(dataset, TRAIN_LIST, predictor.reading), _DRAWN_ON)
    found = quick_check(predictor, progress((sample.read() for sample in samples), "Drawing defects", len(samples)))
    return {"version": version, "detectability": _in_all(found.drawn, found.found)}


def _in_all(drawn: Mapping[str, int], found: Mapping[str, int]) -> dict[str, int]:
    """Of all kinds together."""
    return {"drawn": sum(drawn.values()), "found": sum(found.values())}


def _listed(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
