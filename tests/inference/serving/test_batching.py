"""The batcher: what it puts together, how it is bounded, and that nothing is lost."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import wait

import numpy as np
import pytest

from paddlex.errors import ModelError
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.serving.batching import Batcher
from paddlex.inference.serving.errors import Busy, QueueFull


class Gated:
    """A real predictor that waits before each batch until it is let on, and notes the batches' sizes."""

    def __init__(self, predictor: AnomalyPredictor, poison: int | None = None) -> None:
        self._predictor = predictor
        self._poison = poison
        self.limits, self.folder, self.reading = predictor.limits, predictor.folder, predictor.reading
        self.sizes: list[int] = []
        self.has_begun = threading.Event()
        self.go = threading.Event()

    def judge(self, images: Sequence[np.ndarray]) -> list:
        self.has_begun.set()
        assert self.go.wait(120)
        self.sizes.append(len(images))
        if any(image[0, 0, 0] == self._poison for image in images):
            raise ModelError("the network's answer is not a number")
        return self._predictor.judge(images)


def grey(value: int) -> np.ndarray:
    return np.full((32, 32, 3), value, np.uint8)


@pytest.fixture
def make_batcher():
    made: list[tuple[Batcher, Gated]] = []

    def make(judge: Gated, **options: float) -> Batcher:
        settings = {"max_batch": 4, "max_wait": 0.002, "queue_size": 8, **options}
        batcher = Batcher(judge, name="test", **settings)
        made.append((batcher, judge))
        return batcher

    yield make
    for batcher, judge in made:
        judge.go.set()
        batcher.close(120)


def test_images_that_wait_are_judged_together_and_each_gets_its_own_answer(make_batcher, predictor) -> None:
    judge = Gated(predictor)
    batcher = make_batcher(judge)
    first = batcher.submit(grey(0))
    assert judge.has_begun.wait(120)
    futures = [first, *(batcher.submit(grey(value)) for value in range(20, 120, 20))]
    judge.go.set()
    scores = [future.result(120).result["raw_score"] for future in futures]
    assert judge.sizes == [1, 4, 1]
    alone = [predictor.judge([grey(value)])[0]["raw_score"] for value in range(0, 120, 20)]
    assert scores == pytest.approx(alone, rel=1e-3)


def test_two_workers_share_the_images_between_them_and_stop_both(make_batcher, predictor) -> None:
    judge = Gated(predictor)
    batcher = make_batcher(judge, workers=2, max_batch=2)
    futures = [batcher.submit(grey(value)) for value in range(8)]
    judge.go.set()
    alone = [predictor.judge([grey(value)])[0]["raw_score"] for value in range(8)]
    assert [future.result(120).result["raw_score"] for future in futures] == pytest.approx(alone, rel=1e-3)
    batcher.close(120)
    assert not any(thread.is_alive() for thread in batcher._threads)


def test_an_image_alone_does_not_wait_for_a_full_batch(make_batcher, predictor) -> None:
    judge = Gated(predictor)
    judge.go.set()
    batcher = make_batcher(judge)
    assert batcher.submit(grey(5)).result(120).predictor is judge
    assert judge.sizes == [1]


def test_a_full_queue_refuses_and_takes_on_again_later(make_batcher, predictor) -> None:
    judge = Gated(predictor)
    batcher = make_batcher(judge, queue_size=2)
    futures = [batcher.submit(grey(0))]
    assert judge.has_begun.wait(120)
    futures += [batcher.submit(grey(0)), batcher.submit(grey(0))]
    with pytest.raises(QueueFull) as caught:
        batcher.submit(grey(0))
    assert (caught.value.status, "Retry-After" in caught.value.headers) == (503, True)
    judge.go.set()
    wait(futures, 120)
    assert batcher.submit(grey(0)).result(120)


def test_one_image_that_the_model_fails_on_does_not_spoil_its_batch(make_batcher, predictor) -> None:
    judge = Gated(predictor, poison=99)
    batcher = make_batcher(judge)
    first = batcher.submit(grey(0))
    assert judge.has_begun.wait(120)
    good, bad, also_good = (batcher.submit(grey(value)) for value in (10, 99, 20))
    judge.go.set()
    assert first.result(120) and good.result(120) and also_good.result(120)
    with pytest.raises(ModelError):
        bad.result(120)


def test_a_cancelled_image_is_not_judged(make_batcher, predictor) -> None:
    judge = Gated(predictor)
    batcher = make_batcher(judge)
    first = batcher.submit(grey(0))
    assert judge.has_begun.wait(120)
    cancelled, last = batcher.submit(grey(1)), batcher.submit(grey(2))
    assert cancelled.cancel()
    judge.go.set()
    assert first.result(120) and last.result(120)
    assert judge.sizes == [1, 1]


def test_closing_finishes_what_is_queued_and_refuses_the_rest(make_batcher, predictor) -> None:
    judge = Gated(predictor)
    batcher = make_batcher(judge)
    futures = [batcher.submit(grey(value)) for value in range(6)]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while True:
        try:
            futures.append(batcher.submit(grey(7)))
            time.sleep(0.001)
        except Busy:
            break
    judge.go.set()
    closing.join(120)
    assert all(future.done() and future.result(0) for future in futures)


def test_a_replaced_predictor_finishes_its_batch_and_judges_no_other(make_batcher, predictor) -> None:
    old, new = Gated(predictor), Gated(predictor)
    new.go.set()
    batcher = make_batcher(old)
    first = batcher.submit(grey(0))
    assert old.has_begun.wait(120)
    second = batcher.submit(grey(1))
    batcher.replace(new)
    old.go.set()
    assert first.result(120) and second.result(120)
    assert (old.sizes, new.sizes) == ([1], [1])


def test_an_image_that_nobody_waits_for_any_more_is_not_kept_until_its_turn(make_batcher, predictor) -> None:
    judge = Gated(predictor)
    batcher = make_batcher(judge, max_batch=1)
    first = batcher.submit(grey(1))
    assert judge.has_begun.wait(120)
    image = grey(2)
    kept = weakref.ref(image)
    waiting = batcher.submit(image)
    del image
    assert kept() is not None
    assert waiting.cancel()
    assert kept() is None
    judge.go.set()
    assert first.result(120)
