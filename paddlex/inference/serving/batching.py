"""Dynamic batching: images of many requests go through the network together, on threads of the model's own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np

from paddlex.errors import NotFiniteError
from paddlex.inference.model_folder import ModelFolder
from paddlex.inference.postprocess import Limits
from paddlex.inference.reading import Reading
from paddlex.inference.results import AnomalyResult
from paddlex.inference.serving.errors import Busy, QueueFull


class Judge(Protocol):
    """What a batcher needs of a predictor, and an answer."""

    limits: Limits
    folder: ModelFolder
    reading: Reading

    def judge(self, images: Sequence[np.ndarray]) -> list[AnomalyResult]: ...


@dataclass(frozen=True)
class Judgement:
    """A result, with the predictor that gave it: a reload may have put another in its place since."""

    result: AnomalyResult
    predictor: Judge

    @property
    def limits(self) -> Limits:
        return self.predictor.limits


#: The numbers of a result that a decision rests on.
_NUMBERS = ("raw_score", "score", "threshold", "pixel_threshold", "anomalous_area")


def check_finite(result: AnomalyResult) -> None:
    """Whatever judged an image: no number, no verdict.

    Raises:
        NotFiniteError: a score, a threshold or the anomaly map is not finite.
    """
    if not np.isfinite([result[name] for name in _NUMBERS]).all() or not cv2.checkRange(result["anomaly_map"])[0]:
        raise NotFiniteError("the model's answer is not a finite number", remedy="Export or train the model again")


@dataclass
class _Job:
    """A job; of ``image`` nothing is left as soon as nobody waits for it, even if its turn has not come yet."""

    image: list[np.ndarray]
    future: Future[Judgement] = field(default_factory=Future)


class Batcher:
    """Collects images and judges them in batches on threads of its own.

    Args:
        predictor: judges a batch; may be replaced between two batches.
        max_batch: images in a batch.
        max_wait: seconds that the first image of a batch waits for others; none while enough are queued.
        queue_size: images that wait, beside the batches at work.
        workers: batches at work at once: while one runs the network, another finds its regions. More than one only for a
            predictor that can serve several threads.
        observe: called after each batch with its number of images and the seconds it took.
    """

    def __init__(
        self,
        predictor: Judge,
        *,
        name: str,
        max_batch: int,
        max_wait: float,
        queue_size: int,
        workers: int = 1,
        observe: Callable[[int, float], None] = lambda images, seconds: None,
    ) -> None:
        self._predictor = predictor
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._observe = observe
        # SimpleQueue cannot be bounded, and Queue's bound would also hold back the end mark: the bound is checked here
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._queue_size = queue_size
        self._is_closed = False
        self._lock = threading.Lock()  # nothing may be queued behind the end mark
        self._collecting = threading.Lock()  # one batch is put together at a time, or each would get half of it
        self._threads = [
            threading.Thread(target=self._work, name=f"model-{name}-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def depth(self) -> int:
        """Images that wait."""
        return self._queue.qsize()

    @property
    def predictor(self) -> Judge:
        return self._predictor

    def replace(self, predictor: Judge) -> None:
        """Judge every batch from now on with another predictor; the one at work is finished with the old."""
        self._predictor = predictor

    def submit(self, image: np.ndarray) -> Future[Judgement]:
        """Queue an image, uint8 [H, W, 3] BGR. Cancelling the future takes it out again, if it is still waiting.

        Raises:
            QueueFull: as many images wait as may.
            Busy: the batcher is closed.
        """
        held = [image]
        job = _Job(held)
        job.future.add_done_callback(lambda _: held.clear())
        with self._lock:
            if self._is_closed:
                raise Busy("the service is shutting down")
            if self._queue.qsize() >= self._queue_size:
                raise QueueFull(f"{self._queue_size} images are waiting already")
            self._queue.put(job)
        return job.future

    def close(self, timeout: float | None = None) -> None:
        """Finish what is queued and stop."""
        with self._lock:
            self._is_closed = True
            for _ in self._threads:
                self._queue.put(None)
        for thread in self._threads:
            thread.join(timeout)

    def _work(self) -> None:
        is_open = True
        while is_open:
            with self._collecting:
                jobs, is_open = self._collect()
            jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if jobs:
                self._judge(jobs, self._predictor)
            del jobs  # or the last batch would stay in memory until the next one comes

    def _collect(self) -> tuple[list[_Job], bool]:
        """Wait for a job, then for more of them, but not long; False once the end mark came."""
        first = self._queue.get()
        if first is None:
            return [], False
        jobs = [first]
        deadline = time.monotonic() + self._max_wait
        while len(jobs) < self._max_batch:
            try:
                job = self._queue.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                break
            if job is None:
                return jobs, False
            jobs.append(job)
        return jobs, True

    def _judge(self, jobs: list[_Job], predictor: Judge) -> None:
        start = time.perf_counter()
        try:
            results = predictor.judge([image for job in jobs for image in job.image])
        except BaseException as error:  # whatever it is, its request must hear of it and the thread go on
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:  # one bad image must not spoil the others
                self._judge([job], predictor)
            return
        self._observe(len(jobs), time.perf_counter() - start)
        for job, result in zip(jobs, results, strict=True):
            try:
                check_finite(result)
                job.future.set_result(Judgement(result, predictor))
            except NotFiniteError as error:
                job.future.set_exception(error)
