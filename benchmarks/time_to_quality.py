"""How long until the student is as good as 100 epochs of the paper's recipe make it: ours, plain Paddle, PyTorch.

    python benchmarks/time_to_quality.py quality dataset/magnetic_tile out --torch_python torch_venv/bin/python
    python benchmarks/time_to_quality.py speed   dataset/magnetic_tile out --torch_python torch_venv/bin/python
    python benchmarks/time_to_quality.py table   dataset/magnetic_tile out

``quality`` trains from the same first weights, on the same images of train.txt, and writes what the student still gets wrong
on the held-out ones and on val.txt: the paper's recipe (SGD 0.4, momentum 0.9, weight decay 1e-4, batch 32, constant rate) in
PyTorch with the teacher's features kept, and our defaults, in several orders of the images. ``table`` makes image scores of
it, for both by the same code: the maximum of the paper's product of the layers' maps, and that of the calibrated map.
``speed`` times single training steps of the contestants in turn, each in a process of its own, so that a change in the
machine's speed touches all alike. ``table`` multiplies: a run of hours in plain Paddle is not carried out. It prints Markdown
and writes time_to_quality.png.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions

TOLERANCE = 0.005
FUSIONS = ("product", "calibrated")
TEACHER = "the teacher, once"
ROUNDS = 5
#: Images in a turn: one step of the paper's recipe, several of ours.
IMAGES = 32
PAUSE = 1.0  # seconds; the threads of the one before go on spinning for a while
TORCH_SCRIPT = Path(__file__).with_name("stfpm_in_torch.py")
#: What makes Paddle fast on a CPU and is not set where it is used as it comes.
OUR_VARIABLES = ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE")


def prepare(dataset: str, path: Path) -> None:
    """Write the images as the networks see them, the teacher and the student's first weights, for all contestants."""
    import paddlex.modules  # noqa: F401  (prepares Paddle's environment before its import)
    from paddlex.data.dataset import read_samples
    from paddlex.inference.inputs import read_image
    from paddlex.modules.image_anomaly_detection.model_card import ModelCard
    from paddlex.modules.image_anomaly_detection.training.gradient.new_run import new_network
    from paddlex.modules.image_anomaly_detection.training.normal_images import hold_out, normal_images

    import paddle  # isort: skip

    paddle.seed(0)
    network, card = new_network(ModelCard.from_config("STFPM", STFPMOptions()), None)
    arrays = {f"{part}.{name}": tensor.numpy() for part in ("teacher", "student")
              for name, tensor in getattr(network, part).state_dict().items()}  # fmt: skip
    test = read_samples(dataset, "val.txt")
    photos = normal_images(read_samples(dataset, "train.txt"))
    fit, held_out = hold_out(photos, STFPMOptions().calibration.holdout_percent, seed=0)
    for key, samples in (("train", fit), ("held_out", held_out), ("test", test)):
        arrays[key] = np.stack([card.transform.resize(read_image(sample.image_path)) for sample in samples])
    arrays["anomalous"] = np.array([sample.is_defective_by_name for sample in test])
    np.savez(path, **arrays)


class Contestant:
    """Teacher, student and optimiser in Paddle, from the prepared file.

    Args:
        data: the file's arrays.
        as_it_comes: the paper's formulas and recipe, teacher in every step; else the step that this project trains with.
    """

    def __init__(self, data: dict[str, np.ndarray], as_it_comes: bool) -> None:
        import paddle

        from paddlex.inference.transforms import Transform
        from paddlex.modules.image_anomaly_detection.model_card import ModelCard
        from paddlex.modules.image_anomaly_detection.models.stfpm.network import STFPM
        from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import Run
        from paddlex.modules.image_anomaly_detection.training.gradient.distributed import World
        from paddlex.modules.image_anomaly_detection.training.gradient.step import TrainingStep
        from paddlex.modules.image_anomaly_detection.training.gradient.teacher_features import TeacherFeatures

        self.data, self.as_it_comes, self.options = data, as_it_comes, STFPMOptions()
        self.transform = Transform((256, 256))
        self.network = STFPM()
        for part in ("teacher", "student"):
            state = {name.removeprefix(f"{part}."): data[name] for name in data if name.startswith(f"{part}.")}
            getattr(self.network, part).set_state_dict(state)
        self.network.train()
        student = self.network.student
        self.optimiser = paddle.optimizer.Momentum(
            0.4, 0.9, student.parameters(), use_nesterov=not as_it_comes, weight_decay=1e-4
        )
        if as_it_comes:
            return
        self.features = TeacherFeatures(self.network)
        ema = {f"student.{name}": parameter.clone().detach() for name, parameter in student.named_parameters()}
        run = Run(self.network, self.optimiser, ema, ModelCard.from_config("STFPM", self.options), {})
        self.our_step = TrainingStep(run, World(), self.options.ema_decay)

    def step(self, numbers: list[int], rate: float = 0.4) -> None:
        """Train on these images of train.txt; returns when it is done."""
        import paddle

        from paddlex.modules.image_anomaly_detection.models.stfpm.network import normalise, squared_distance
        from paddlex.modules.image_anomaly_detection.training.gradient.distributed import World

        x = paddle.to_tensor(self.transform.normalise(self.data["train"][numbers]))
        if not self.as_it_comes:
            self.our_step(x, self.features([("train", number) for number in numbers], x), rate, World().shard(numbers))
            self.our_step.settle()
            return
        pairs = zip(self.network.teacher_features(x), self.network.student(x), strict=True)
        loss = paddle.add_n([0.5 * squared_distance(teacher, normalise(student)).mean() for teacher, student in pairs])
        loss.backward()
        self.optimiser.step()
        self.optimiser.clear_grad()
        float(loss)

    def steps(self, numbers: list[int]) -> None:
        """Train on all these images, in batches of the usual size."""
        size = len(numbers) if self.as_it_comes else self.options.batch_size
        for start in range(0, len(numbers), size):
            self.step(numbers[start : start + size])

    def teach_once(self, numbers: list[int]) -> None:
        """Keep the teacher's features of these images as the trainer does before its first step, one by one."""
        import paddle

        for number in numbers if not self.as_it_comes else []:
            self.features([("train", number)], paddle.to_tensor(self.transform.normalise(self.data["train"][[number]])))

    def look(self, path: Path) -> None:
        """Write the distance between teacher and student, float32 [N, h, w] for each layer, for held-out and test images."""
        import paddle

        from paddlex.modules.image_anomaly_detection.training.batches import consecutive

        self.network.eval()
        layers = {}
        with paddle.no_grad():
            for key in ("held_out", "test"):
                parts = []
                for numbers in consecutive(len(self.data[key]), 8):
                    x = paddle.to_tensor(self.transform.normalise(self.data[key][numbers]))
                    parts.append([distance.squeeze(1).numpy() for distance in self.network.partial_maps(x)])
                for number, maps in enumerate(zip(*parts, strict=True)):
                    layers[f"{key}_{number}"] = np.concatenate(maps)
        np.savez(path, **layers)
        self.network.train()

    def train(self, folder: Path, seed: int) -> None:
        """Our schedule, with a look after each epoch."""
        from paddlex.modules.image_anomaly_detection.training.batches import shuffled
        from paddlex.modules.image_anomaly_detection.training.gradient.schedule import learning_rate_at, usual_epochs

        options, step, images = self.options, 0, len(self.data["train"])
        count = usual_epochs(len(shuffled(images, options.batch_size, seed, 0)))
        epochs = [shuffled(images, options.batch_size, seed, e) for e in range(count)]
        total = sum(map(len, epochs))
        for epoch, batches in enumerate(epochs, 1):
            for numbers in batches:
                self.step(numbers, learning_rate_at(step, total, options.learning_rate, options.lr_schedule, None))
                step += 1
            self.look(folder / f"{epoch}.npz")
            print(f"epoch {epoch}", flush=True)


def work(name: str, path: Path, looks: Path | None, seed: int) -> None:
    """The body of a Paddle contestant's process: train, or take one step for each line of standard input."""
    if name == "plain":
        import paddle

        paddle.ones([2, 2]) @ paddle.ones(
            [2, 2]
        )  # its libraries have read the environment, before our settings get there
    else:
        import paddlex.modules  # noqa: F401  (first: with our settings)
    with np.load(path) as file:
        contestant = Contestant(dict(file), as_it_comes=name == "plain")
    if looks is not None:
        contestant.train(looks, seed)
        return
    for number, line in enumerate(sys.stdin):
        numbers = [(number * int(line) + place) % len(contestant.data["train"]) for place in range(int(line))]
        times = []
        for stage in (contestant.teach_once, contestant.steps):
            start, processor_start = time.perf_counter(), time.process_time()
            stage(numbers)
            times += [time.perf_counter() - start, time.process_time() - processor_start]
        print(json.dumps([*times[2:], *times[:2]]), flush=True)


def command(name: str, path: Path, torch_python: str) -> list[str]:
    if name.startswith("torch"):
        options = ["--bfloat16"] if "bfloat16" in name else []
        return [torch_python, str(TORCH_SCRIPT), str(path), *options]
    return [sys.executable, __file__, "worker", "-", str(path), "--name", name]


def measure_quality(path: Path, folder: Path, arguments: argparse.Namespace) -> None:
    recipe = command("torch bfloat16" if arguments.bfloat16 else "torch", path, arguments.torch_python)
    recipe += ["--epochs", str(arguments.epochs), "--every", str(arguments.every)]
    runs = {"recipe": [*recipe, "--output"]}
    for seed in range(arguments.seeds):
        runs[f"ours_{seed}"] = [*command("ours", path, ""), "--seed", str(seed), "--looks"]
    for name, line in runs.items():
        if name.partition("_")[0] in arguments.only:
            looks = folder / name
            looks.mkdir(exist_ok=True)
            subprocess.run([*line, str(looks)], check=True)


def measure_speed(path: Path, folder: Path, arguments: argparse.Namespace) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in OUR_VARIABLES}
    if arguments.processor_time:
        environment["OMP_NUM_THREADS"] = "1"
    names = ("plain", "torch", "torch bfloat16", "ours")
    seconds: dict[str, list[float]] = {name: [] for name in (*names, TEACHER)}
    processes = {
        name: subprocess.Popen(
            command(name, path, arguments.torch_python),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    }
    for turn in range(ROUNDS + 1):
        for name, process in processes.items():
            assert process.stdin and process.stdout
            time.sleep(PAUSE)
            process.stdin.write(f"{IMAGES}\n")
            process.stdin.flush()
            times = json.loads(process.stdout.readline())[arguments.processor_time :: 2]
            if turn:  # the first one warms up
                seconds[name].append(times[0] / IMAGES)
                if name == "ours":
                    seconds[TEACHER].append(times[1] / IMAGES)
    for process in processes.values():
        process.communicate()
    (folder / "speed.json").write_text(json.dumps(seconds), encoding="utf-8")


@dataclass
class Curve:
    """Image AUROC by epoch, for each way to make one map of the layers' distances."""

    epochs: np.ndarray
    auroc: dict[str, np.ndarray]


def read_curve(folder: Path, anomalous: np.ndarray) -> Curve:
    """Fuse what a contestant has written at each look, and score it."""
    import paddlex.modules  # noqa: F401  (prepares Paddle's environment before its import)
    from paddlex.config_schema import CalibrationSection
    from paddlex.evaluation.metrics import image_metrics
    from paddlex.inference.refit.calibrating import fused_maps
    from paddlex.modules.image_anomaly_detection.calibration.calibrator import calibrate_distances
    from paddlex.modules.image_anomaly_detection.models.stfpm.network import STFPM

    network, size = STFPM(), (256, 256)
    looks = sorted(folder.glob("*.npz"), key=lambda path: int(path.stem))
    auroc: dict[str, list[float]] = {name: [] for name in FUSIONS}
    for look in looks:
        with np.load(look) as file:
            held_out, test = ([file[f"{key}_{layer}"] for layer in range(3)] for key in ("held_out", "test"))
        calibrate_distances(network, held_out, CalibrationSection(), size)
        for name, fuse in zip(FUSIONS, (network.paper_maps, network.fusions().calibrated), strict=True):
            scores = np.array([image.max() for image in fused_maps(fuse, test, np.arange(len(test[0])), size)])
            figures = image_metrics(scores[~anomalous], scores[anomalous], 0.0, resamples=1)
            auroc[name].append(float(figures.auroc or np.nan))
    return Curve(
        np.array([int(look.stem) for look in looks]), {name: np.array(values) for name, values in auroc.items()}
    )


def epochs_to(target: float, curve: Curve, fusion: str, only_end: bool) -> int | None:
    """The first look at which the target is reached; a cycle of the learning rate is good at its end, and counts whole."""
    passed = curve.epochs[curve.auroc[fusion] >= target]
    if only_end:
        passed = passed[passed == curve.epochs[-1]]
    return int(passed[0]) if len(passed) else None


def print_table(path: Path, folder: Path) -> None:
    with np.load(path) as file:
        anomalous, images = file["anomalous"], len(file["train"])
    seeds = [read_curve(path, anomalous) for path in sorted(folder.glob("ours_*"))]
    mean = {fusion: np.mean([curve.auroc[fusion] for curve in seeds], axis=0) for fusion in FUSIONS}
    curves = {"recipe": read_curve(folder / "recipe", anomalous), "ours": Curve(seeds[0].epochs, mean)}
    named = [*curves.items(), *((f"ours, order {number}", curve) for number, curve in enumerate(seeds))]
    for name, curve in named:
        print(
            f"\n| {name}, epochs | "
            + " | ".join(map(str, curve.epochs))
            + " |\n|---"
            + "|---" * len(curve.epochs)
            + "|"
        )
        for fusion in FUSIONS:
            print(f"| {fusion} | " + " | ".join(f"{value:.3f}" for value in curve.auroc[fusion]) + " |")
    for fusion in FUSIONS:
        last = curves["recipe"].auroc[fusion][-10:]
        print(
            f"\nThe recipe's last {len(last)} looks, {fusion}: {last.mean():.3f}, from {last.min():.3f} to {last.max():.3f}"
        )
    seconds = {key: float(np.median(values)) for key, values in json.loads((folder / "speed.json").read_text()).items()}
    print(f"\nOurs runs the teacher once for each image, {1e3 * seconds[TEACHER]:.0f} ms; it is counted below.")
    once = seconds.pop(TEACHER) * images / 60

    def minutes_of(name: str, epochs: Any) -> Any:
        """Of so many epochs, a number or an array."""
        return epochs * images * seconds[name] / 60 + (once if name == "ours" else 0)

    targets = {}
    for recipes, own in (("product", "calibrated"), ("product", "product"), ("calibrated", "calibrated")):
        target = targets[recipes] = float(curves["recipe"].auroc[recipes][-1]) - TOLERANCE
        print(
            f"\nThe recipe by the {recipes} map, ours by the {own} one. Target: {target:.3f}, what "
            f"{curves['recipe'].epochs[-1]} epochs of the recipe reach less {TOLERANCE}.\n"
        )
        print("| way | ms an image | epochs to the target | minutes | ratio to ours |\n|---|---|---|---|---|")
        minutes = {}
        for name, figure in reversed(seconds.items()):
            is_ours = name == "ours"
            epochs = epochs_to(
                target, curves["ours" if is_ours else "recipe"], own if is_ours else recipes, only_end=is_ours
            )
            if epochs is None:
                print(f"| {name} | {1e3 * figure:.0f} | not reached | | |")
                continue
            minutes[name] = minutes_of(name, epochs)
            ratio = f"{minutes[name] / minutes['ours']:.1f}" if "ours" in minutes else ""
            print(f"| {name} | {1e3 * figure:.0f} | {epochs} | {minutes[name]:.1f} | {ratio} |")
    draw(curves, minutes_of, targets["product"], folder / "time_to_quality.png")


def draw(curves: dict[str, Curve], minutes_of: Callable[[str, Any], Any], target: float, path: Path) -> None:
    """Image AUROC over minutes of training, one line a contestant; dashed by the paper's map, solid by the calibrated one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    labels = {
        "plain": "plain Paddle",
        "torch": "PyTorch",
        "torch bfloat16": "PyTorch, bfloat16",
        "ours": "this project",
    }
    for number, (name, label) in enumerate(labels.items()):
        curve = curves["ours" if name == "ours" else "recipe"]
        minutes = minutes_of(name, curve.epochs)
        axes.plot(minutes, curve.auroc["product"], "o--", markersize=3, linewidth=1, color=f"C{number}", alpha=0.7)
        axes.plot(minutes, curve.auroc["calibrated"], "o-", markersize=3, color=f"C{number}", label=label)
    axes.axhline(target, color="grey", linestyle=":", linewidth=1, label="target")
    axes.set(
        xscale="log",
        xlabel="minutes of training (logarithmic)",
        ylabel="image AUROC",
        title="Time to quality (solid: calibrated map, dashed: the paper's)",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=("quality", "speed", "table", "worker"))
    parser.add_argument("dataset", help="a SegDataset")
    parser.add_argument("output", type=Path, help="a folder; a worker takes the prepared file")
    parser.add_argument("--torch_python", default=sys.executable, help="of an environment with PyTorch")
    parser.add_argument("--epochs", type=int, default=100, help="of the paper's recipe")
    parser.add_argument("--every", type=int, default=5, help="epochs of the recipe between two looks")
    parser.add_argument("--seeds", type=int, default=3, help="so many runs of ours, with other orders of the images")
    parser.add_argument(
        "--bfloat16", action="store_true", help="search the recipe's epochs to quality in bfloat16, which is faster"
    )
    parser.add_argument(
        "--processor_time", action="store_true",
        help="speed in processor time with one thread each: for a machine that does other things too",
    )  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=("ours", "recipe"), default=("ours", "recipe"))
    parser.add_argument("--name", choices=("plain", "ours"), default="ours", help=argparse.SUPPRESS)
    parser.add_argument("--looks", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage == "worker":
        work(arguments.name, arguments.output, arguments.looks, arguments.seed)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    data = arguments.output / "data.npz"
    if not data.exists():
        prepare(arguments.dataset, data)
    if arguments.stage == "quality":
        measure_quality(data, arguments.output, arguments)
    elif arguments.stage == "speed":
        measure_speed(data, arguments.output, arguments)
    else:
        print_table(data, arguments.output)


if __name__ == "__main__":
    main()
