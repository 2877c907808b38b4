"""Answers of one image or of several, sent while they are made, so that little of them is in memory at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

from starlette.responses import Response, StreamingResponse

from paddlex.inference.serving import answers
from paddlex.inference.serving.budget import Hold, Turn, Turns
from paddlex.inference.serving.errors import RequestError, error_body
from paddlex.inference.serving.judging import Answer, Service

#: The answer to one of several images, and None or the error that it tells of.
Entry = tuple[Answer, RequestError | None]


def streamed(parts: answers.Parts, service: Service) -> Response:
    """The answer to a single image; what it holds is given back with its request."""
    headers = {"Content-Length": str(answers.length(parts))}
    return StreamingResponse(service.text(parts), headers=headers, media_type="application/json")


async def entry_of(work: Awaitable[Answer], turn: Turn, name: str | None = None) -> Entry:
    """The answer to one of several images, or what was wrong with it."""
    try:
        return await work, None
    except RequestError as error:
        return Answer([answers.error_item_json(error.status, str(error), name)], Hold()), error
    finally:
        turn.end()


async def many(entries: Sequence[Callable[[Turn], Awaitable[Entry]]], service: Service, log_id: str) -> Response:
    """The answer to several images, in their order, sent while the later ones are still at work.

    What is ahead is bounded, so that a large request fills the network's batches but not the memory. As long as every entry is
    an error, nothing is sent: if all of them are, the status is the first one's.
    """
    made = _in_order(entries, 2 * service.settings.max_batch)
    errors: list[bytes] = []
    first_error: RequestError | None = None
    async for answer, error in made:
        if error is None:
            start = b"".join([answers.success_start(log_id, "results"), b"[", *(text + b"," for text in errors)])
            return StreamingResponse(_stream(start, answer, made, service), media_type="application/json")
        first_error = first_error or error
        errors += [part for part in answer.parts if isinstance(part, bytes)]
    assert first_error is not None  # there is at least one entry
    message = str(first_error) if len(errors) == 1 else f"none of {len(errors)} images can be judged: {first_error}"
    content = error_body(first_error.status, message, log_id)[:-1] + b',"results":[' + b",".join(errors) + b"]}"
    return Response(content, first_error.status, first_error.headers, "application/json")


async def _stream(start: bytes, first: Answer, rest: AsyncGenerator[Entry], service: Service) -> AsyncIterator[bytes]:
    yield start
    async with contextlib.aclosing(rest):
        async for text in _read(first, service):
            yield text
        async for answer, _ in rest:
            yield b","
            async for text in _read(answer, service):
                yield text
    yield b"]}"


async def _read(answer: Answer, service: Service) -> AsyncIterator[bytes]:
    """An answer's text; what it holds is given back at the end."""
    async for text in service.text(answer.parts):
        yield text
    answer.hold.close()


async def _in_order(entries: Sequence[Callable[[Turn], Awaitable[Entry]]], ahead: int) -> AsyncGenerator[Entry]:
    waiting = list(reversed(entries))
    running: list[asyncio.Future[Entry]] = []
    turns = Turns()
    try:
        while waiting or running:
            while waiting and len(running) < ahead:
                running.append(asyncio.ensure_future(waiting.pop()(turns.start())))
            yield await running.pop(0)
    finally:
        for task in running:
            task.cancel()
