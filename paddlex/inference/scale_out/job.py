"""The pipeline on a Ray cluster: millions of images, one model an actor, and nothing done twice after a kill."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddlex.errors import ImageReadError, MissingPackageError, ScaleOutError
from paddlex.inference.archive import MANIFEST
from paddlex.inference.model_folder import ModelFolder
from paddlex.inference.official_models import open_model
from paddlex.inference.pipelines.pipeline_config import PipelineConfig
from paddlex.inference.postprocess import Limits
from paddlex.inference.scale_out.buckets import is_bucket
from paddlex.inference.scale_out.local_ray import local_cluster
from paddlex.inference.scale_out.parquet_parts import read_done
from paddlex.inference.scale_out.ray_worker import Attempts, Judge
from paddlex.inference.scale_out.shards import Shard, cut, list_pending
from paddlex.inference.walk import PassedOver
from paddlex.utils.extras import install
from paddlex.utils.leftovers import tidy_up
from paddlex.utils.logging import logger
from paddlex.utils.progress import progress_bar

if TYPE_CHECKING:
    pass

#: Settings that results do not depend on.
_OF_NO_MATTER = (
    "model_dir",
    "score_threshold",
    "batch_size",
    "use_hpip",
    "threads",
    "visualize",
    "save",
    "save_anomalous_only",
)


@dataclass(frozen=True)
class ScaleOut:
    """How a pipeline is spread.

    Attributes:
        config: the pipeline's settings.
        device: ``auto`` (None), ``cpu`` or ``gpu``: of every worker, one GPU each.
        ray_address: a cluster that is running; None for the one that this process is connected to, or, if there is none,
            one on this machine for as long as the work takes.
        workers: models that work at once; None for one a GPU or, without any, one a core.
        shard_size: images that are judged and saved as one piece; None for an eighth of a worker's share, 16 to 1024.
    """

    config: PipelineConfig
    device: str | None = None
    ray_address: str | None = None
    workers: int | None = None
    shard_size: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What the folder holds after a run.

    Attributes:
        images: judged, by all runs; ``anomalous`` of them are.
        failed: could not be judged.
        before: images that earlier runs had done (judged or failed).
        workers: how many worked; 0 if there was nothing to do.
        images_per_second: of this run, the start of the cluster and of the workers included.
        passed_over: what is no image that can be read, in words; empty for nothing.
    """

    images: int
    anomalous: int
    failed: int
    before: int
    workers: int
    images_per_second: float
    passed_over: str = ""


def judge_on_ray(job: ScaleOut, inputs: Sequence[str], save_path: str) -> Outcome:
    """Judge images and write Parquet files, see ``parquet_parts.schema``; images that are in them already are not done again.

    Args:
        job: the pipeline, and how it is spread.
        inputs: files, folders, globs and URLs that every worker can reach, and buckets (``s3://name/folder``).
        save_path: a folder that every worker can reach, or a bucket. One run at a time may write to it.

    Raises:
        MissingPackageError: Ray or pyarrow is not installed.
        ConfigError: the folder has results of another model or other limits.
        ScaleOutError: the cluster has fewer cores or GPUs than ``workers``, or a worker cannot load the model or write.
        ImageReadError: there is no image, or not one could be read.
        ModelError: the model cannot be opened.
    """
    _require_ray()
    import ray

    start = time.monotonic()
    config = job.config
    folder = open_model(config.model_name, config.model_dir, config.product)
    files = _files_of(folder)
    made_by = _made_by(config, folder, files)
    if doubt := folder.doubt(_limits_of(config, folder), config.target_fpr):
        logger.warning("In %s %s.", folder.path, doubt)
    if not is_bucket(save_path):
        save_path = os.path.abspath(save_path)
        tidy_up(Path(save_path))
    done = read_done(save_path, made_by)
    before = len(done.paths)
    if before:
        logger.info("%d images are in %s already and are not judged again.", before, save_path)
    passed = PassedOver()
    pending = list_pending(inputs, done.paths, passed)
    images = sum(len(place.paths) for place in pending)
    counted, workers = {"anomalous": 0, "failed": 0}, 0
    if images:
        with _cluster(job) as (workers, resources):
            shards = list(cut(pending, workers, job.shard_size))
            workers = min(workers, len(shards))
            counted = _run(shards, workers, resources, {
                "config": config, "files": ray.put(files), "device": _of_a_worker(job.device), "save_path": save_path,
                "made_by": made_by, "attempts": ray.remote(num_cpus=0)(Attempts).remote(),
            })  # fmt: skip
    failed = done.failed + counted["failed"]
    judged = before + images - failed
    if not judged:
        raise ImageReadError(f"none of the {failed} images could be judged", where=save_path, remedy="See column error")
    seconds = max(time.monotonic() - start, 1e-9)
    return Outcome(
        judged, done.anomalous + counted["anomalous"], failed, before, workers, images / seconds, str(passed)
    )


def _run(
    shards: Sequence[Shard], workers: int, resources: Mapping[str, Any], arguments: Mapping[str, Any]
) -> dict[str, int]:
    """Let the workers judge the shards; returns the sums of what they counted."""
    import ray

    counted = {"images": 0, "anomalous": 0, "failed": 0}
    described = [
        {"shard": json.dumps(asdict(shard), allow_nan=False)} for shard in shards
    ]  # Arrow holds no name that is not UTF-8; this does
    tasks = ray.data.from_items(described, override_num_blocks=min(len(shards), 10_000))
    judged = tasks.map_batches(
        Judge,
        batch_size=1,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=workers),
        fn_constructor_kwargs=dict(arguments),
        **resources,
    )
    total = sum(len(shard.paths) for shard in shards)
    with progress_bar(total, 0, "Predict", "image") as bar:
        for row in judged.iter_rows():
            if row["stopped"]:
                raise ScaleOutError(f"a worker cannot go on: {row['stopped']}")
            for key in counted:
                counted[key] += int(row[key])
            bar.update(int(row["images"]))
    return counted


@contextmanager
def _cluster(job: ScaleOut) -> Iterator[tuple[int, dict[str, Any]]]:
    """Connect to a cluster, or start one here; yields the number of workers and what Ray shall reserve for each."""
    import ray

    with ExitStack() as stack:
        if not ray.is_initialized():
            stack.enter_context(_connection(job.ray_address or os.environ.get("RAY_ADDRESS")))
        yield _resources(job)


@contextmanager
def _connection(address: str | None) -> Iterator[None]:
    """Connect to a cluster that is running, or without an address to one of this machine, for as long as the block runs."""
    import ray

    if address in (None, "", "local"):
        with local_cluster():
            yield
        return
    ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
    try:
        yield
    finally:
        ray.shutdown()


def _resources(job: ScaleOut) -> tuple[int, dict[str, Any]]:
    """The number of workers, and what Ray shall reserve for each.

    Raises:
        ScaleOutError: the cluster has less than is asked for.
    """
    import ray

    ray.data.DataContext.get_current().enable_progress_bars = False  # we draw our own
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    there = ray.cluster_resources()
    on_gpu = job.device != "cpu" and there.get("GPU", 0) >= 1
    kind, resources = ("GPU", {"num_gpus": 1, "num_cpus": 1}) if on_gpu else ("CPU", {"num_cpus": 1})
    environment = {"env_vars": {"OMP_NUM_THREADS": "1"}}  # one thread a worker, and a worker on each core
    available = int(there.get(kind, 0))
    workers = job.workers or available
    if workers > available:
        remedy = f"Ask for fewer --workers, or add machines; it has {available}"
        raise ScaleOutError(f"the cluster has too few {kind}s for {workers} workers", remedy=remedy)
    return workers, {**resources, "runtime_env": environment}


def _of_a_worker(device: str | None) -> str | None:
    """The device as a worker must name it: Ray shows it one GPU, which then is number 0 whatever it is to others."""
    return "gpu" if (device or "").startswith("gpu") else device


def _require_ray() -> None:
    try:
        import pyarrow  # noqa: F401
        import ray.data  # noqa: F401
    except ImportError as error:
        what = f"the engine ray needs {error.name}, which is not installed"
        raise MissingPackageError(what, remedy=f"Install it: {install('ray')}") from None


def _files_of(folder: ModelFolder) -> dict[str, bytes]:
    """The model's files by name, but for what an archive says of itself: the same model is the same files."""
    paths = (path for path in sorted(folder.path.iterdir()) if path.is_file() and path.name != MANIFEST)
    return {path.name: path.read_bytes() for path in paths}


def _limits_of(config: PipelineConfig, folder: ModelFolder) -> Limits:
    return folder.limits_at(
        threshold=config.threshold,
        score_threshold=config.score_threshold,
        target_fpr=config.target_fpr,
        min_area=config.min_area,
    )


def _made_by(config: PipelineConfig, folder: ModelFolder, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Which model and limits results come from; results of which this differs do not belong together."""
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    limits = _limits_of(config, folder)
    settings = {key: value for key, value in asdict(config).items() if key not in _OF_NO_MATTER}
    return {
        **settings,
        "model_name": folder.model_name,
        "model_digest": digest.hexdigest(),
        "threshold": limits.image.threshold,
        "pixel_threshold": limits.pixel.threshold,
        "min_area": limits.min_area,
    }
