"""A worker of the pipeline on Ray: it loads the model once and turns shards of images into part files."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from paddlex.errors import ImageReadError, PaddleXError, ScaleOutError
from paddlex.inference.image_files import decode_picture
from paddlex.inference.inputs import read_image
from paddlex.inference.pipelines.anomaly_detection import AnomalyDetectionPipeline
from paddlex.inference.pipelines.pipeline_config import PipelineConfig
from paddlex.inference.scale_out.buckets import open_bucket
from paddlex.inference.scale_out.parquet_parts import write_part
from paddlex.inference.scale_out.rows import error_row, result_row
from paddlex.inference.scale_out.shards import Shard, chunks

if TYPE_CHECKING:
    import ray

#: A shard whose worker has died so often is given up: one of its images may be what kills (Ray itself would go on for ever).
_ATTEMPTS = 3


class Attempts:
    """Counts how often each shard was begun; an actor of its own, which outlives the workers."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def begin(self, shard: str) -> int:
        self._counts[shard] += 1
        return self._counts[shard]


class Judge:
    """A worker: it loads the model once and turns shards into part files. Ray makes one in each actor.

    Args:
        config: the pipeline's settings.
        files: the files of the model's folder, by name: the model travels to the machine of the worker.
        device, save_path, made_by: as ``ScaleOut`` and ``parquet_parts.write_part`` have them.
        attempts: the actor that counts.
    """

    def __init__(
        self,
        config: PipelineConfig,
        files: ray.ObjectRef,
        device: str | None,
        save_path: str,
        made_by: Mapping[str, Any],
        attempts: ray.actor.ActorHandle,
    ) -> None:
        cv2.setNumThreads(1)  # there are as many workers as cores: more threads would only wait for each other
        self._config, self._files, self._device = config, files, device
        self._save_path, self._made_by, self._attempts = save_path, made_by, attempts
        self._buckets: dict[str, Any] = {}

    @cached_property
    def _pipeline(self) -> AnomalyDetectionPipeline:
        import ray

        self._folder = tempfile.TemporaryDirectory(prefix="paddlex-model-")
        for name, content in ray.get(self._files).items():
            (Path(self._folder.name) / name).write_bytes(content)
        config = replace(self._config, model_dir=self._folder.name, product=None)
        return AnomalyDetectionPipeline(config, self._device, threads=1, quiet=True)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
        """Judge the one shard of a batch; returns its counts, or what makes it useless to go on, in one row."""
        import ray

        shard = Shard(**json.loads(str(batch["shard"][0])))
        try:
            if ray.get(self._attempts.begin.remote(shard.name)) > _ATTEMPTS:
                death = ScaleOutError(f"the worker died {_ATTEMPTS} times while it judged this image's shard")
                rows = [error_row(f"{shard.prefix}{path}", death) for path in shard.paths]
            else:
                rows = list(self._rows(shard))
            write_part(self._save_path, shard.name, rows, self._made_by)
        except (PaddleXError, OSError) as error:
            return {"images": [0], "anomalous": [0], "failed": [0], "stopped": [str(error)]}
        anomalous = sum(bool(row["is_anomalous"]) for row in rows)
        failed = sum(row["error"] is not None for row in rows)
        return {"images": [len(rows)], "anomalous": [anomalous], "failed": [failed], "stopped": [""]}

    def _rows(self, shard: Shard) -> Iterator[dict[str, Any]]:
        for paths in chunks(shard.paths, self._pipeline.config.batch_size):
            images, sources = [], []
            for path in paths:
                source = f"{shard.prefix}{path}"
                try:
                    images.append(self._read(shard, path))
                    sources.append(source)
                except PaddleXError as error:
                    yield error_row(source, error)
            for source, outcome in zip(sources, self._pipeline.predictor.outcomes(images, sources), strict=True):
                yield error_row(source, outcome) if isinstance(outcome, PaddleXError) else result_row(outcome)

    def _read(self, shard: Shard, path: str) -> np.ndarray:
        if not shard.bucket:
            return read_image(path, self._pipeline.predictor.reading)
        if shard.bucket not in self._buckets:
            self._buckets[shard.bucket], _ = open_bucket(shard.bucket)
        name = f"{shard.prefix}{path}"
        try:
            with self._buckets[shard.bucket].open_input_stream(path) as stream:
                data = stream.read()
        except OSError as error:
            raise ImageReadError(f"the image cannot be read: {error}", where=name, remedy="Check the path") from None
        return decode_picture(data, name, self._pipeline.predictor.reading)
