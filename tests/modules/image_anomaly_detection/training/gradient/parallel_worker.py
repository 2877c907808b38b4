"""Run by test_distributed.py as a script: two processes make some steps together, and each of them makes them alone."""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from paddlex.errors import ProcessLost
from paddlex.modules.image_anomaly_detection.models.stfpm.network import STFPM, feature_matching_loss
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import Run
from paddlex.modules.image_anomaly_detection.training.gradient.distributed import World, join_world
from paddlex.modules.image_anomaly_detection.training.gradient.step import TrainingStep, features_of_shard
from paddlex.modules.image_anomaly_detection.training.gradient.teacher_features import TeacherFeatures
from paddlex.utils.devices import Device
from paddlex.utils.launcher import run_processes
from paddlex.utils.signals import StopRequest

import paddle  # isort: skip

#: Of 9 images the processes have 5 and 4, which two threads of each divide once more; 5 are divided 3 to 2; of 1 image one
#: process has none; 4 are divided evenly.
BATCHES = [[0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 2, 3, 4], [5], [2, 0, 5, 1], [4, 2, 3]]
RATE = 0.4


def new_run() -> Run:
    paddle.seed(5)
    network = STFPM("resnet18", ["layer1", "layer2"], (32, 32))
    network.train()
    parameters = network.student.parameters()
    optimiser = paddle.optimizer.Momentum(RATE, 0.9, parameters, use_nesterov=True, weight_decay=1e-4)
    ema = {f"student.{name}": parameter.clone().detach() for name, parameter in network.student.named_parameters()}
    return Run(network, optimiser, ema, None, {})


def images(dtype: str) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(9, 3, 32, 32)).astype(dtype)


def state(run: Run, losses: list[float]) -> dict[str, np.ndarray]:
    return {"losses": np.array(losses), **{name: t.numpy() for name, t in run.network.student.state_dict().items()}}


def steps_alone(dtype: str) -> dict[str, np.ndarray]:
    """The reference: whole batches, Paddle's own batch normalisation, nothing of the code under test."""
    run, losses = new_run(), []
    for batch in BATCHES:
        x = paddle.to_tensor(images(dtype)[batch])
        loss = feature_matching_loss(run.network.teacher_features(x), run.network.student(x))
        loss.backward()
        run.optimiser.step()
        run.optimiser.clear_grad()
        losses.append(float(loss))
    return state(run, losses)


def steps_together(dtype: str, world: World) -> dict[str, np.ndarray]:
    run = new_run()
    step, features = TrainingStep(run, world, ema_decay=0.9), TeacherFeatures(run.network)
    shards, losses = [world.shard(batch) for batch in BATCHES], []
    for shard in shards:
        x = paddle.to_tensor(images(dtype)[shard.numbers])
        step(x, features_of_shard(features, run.network, shard, x), RATE, shard)
        losses.append(step.settle())
    return state(run, losses) | {"shard sizes": np.array([round(shard.weight * shard.total) for shard in shards])}


def work(folder: Path) -> None:
    world = join_world(is_gpu=False)
    for dtype in ("float64", "float32"):
        paddle.set_default_dtype(dtype)
        np.savez(folder / f"{dtype}_{world.rank}.npz", **steps_together(dtype, world))
        if world.is_main:
            np.savez(folder / f"{dtype}_alone.npz", **steps_alone(dtype))
    sums = world.sum([world.rank + 1.0, 2.0**-40]), world.maximum([world.rank, -world.rank])
    greeting = world.by_main(lambda: {"from": world.rank})
    world.meet()
    with world.folder_of_main(lambda: folder / "given") as given:
        content = [(path.name, path.read_bytes()) for path in sorted(given.iterdir())]
    np.savez(folder / f"world_{world.rank}.npz", sums=np.array(sums), greeting=greeting["from"], content=str(content))
    with suppress(ProcessLost):  # one test's matter
        wait_while_signals_come(world, folder)


def wait_while_signals_come(world: World, folder: Path) -> None:
    """Each process waits for the other in turn, and gets signals meanwhile."""
    with StopRequest(patient=True) as stop:
        for late in range(world.size):
            if world.rank == late:
                time.sleep(1)
            else:
                threading.Thread(target=send_signals).start()
            world.meet()
        world.leave()
    assert stop.signal_number == signal.SIGTERM
    (folder / f"signals_{world.rank}").touch()


def send_signals() -> None:
    for _ in range(10):
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    run_processes(work, (Path(sys.argv[1]),), 2, Device("cpu"))
