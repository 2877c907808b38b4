"""The body of a request, and answers that take a thread's time."""

from __future__ import annotations

from typing import Annotated, TypeVar

import pydantic
from starlette.requests import Request

from paddlex.inference.serving.errors import RequestError, explain

B = TypeVar("B", bound=pydantic.BaseModel)

#: Of a row: what is larger no database takes.
Number = Annotated[int, pydantic.Field(ge=1, lt=2**62)]

#: Bytes of a body: what people draw and type is small.
_MOST_BYTES = 2**20


class Body(pydantic.BaseModel):
    """A JSON object; a key that is not known is an error."""

    model_config = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)


async def parsed(request: Request, schema: type[B]) -> B:
    """The JSON body of a request; an empty one stands for an object without keys.

    Raises:
        RequestError: 413, it is too large; 422, it is not what the schema asks for.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _MOST_BYTES:
            raise RequestError(413, f"the body is larger than {_MOST_BYTES // 1024} kB", remedy="Send less")
    try:
        return schema.model_validate_json(bytes(content) or b"{}")
    except pydantic.ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestError(422, explain(problems), remedy="Reload the page") from None  # it holds what was sent
