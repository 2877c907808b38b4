"""The body of a request, and answers that take a thread's time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import pydantic
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from paddlex.inference.serving.errors import RequestError, explain

B = TypeVar("B", bound=pydantic.BaseModel)

#: Of a row: what is larger no database takes.
Number = Annotated[int, pydantic.Field(ge=1, lt=2**62)]

#: Bytes of a body: what people draw and type is small.
_MOST_BYTES = 2**20

#: What is larger is parsed beside the event loop.
_QUICK_BYTES = 2**14

#: To list the problems of a body takes far longer than to find them; nobody reads so many.
_MOST_PROBLEMS = 200

#: As JSON spells it; PostgreSQL keeps no text with it, and paths have an end there.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Body(pydantic.BaseModel):
    """A JSON object; a key that is not known is an error."""

    model_config = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)


async def parsed(request: Request, schema: type[B], most_bytes: int = _MOST_BYTES) -> B:
    """The JSON body of a request; an empty one stands for an object without keys.

    Raises:
        RequestError: 413, it is too large; 422, it is not what the schema asks for.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most_bytes:
            raise RequestError(413, f"the body is larger than {most_bytes // 1024} kB", remedy="Send less")
    if len(content) <= _QUICK_BYTES:
        return _validated(bytes(content), schema)
    return await run_in_threadpool(_validated, bytes(content), schema)


async def answered(work: Callable[..., Any], *arguments: Any) -> JSONResponse:
    """What work that takes a thread's time returns, as JSON. An endpoint that awaits nothing else is no coroutine, and needs no
    more: FastAPI runs it on a thread.
    """
    return JSONResponse(await run_in_threadpool(work, *arguments))


def _validated(content: bytes, schema: type[B]) -> B:
    if _NUL.search(content):
        raise RequestError(422, "the body has the character U+0000, which is of no text", remedy="Leave it out")
    try:
        return schema.model_validate_json(content or b"{}")
    except pydantic.ValidationError as error:
        if (count := error.error_count()) > _MOST_PROBLEMS:
            told = f"the body has {count} problems"
        else:
            told = explain(error.errors(include_url=False, include_context=False, include_input=False))
        raise RequestError(422, told, remedy="Reload the page") from None  # it holds what was sent
