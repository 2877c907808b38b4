"""What requests hold together is bounded from the first byte of a body until the client has read the last of the answer."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest

from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.serving import answers
from paddlex.inference.serving.budget import Budget, Hold, Turn, Turns
from paddlex.inference.serving.errors import Busy, RequestError
from paddlex.inference.serving.judging import Service
from paddlex.inference.serving.metrics import Metrics
from paddlex.inference.serving.registry import Loaded, ModelRegistry
from paddlex.inference.serving.settings import ServerSettings
from paddlex.inference.serving.streaming import Entry, entry_of, many

BUILD = partial(answers.detection_json, threshold=None, picture=False)
PIXELS = 128 * 128  # of each photo


@pytest.fixture
def with_service(predictor: AnomalyPredictor, run_async: Callable[..., None]) -> Callable[..., None]:
    """Runs a coroutine with a service of certain settings."""

    def with_(work: Callable[[Service], Awaitable[None]], **settings: object) -> None:
        chosen = ServerSettings(**{"max_batch": 4, **settings})  # type: ignore[arg-type]

        async def run() -> None:
            metrics = Metrics()
            registry = ModelRegistry({"parts": "parts"}, lambda _: Loaded(predictor), chosen, metrics)
            service = Service(chosen, registry, metrics)
            await service.load()
            try:
                await asyncio.wait_for(work(service), 60)
            finally:
                service.close()

        run_async(run())

    return with_


def test_what_was_taken_is_given_back_once_and_with_the_parts() -> None:
    bodies, pixels = Budget(100, "bytes"), Budget(100, "pixels")
    hold = Hold()
    part = hold.part()
    hold.take_now(bodies, 30)
    hold.take_now(bodies, 30)
    part.take_now(pixels, 100)
    with pytest.raises(Busy):
        part.take_now(bodies, 41)
    hold.give_back(bodies, 10)
    assert (bodies.taken, pixels.taken) == (50, 100)
    hold.give_back(bodies, 1000)
    assert bodies.taken == 0
    hold.close()
    part.close()
    assert (bodies.taken, pixels.taken) == (0, 0)


def test_a_picture_that_was_read_for_another_model_than_judged_it_has_no_verdict(
    with_service: Callable[..., None], predictor: AnomalyPredictor, photo: bytes
) -> None:
    other = copy.copy(predictor)
    other.reading = replace(predictor.reading, bit_depth=12)

    async def work(service: Service) -> None:
        model = service.registry.get(None)
        model.batcher.replace(other)  # as a reload does in between
        with pytest.raises(Busy, match="for other pictures"):
            await service.answered(photo, model, BUILD, Hold())

    with_service(work)


def test_an_answer_counts_until_it_is_read(with_service: Callable[..., None], photo: bytes) -> None:
    async def work(service: Service) -> None:
        budgets, hold = service.budgets, Hold()
        hold.take_now(budgets.bodies, len(photo) + 100)
        answer = await service.answered(photo, service.registry.get(None), BUILD, hold)
        assert (budgets.bodies.taken, budgets.pixels.taken) == (100, 0)  # of the image itself nothing is left
        assert (
            budgets.answers.taken == answers.held(answer.parts) < PIXELS / 4
        )  # not yet the text, 2 bytes a pixel or more
        hold.close()
        assert (budgets.bodies.taken, budgets.answers.taken) == (0, 0)

    with_service(work)


def test_while_too_many_answers_are_unread_an_image_counts_as_one(
    with_service: Callable[..., None], photo: bytes
) -> None:
    async def work(service: Service) -> None:
        budgets, hold, others = service.budgets, Hold(), Hold()
        others.take_now(budgets.answers, service.settings.max_bytes_in_flight)
        answer = await service.answered(photo, service.registry.get(None), BUILD, hold)
        assert budgets.pixels.taken == PIXELS
        answer.hold.close()
        assert budgets.pixels.taken == 0

    with_service(work)


def test_images_that_keep_their_pixels_do_not_wait_for_each_other_for_ever(
    with_service: Callable[..., None], photos: list[bytes]
) -> None:
    """There is room for two images; all keep it until their answers are read, and later ones come before earlier ones."""

    async def work(service: Service) -> None:
        Hold().take_now(service.budgets.answers, service.settings.max_bytes_in_flight)
        model, hold = service.registry.get(None), Hold()

        async def entry(data: bytes, delay: float, turn: Turn) -> Entry:
            async def late() -> object:
                await asyncio.sleep(delay)
                return await service.answered(data, model, build, hold, turn=turn, is_patient=True)

            return await entry_of(late(), turn)  # type: ignore[arg-type]

        def build(judgement: object) -> answers.Parts:
            return answers.batch_item_json(BUILD(judgement))  # type: ignore[arg-type]

        sources = [*photos, b"no image", *photos]
        response = await many([partial(entry, data, 0.2 - 0.015 * i) for i, data in enumerate(sources)], service, "1")
        text = b"".join([piece async for piece in response.body_iterator])  # type: ignore[attr-defined]
        results = json.loads(text)["results"]
        assert [result["errorCode"] for result in results] == [0] * 5 + [415] + [0] * 5
        assert service.budgets.pixels.taken == 0

    with_service(work, max_pixels=PIXELS)


def test_turns_come_in_their_order_whoever_ends_first(run_async: Callable[..., list[int]]) -> None:
    async def run() -> list[int]:
        turns, order = Turns(), []
        mine = [turns.start() for _ in range(4)]

        async def take(turn: Turn) -> None:
            await turn.wait()
            order.append(turn.number)
            turn.end()

        tasks = [asyncio.create_task(take(turn)) for turn in (mine[3], mine[1])]
        mine[2].end()  # failed before its turn came
        mine[2].end()
        await asyncio.sleep(0)
        await take(mine[0])
        await asyncio.gather(*tasks)
        return order

    assert run_async(run()) == [0, 1, 3]


def test_the_bytes_of_an_image_at_a_url_count_like_those_of_a_request(
    with_service: Callable[..., None], photo: bytes
) -> None:
    class Fetcher:
        async def fetch(self, url: str, take: Callable[[int], None]) -> bytes:
            take(len(photo))
            assert service_of[0].budgets.bodies.taken == len(photo)
            take(len(photo) * 10_000)  # more than there may be
            raise AssertionError

    service_of: list[Service] = []

    async def work(service: Service) -> None:
        service_of.append(service)
        service._fetcher = Fetcher()  # type: ignore[assignment]
        with pytest.raises(RequestError) as caught:
            await service.answered("http://photos.example/a.jpg", service.registry.get(None), BUILD, Hold())
        assert caught.value.status == 503
        assert service.budgets.bodies.taken == 0

    with_service(work, max_body_bytes=len(photo) * 100)
