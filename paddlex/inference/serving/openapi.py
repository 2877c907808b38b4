"""The parts of the OpenAPI description that FastAPI cannot infer, because bodies are parsed by hand."""

from __future__ import annotations

from typing import Any

import pydantic

from paddlex.inference.serving import schemas


def _problem(description: str, model: type[pydantic.BaseModel] = schemas.Problem) -> dict[str, Any]:
    return {"model": model, "description": description}


_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}

#: Every error that an endpoint may answer with.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: _problem("Not base64, a URL that cannot be fetched, or a malformed request.", schemas.BatchProblem),
    401: _problem("The API key is missing or wrong."),
    403: _problem("Not allowed: URLs are off, an address is not public, another site's page.", schemas.BatchProblem),
    404: _problem("No such model."),
    408: _problem("The body came too slowly."),
    409: _problem("The model cannot be loaded; the old one stays."),
    413: _problem("The body or an image is too large, or there are too many images.", schemas.BatchProblem),
    415: _problem("Not an image that can be read.", schemas.BatchProblem),
    421: _problem("The server does not go by the name in the Host header."),
    422: _problem("Not what the schema asks for."),
    500: _problem(
        "No verdict: the model's answer is not a finite number, or the service failed.", schemas.BatchProblem
    ),
    503: {**_problem("Busy, starting or stopping: try again.", schemas.BatchProblem), "headers": _RETRY},
}


def json_body(model: type[pydantic.BaseModel], max_images: int | None = None) -> dict[str, Any]:
    """The description of a JSON body; its ``images`` are at most ``max_images``."""
    schema = model.model_json_schema()
    if max_images is not None:
        schema["properties"]["images"]["maxItems"] = max_images
    assert "$defs" not in schema  # nothing to resolve where this is put
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def multipart_body(field: str, max_images: int) -> dict[str, Any]:
    """The description of a form with files."""
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1, "maxItems": max_images}
    schema = {"type": "object", "properties": {field: files}, "required": [field]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
