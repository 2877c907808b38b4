"""Two processes are one: the same losses, weights and statistics as a single process with the whole batch."""

import ast
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddlex.errors import ProcessLost, TrainingError
from paddlex.modules.image_anomaly_detection.models.stfpm.network import STFPM, feature_matching_loss
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import Run
from paddlex.modules.image_anomaly_detection.training.gradient.distributed import Shard, World, divide
from paddlex.modules.image_anomaly_detection.training.gradient.step import TrainingStep

ROOT = Path(__file__).parents[5]


@pytest.fixture(scope="module", params=[1, 2], ids=["one thread each", "two threads each"])
def folder(tmp_path_factory, request) -> Path:
    """What the worker's two processes have written."""
    folder = tmp_path_factory.mktemp("parallel")
    (folder / "given").mkdir()
    (folder / "given" / "weights").write_bytes(random.Random(0).randbytes(100_000))
    (folder / "given" / "empty").write_bytes(b"")
    worker = Path(__file__).with_name("parallel_worker.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(request.param)}
    done = subprocess.run(
        [sys.executable, worker, folder], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return folder


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


# Rounding is all that may differ. float64 shows that nothing else does; float32 is what is used.
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 2e-5)])
def test_steps_in_two_processes_equal_those_in_one_with_paddles_batch_normalisation(dtype, tolerance, folder):
    alone = arrays(folder / f"{dtype}_alone.npz")
    for rank in (0, 1):
        together = arrays(folder / f"{dtype}_{rank}.npz")
        assert "bn1._variance" in alone
        for name, expected in alone.items():
            error = np.abs(together[name] - expected).max()
            assert error <= tolerance * np.abs(expected).max(), f"{name} in process {rank}"


def test_parts_of_a_batch_may_differ_in_size_and_one_may_be_empty(folder):
    sizes = [arrays(folder / f"float64_{rank}.npz")["shard sizes"].tolist() for rank in (0, 1)]
    assert list(map(sum, zip(*sizes, strict=True))) == [9, 5, 1, 4, 3]
    assert sorted(pair[2] for pair in sizes) == [0, 1]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_processes_have_the_same_weights_bit_for_bit(dtype, folder):
    first, second = (arrays(folder / f"{dtype}_{rank}.npz") for rank in (0, 1))
    for name in first.keys() - {"shard sizes"}:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_sums_are_in_float64_and_what_the_first_process_finds_out_all_know(folder):
    for rank in (0, 1):
        found = arrays(folder / f"world_{rank}.npz")
        assert found["sums"].tolist() == [[3.0, 2.0**-39], [1.0, 0.0]]
        assert found["greeting"] == 0


def test_a_folder_of_the_first_process_reaches_the_others_byte_for_byte(folder):
    expected = [(path.name, path.read_bytes()) for path in sorted((folder / "given").iterdir())]
    for rank in (0, 1):
        assert ast.literal_eval(str(arrays(folder / f"world_{rank}.npz")["content"])) == expected


def test_signals_that_come_while_a_process_waits_for_another_lose_nothing(folder):
    assert (folder / "signals_0").exists()
    assert (folder / "signals_1").exists()


def test_what_becomes_of_the_others_does_not_spoil_an_orderly_end(monkeypatch):
    def lost() -> None:
        raise RuntimeError("TCP receive error")

    monkeypatch.setattr(paddle.base.core, "create_or_get_global_tcp_store", lost)
    World(0, 2).leave()
    World(1, 2).leave()


# Alone


def test_alone_nothing_is_divided_and_nothing_changed():
    world = World()
    shard = world.shard([4, 2, 7])
    assert shard == Shard([4, 2, 7], weight=1.0, total=3, own=3)
    assert world.own_batches(5, 2) == [[0, 1], [2, 3], [4]]
    assert world.sum([0.1, 2]) == [0.1, 2]
    assert world.by_main(lambda: [1]) == [1]
    world.check_same({"seed": 0})


def test_a_process_with_other_settings_than_the_first_is_refused_and_the_setting_named(monkeypatch):
    monkeypatch.setattr(World, "by_main", lambda self, work: {"seed": 0, "layers": ["layer1"]})
    with pytest.raises(
        TrainingError, match=r"process 1 has other settings than process 0: seed \(seed is 3, there 0\)"
    ):
        World(1, 2).check_same({"seed": 3, "layers": ["layer1"]})


def test_a_process_that_is_lost_on_the_way_back_is_told_from_other_troubles(monkeypatch):
    way_back = []

    class LostOnTheWayBack(World):
        def sum_tensor(self, tensor):
            if way_back:
                raise ProcessLost("the other process has ended")

    def loss_and_turn_back(*features):
        way_back.append(True)
        return feature_matching_loss(*features)

    monkeypatch.setattr(STFPM, "loss", staticmethod(loss_and_turn_back))
    paddle.seed(0)
    network = STFPM("resnet18", ["layer1"], (32, 32))
    network.train()
    optimiser = paddle.optimizer.Momentum(0.1, parameters=network.student.parameters())
    step = TrainingStep(Run(network, optimiser, {}, None, {}), LostOnTheWayBack(0, 2), ema_decay=0.9)
    x = paddle.zeros([1, 3, 32, 32])
    with pytest.raises(ProcessLost, match="the other process has ended"):
        step(x, network.teacher_features(x), 0.1, Shard([0], 0.5, 2, 1))


# Dividing


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_every_image_has_one_process_and_the_parts_differ_by_one_image_at_most(count, size):
    numbers = np.random.default_rng(count).permutation(50)[:count].tolist()
    parts = divide(numbers, size)
    assert sorted(number for part in parts for number in part) == sorted(numbers)
    assert len(parts) == size
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_most_images_go_to_the_same_process_in_every_epoch():
    rng = np.random.default_rng(0)
    stayed = 0
    for _ in range(100):
        batch = rng.permutation(200)[:8].tolist()
        stayed += sum(number % 2 == rank for rank, part in enumerate(divide(batch, 2)) for number in part)
    assert stayed / 800 > 0.8  # 0.5 if they were divided at random
