"""From the bytes of a request to a judgement: guard, decode, wait for a batch. The event loop only waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from paddlex.errors import PaddleXError
from paddlex.inference.serving.answers import Parts, held
from paddlex.inference.serving.batching import Judgement
from paddlex.inference.serving.budget import Budgets, Hold, Turn
from paddlex.inference.serving.errors import Busy, QueueFull, RequestError, as_request_error
from paddlex.inference.serving.fetching import ImageFetcher, is_url
from paddlex.inference.serving.image_guard import ImageSize, decode, decode_base64, read_size
from paddlex.inference.serving.metrics import Metrics
from paddlex.inference.serving.registry import ModelRegistry, ServedBank, ServedModel
from paddlex.inference.serving.settings import ServerSettings
from paddlex.utils.logging import logger

T = TypeVar("T")

#: Seconds between two looks at a full queue.
_QUEUE_POLL = 0.02

#: Models that are loaded anew, or wait for it.
_MAX_RELOADS = 2


#: Remembers a verdict: see ``extension.Extension.record``.
Record = Callable[[bytes, str, str, str, np.ndarray, Judgement], Mapping[str, Any]]


@dataclass(frozen=True)
class Sender:
    """Who sent an image, and what they call it; empty where that is not known."""

    user: str = ""
    name: str = ""


@dataclass(frozen=True)
class Answer:
    """What is told of one image, and what it holds until the client has read it."""

    parts: Parts
    hold: Hold


class Service:
    """What the routes work with.

    Attributes:
        is_draining: set when the service is asked to stop.
    """

    def __init__(
        self,
        settings: ServerSettings,
        registry: ModelRegistry,
        metrics: Metrics,
        fetcher: ImageFetcher | None = None,
        record: Record | None = None,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.metrics = metrics
        self.is_draining = False
        self._reloads = 0
        self._record = record
        self._fetcher = fetcher or ImageFetcher(settings)
        self.budgets = Budgets(settings)
        self._pool = ThreadPoolExecutor(max(2, os.cpu_count() or 1), thread_name_prefix="decode")
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")  # beside it: loading takes seconds

    @property
    def remembers(self) -> bool:
        """Whether every verdict is remembered before it is answered."""
        return self._record is not None

    async def load(self, then: Callable[[], None] = lambda: None) -> None:
        """Load and try all models, then be ready.

        Args:
            then: called before that, on a thread.

        Raises:
            PaddleXError: one cannot be loaded.
        """
        start = time.monotonic()
        for work in (self.registry.load, then):
            await asyncio.get_running_loop().run_in_executor(self._loader, work)
        self.registry.is_ready = True
        logger.info("Ready after %.1f s.", time.monotonic() - start)

    async def reload(self, name: str) -> ServedModel:
        """Load one anew, see ``ModelRegistry.reload``; one more may wait meanwhile.

        Raises:
            Busy: one waits already.
        """
        if self._reloads >= _MAX_RELOADS:
            raise Busy("models are being loaded anew already", retry_after=5)
        self._reloads += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._loader, self.registry.reload, name)
        finally:
            self._reloads -= 1

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run what takes time (parsing, decoding, encoding) beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def answered(
        self,
        source: bytes | str,
        model: ServedModel | ServedBank,
        build: Callable[[Judgement], Parts],
        hold: Hold,
        *,
        sender: Sender = Sender(),
        turn: Turn | None = None,
        is_patient: bool = False,
    ) -> Answer:
        """The answer to an image, given as a file's bytes or as a request's string.

        Args:
            source: the image; its bytes are given back to ``hold``.
            model: judges it, or knows who does.
            build: makes the answer.
            hold: of the request.
            sender: of the image.
            turn: of an image among several of a request.
            is_patient: wait for a place in a full queue, as one of many images of a request does.

        Raises:
            RequestError: the image cannot be read (4xx), the service is busy (503), or the model failed (500).
        """
        part = hold.part()
        try:
            parts = await self._judged(source, model, build, part, sender, turn, is_patient)
        except BaseException as error:
            part.close()
            if not isinstance(error, Exception):
                raise
            known = as_request_error(error)
            if known.status == 500:
                is_known = isinstance(error, PaddleXError)
                logger.error("An image could not be judged: %s", error, exc_info=None if is_known else error)
            self.metrics.rejected.labels(str(known.status)).inc()
            raise known from error
        finally:
            hold.give_back(self.budgets.bodies, len(source))
        with contextlib.suppress(Busy):  # while too many answers are unread, this one goes on counting as an image
            part.take_now(self.budgets.answers, held(parts))
            part.give_back(self.budgets.pixels)
        return Answer(parts, part)

    async def _judged(
        self,
        source: bytes | str,
        model: ServedModel | ServedBank,
        build: Callable[[Judgement], Parts],
        hold: Hold,
        sender: Sender,
        turn: Turn | None,
        is_patient: bool,
    ) -> Parts:
        deadline = asyncio.get_running_loop().time() + self.settings.request_timeout
        data, size = await self._within(deadline, self._read(source, hold))
        if turn is not None:
            await self._within(deadline, turn.wait())
        await self._within(deadline, hold.take(self.budgets.pixels, size.pixels))
        if turn is not None:
            turn.end()
        reading = model.reading
        image = await self.in_thread(partial(decode, data, size, reading))
        kept = b"" if self._record is None else data
        del data, source
        if self._record is None:
            hold.give_back(self.budgets.bodies)
        chosen, recognised = await self.in_thread(partial(model.chosen, image))
        judgement = await self._within(deadline, self._queued(image, chosen, is_patient))
        if judgement.predictor.reading != reading:  # its values may mean something else to the model that judged it
            raise Busy("the model was replaced by one for other pictures in the meantime")
        if recognised is not None:
            judgement.result.update(recognised.to_dict())
        if self._record is not None:
            remember = partial(self._record, kept, sender.name, chosen.name, sender.user, image, judgement)
            judgement.result["recorded"] = dict(await self.in_thread(remember))
        self.metrics.judged(chosen.name, judgement.result["score"], judgement.result["is_anomalous"])
        return await self.in_thread(partial(build, judgement))

    async def _read(self, source: bytes | str, hold: Hold) -> tuple[bytes, ImageSize]:
        if isinstance(source, str) and is_url(source):
            source = await self._fetcher.fetch(source, partial(hold.take_now, self.budgets.bodies))
        return await self.in_thread(partial(self._bytes_and_size, source))

    def _bytes_and_size(self, source: bytes | str) -> tuple[bytes, ImageSize]:
        data = decode_base64(source) if isinstance(source, str) else source
        return data, read_size(data, self.settings.max_pixels)

    async def _queued(self, image: np.ndarray, model: ServedModel, is_patient: bool) -> Judgement:
        while True:
            try:
                return await asyncio.wrap_future(model.batcher.submit(image))
            except QueueFull:
                if not is_patient:
                    raise
            await asyncio.sleep(_QUEUE_POLL)

    async def text(self, parts: Parts) -> AsyncIterator[bytes]:
        """An answer's text, piece by piece."""
        for part in parts:
            if isinstance(part, bytes):
                yield part
            else:
                pieces = part.pieces()
                while piece := await self.in_thread(partial(next, pieces, b"")):
                    yield piece

    async def _within(self, deadline: float, work: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(work, deadline - asyncio.get_running_loop().time())
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise Busy(f"the image was not judged within {self.settings.request_timeout:g} s") from error

    def close(self) -> None:
        """Finish what is queued and stop."""
        self.registry.close()
        for pool in (self._pool, self._loader):
            pool.shutdown(wait=True, cancel_futures=True)


def check_count(count: int, settings: ServerSettings) -> None:
    """Raise 413 for more images than one request may hold."""
    if count > settings.max_images:
        raise RequestError(413, f"{count} images in one request, more than {settings.max_images}", remedy="Send fewer")
