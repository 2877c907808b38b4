"""STFPM as the paper trains it, in plain PyTorch: a contestant of time_to_quality.py, run in torch's own environment.

It imports nothing of this project. The images, the teacher and the student's first weights come in an .npz file, so that all
contestants start alike.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

BATCH, RATE, MOMENTUM, DECAY = 32, 0.4, 0.9, 1e-4  # the paper's recipe


class Block(nn.Module):
    """The basic block of a ResNet-18; attributes are named as in Paddle, which is as in torchvision."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + shortcut)


class Pyramid(nn.Module):
    """ResNet-18 from conv1 to layer3."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))
        renamed = {
            name.replace("._mean", ".running_mean").replace("._variance", ".running_var"): torch.from_numpy(array)
            for name, array in arrays.items()
        }
        missing, unexpected = self.load_state_dict(renamed, strict=False)
        assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        features = []
        for stage in (self.layer1, self.layer2, self.layer3):
            x = stage(x)
            features.append(x)
        return features


class Contestant:
    """Teacher, student and optimiser."""

    def __init__(self, data: dict[str, np.ndarray], bfloat16: bool) -> None:
        self.data, self.bfloat16 = data, bfloat16
        self.teacher, self.student = (
            Pyramid({name.removeprefix(prefix): data[name] for name in data if name.startswith(prefix)})
            for prefix in ("teacher.", "student.")
        )
        self.teacher.eval()
        if bfloat16:
            self.teacher, self.student = (n.to(memory_format=torch.channels_last) for n in (self.teacher, self.student))
        self.optimiser = torch.optim.SGD(self.student.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
        self.kept: dict[int, list[torch.Tensor]] = {}

    def images(self, key: str, numbers: np.ndarray) -> torch.Tensor:
        x = self.data[key][numbers].astype(np.float32) / 255
        x = (x - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
        if self.bfloat16:
            return torch.from_numpy(x).permute(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))

    def features(self, network: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            features = network(x)
        return [F.normalize(layer.float()) for layer in features]

    def teach(self, x: torch.Tensor) -> list[torch.Tensor]:
        with torch.no_grad():
            return self.features(self.teacher, x)

    def teach_once(self, numbers: np.ndarray, x: torch.Tensor) -> list[torch.Tensor]:
        """The same, remembered by image: changes how long the search for epochs-to-quality takes, nothing else."""
        if not all(int(number) in self.kept for number in numbers):
            for number, *layers in zip(numbers, *self.teach(x), strict=True):
                self.kept[int(number)] = [layer.clone() for layer in layers]
        return [torch.stack(layer) for layer in zip(*(self.kept[int(n)] for n in numbers), strict=True)]

    def step(self, x: torch.Tensor, teacher: list[torch.Tensor]) -> float:
        student = self.features(self.student, x)
        loss = sum(0.5 * (t - s).square().sum(1).mean() for t, s in zip(teacher, student, strict=True))
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())

    def epoch(self, epoch: int) -> Iterator[np.ndarray]:
        order = np.random.default_rng([0, epoch]).permutation(len(self.data["train"]))
        yield from np.array_split(order, range(BATCH, len(order), BATCH))

    def look(self, path: Path) -> None:
        """Write the distance between teacher and student, float32 [N, h, w] for each layer, for held-out and test images."""
        self.student.eval()
        layers = {}
        with torch.no_grad():
            for key in ("held_out", "test"):
                count = len(self.data[key])
                parts = []
                for numbers in np.array_split(np.arange(count), range(8, count, 8)):
                    x = self.images(key, numbers)
                    pairs = zip(self.teach(x), self.features(self.student, x), strict=True)
                    parts.append([(t - s).square().sum(1).numpy() for t, s in pairs])
                for number, maps in enumerate(zip(*parts, strict=True)):
                    layers[f"{key}_{number}"] = np.concatenate(maps)
        np.savez(path, **layers)
        self.student.train()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help=".npz: train, held_out, test (uint8 [N, H, W, 3] RGB), teacher.*, student.*")
    parser.add_argument("--output", type=Path, help="the folder for the looks at held-out and test images")
    parser.add_argument(
        "--epochs", type=int, default=0, help="train so long and look now and then; 0: time single steps"
    )
    parser.add_argument("--every", type=int, default=5, help="epochs between two looks")
    parser.add_argument("--bfloat16", action="store_true", help="autocast and channels last, instead of float32")
    arguments = parser.parse_args()
    with np.load(arguments.data) as file:
        contestant = Contestant(dict(file), arguments.bfloat16)
    if arguments.epochs:
        for epoch in range(arguments.epochs):
            losses = []
            for numbers in contestant.epoch(epoch):
                x = contestant.images("train", numbers)
                losses.append(contestant.step(x, contestant.teach_once(numbers, x)))
            if (epoch + 1) % arguments.every == 0 or epoch + 1 == arguments.epochs:
                contestant.look(arguments.output / f"{epoch + 1}.npz")
                print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}", flush=True)
        return
    for count in (
        sys.stdin
    ):  # each line asks for one step of so many images, and is answered with its seconds, and those of the processor
        numbers = np.arange(int(count)) % len(contestant.data["train"])
        start, processor_start = time.perf_counter(), time.process_time()
        x = contestant.images("train", numbers)
        contestant.step(x, contestant.teach(x))
        print(json.dumps([time.perf_counter() - start, time.process_time() - processor_start]), flush=True)


if __name__ == "__main__":
    main()
