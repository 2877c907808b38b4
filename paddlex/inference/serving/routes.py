"""The endpoints. Bodies are parsed here, because FastAPI would do it on the event loop."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, TypeVar

import pydantic
from fastapi import APIRouter, Query, Request
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import JSONResponse, Response

from paddlex.errors import PaddleXError
from paddlex.inference.serving import answers, metrics, schemas
from paddlex.inference.serving.batching import Judgement
from paddlex.inference.serving.budget import Turn
from paddlex.inference.serving.errors import RequestError, explain
from paddlex.inference.serving.gate import check_reload
from paddlex.inference.serving.judging import Sender, Service, check_count
from paddlex.inference.serving.openapi import PROBLEMS, json_body, multipart_body
from paddlex.inference.serving.registry import ServedBank, ServedModel
from paddlex.inference.serving.streaming import Entry, entry_of, many, streamed
from paddlex.utils.logging import logger

R = TypeVar("R", bound=pydantic.BaseModel)

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # what a client does wrong fills no log

_MAX_BRACKETS = 2**18
_MAX_FIELDS = 16
_MAX_FIELD_BYTES = 64 * 2**10
_MAX_NAME = 255


def add_routes(router: APIRouter, service: Service) -> None:
    """Add all endpoints that speak JSON."""
    _add_detection(router, service)
    _add_judge(router, service)
    _add_models(router, service)
    _add_health(router, service)


def _add_detection(router: APIRouter, service: Service) -> None:
    @router.post(
        "/image-anomaly-detection", operation_id="infer", summary="Judge one image, as PaddleX does", tags=["judge"],
        responses={200: {"model": schemas.Detection}, **PROBLEMS}, openapi_extra=json_body(schemas.ImageRequest),
    )  # fmt: skip
    async def infer(request: Request) -> Response:
        """Judge one image: PaddleX's endpoint, with its request and its answer."""
        body = await _parsed(request, service, schemas.ImageRequest)
        model = _asked_for(body, service)
        build = partial(
            answers.detection_json,
            threshold=body.threshold,
            score_threshold=body.scoreThreshold,
            picture=model.visualize if body.visualize is None else body.visualize,
        )
        answer = await service.answered(body.image, model, build, request.scope["hold"], sender=_sender(request))
        start = answers.success_start(body.logId or _log_id(request), "result")
        return streamed([start, *answer.parts, b"}"], service)

    @router.post(
        "/image-anomaly-detection/batch", operation_id="inferBatch", summary="Judge several images, as JSON", tags=["judge"],
        responses={200: {"model": schemas.BatchDetection}, **PROBLEMS},
        openapi_extra=json_body(schemas.BatchRequest, service.settings.max_images),
    )  # fmt: skip
    async def infer_batch(request: Request) -> Response:
        """Judge several images; a broken one does not spoil the others. An error status only if not one can be judged."""
        body = await _parsed(request, service, schemas.BatchRequest)
        check_count(len(body.images), service.settings)
        model = _asked_for(body, service)

        def build(judgement: Judgement) -> answers.Parts:
            result = answers.detection_json(
                judgement,
                threshold=body.threshold,
                score_threshold=body.scoreThreshold,
                picture=body.visualize is True,
                label_map=body.labelMap is not False,
            )
            return answers.batch_item_json(result)

        async def entry(image: str, turn: Turn) -> Entry:
            return await entry_of(
                service.answered(
                    image, model, build, request.scope["hold"], sender=_sender(request), turn=turn, is_patient=True
                ),
                turn,
            )

        return await many([partial(entry, image) for image in body.images], service, body.logId or _log_id(request))


def _add_judge(router: APIRouter, service: Service) -> None:
    @router.post(
        "/judge", operation_id="judge", summary="Judge uploaded files", tags=["judge"],
        responses={200: {"model": schemas.Judged}, **PROBLEMS},
        openapi_extra=multipart_body("files", service.settings.max_images),
    )  # fmt: skip
    async def judge(request: Request, model: str | None = Query(None, description="One of GET /models.")) -> Response:
        """Judge uploaded files; a broken one does not spoil the others. An error status only if not one can be judged."""
        served = service.registry.get(model)
        files = await uploads(request, service)
        is_patient = len(files) > 1

        async def entry(name: str, data: bytes, turn: Turn) -> Entry:
            build = partial(answers.judged_file_json, name=name)
            return await entry_of(
                service.answered(
                    data,
                    served,
                    build,
                    request.scope["hold"],
                    sender=_sender(request, name),
                    turn=turn,
                    is_patient=is_patient,
                ),
                turn,
                name,
            )

        return await many([partial(entry, name, data) for name, data in files], service, _log_id(request))


def _add_models(router: APIRouter, service: Service) -> None:
    @router.get(
        "/models",
        operation_id="listModels",
        summary="The models and their thresholds",
        tags=["models"],
        responses={200: {"model": schemas.Models}, **PROBLEMS},
    )
    async def models() -> Response:
        """The models of this server, with their thresholds."""
        return JSONResponse({"models": service.registry.describe()})

    @router.post(
        "/models/{name}/reload", operation_id="reloadModel", summary="Load a model anew", tags=["models"],
        responses={200: {"model": schemas.Reloaded}, **PROBLEMS},
    )  # fmt: skip
    async def reload(name: str, request: Request) -> Response:
        """Load a model anew from its path and swap it in. No request is lost; if it cannot be loaded, the old one stays."""
        check_reload(request.headers, request.client, service.settings)
        service.registry.get(name)
        try:
            model = await service.reload(name)
        except PaddleXError as error:
            if isinstance(error, RequestError):
                raise
            logger.error("Model %s was not loaded anew: %s", name, error)
            raise RequestError(
                409, "the model cannot be loaded; the old one stays", remedy="The server's log says why"
            ) from error
        content = {"logId": _log_id(request), "errorCode": 0, "errorMsg": "Success"}
        return JSONResponse({**content, "result": model.describe(name == service.registry.default)})


def _add_health(router: APIRouter, service: Service) -> None:
    def healthy(request: Request) -> Response:
        return JSONResponse({"logId": _log_id(request), "errorCode": 0, "errorMsg": "Healthy"})

    ok: dict[int | str, dict[str, Any]] = {200: {"model": schemas.Health}}

    @router.get("/healthz", operation_id="checkHealth", summary="Alive?", tags=["operation"], responses=ok)
    async def healthz(request: Request) -> Response:
        """The process is alive."""
        return healthy(request)

    @router.get("/health", include_in_schema=False)
    async def health(request: Request) -> Response:
        return healthy(request)  # the name that PaddleX's server has for it

    @router.get(
        "/readyz",
        operation_id="checkReadiness",
        summary="Ready?",
        tags=["operation"],
        responses={**ok, 503: PROBLEMS[503]},
    )
    async def readyz(request: Request) -> Response:
        """The models are loaded and tried, and the service is not about to stop."""
        if service.is_draining:
            raise RequestError(503, "the service is shutting down", headers={"Retry-After": "5"})
        service.registry.check_ready()
        return healthy(request)

    @router.get(
        "/metrics", operation_id="metrics", summary="For Prometheus", tags=["operation"],
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, 401: PROBLEMS[401]},
        response_class=Response,
    )  # fmt: skip
    async def prometheus() -> Response:
        """For Prometheus."""
        return Response(service.metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})


def _asked_for(body: schemas.ImageRequest | schemas.BatchRequest, service: Service) -> ServedModel | ServedBank:
    """The model that a request names.

    Raises:
        RequestError: 404, there is none of this name; 422, a raw threshold for whichever product an image shows, or any where
            verdicts are remembered.
    """
    model = service.registry.get(body.model)
    if service.remembers and (body.threshold is not None or body.scoreThreshold is not None):
        what = "a request has no threshold of its own here: every verdict is remembered, and is that of the model"
        raise RequestError(422, what, remedy="Leave it out, or give the model another threshold")
    if body.threshold is not None and isinstance(model, ServedBank):
        what = "threshold is a raw score, and each product's model has a scale of its own"
        raise RequestError(422, what, remedy="Send scoreThreshold, or the model of a product")
    return model


async def _parsed(request: Request, service: Service, model: type[R]) -> R:
    """A JSON body, whatever its Content-Type says: two of PaddleX's example clients send none, or a form's.

    Raises:
        RequestError: 422, it is not what the schema asks for; 413, it holds too much.
    """
    content = b"".join([chunk async for chunk in request.stream()])
    try:
        return await service.in_thread(partial(_validated, content, model, service.settings.max_json_values))
    except pydantic.ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestError(422, explain(problems), remedy="See /docs") from error


def _validated(content: bytes, model: type[R], max_values: int) -> R:
    """What is wrong with a million values would take gigabytes to tell: they are counted before they are looked at."""
    if content.count(b",") > max_values or content.count(b"[") + content.count(b"{") > _MAX_BRACKETS:
        raise RequestError(413, "the JSON holds too many values", remedy="Send fewer images")
    return model.model_validate_json(content)


async def uploads(
    request: Request, service: Service, field: str = "files", most: int | None = None
) -> list[tuple[str, bytes]]:
    """The files of a form, by name, never on the server's disk.

    Args:
        request: with the form.
        service: whose limits count.
        field: of the form.
        most: files in it; None for as many as a request may have.

    Raises:
        RequestError: 415, it is no form; 400, a broken one; 413, with too many files; 422, with none.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise RequestError(415, "the request is no multipart/form-data", remedy="Send the images as form files")
    limits = {
        "max_files": most or service.settings.max_images,
        "max_fields": _MAX_FIELDS,
        "max_part_size": _MAX_FIELD_BYTES,
    }
    parser = MultiPartParser(request.headers, request.stream(), **limits)
    parser.spool_max_size = 2 * service.settings.max_body_bytes  # larger than any body: nothing is ever written to disk
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeError) as error:
        too_many = isinstance(error, MultiPartException) and error.message.startswith("Too many files")
        message = getattr(error, "message", "it cannot be read")[:200]
        raise RequestError(413 if too_many else 400, f"the form is malformed: {message}") from error
    try:
        uploads = [item for item in form.getlist(field) if not isinstance(item, str)]
        if not uploads:
            raise RequestError(422, "the form has no files", remedy=f"Name the field {field}")
        return [((item.filename or "")[:_MAX_NAME], await item.read()) for item in uploads]
    finally:
        await form.close()


def _sender(request: Request, name: str = "") -> Sender:
    return Sender(request.scope.get("user", ""), name)


def _log_id(request: Request) -> str:
    return str(request.scope["log_id"])
