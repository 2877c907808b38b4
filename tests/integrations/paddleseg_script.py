"""Run by test_paddleseg.py in PaddleSeg's environment: PaddleSeg trains, validates and loads. Prints what it finds as JSON."""

from __future__ import annotations

import json
import logging
import re
import sys

import numpy as np

import paddlex.integrations.paddleseg as integration

import paddle  # isort: skip
from paddleseg.core import evaluate, train  # isort: skip
from paddleseg.cvlibs import Config, SegBuilder  # isort: skip
from paddleseg.utils import logger, metrics  # isort: skip


def main(yaml: str, save_dir: str, images: str, our_weights: str) -> dict:
    said: list[str] = []
    info, logger.info = logger.info, lambda message="": (said.append(str(message)), info(message))
    paddle.seed(0)
    config = Config(yaml)
    builder = SegBuilder(config)
    train(
        builder.model, builder.train_dataset, builder.val_dataset, builder.optimizer, save_dir=save_dir,
        iters=config.iters, batch_size=config.batch_size, save_interval=config.iters, log_iters=1, losses=builder.loss,
    )  # fmt: skip
    evaluate(builder.model, builder.val_dataset, auc_roc=True)

    x = paddle.to_tensor(np.load(images))
    saved = SegBuilder(Config(yaml, opts=[f"model.pretrained={save_dir}/iter_{config.iters}/model.pdparams"])).model
    ours = SegBuilder(Config(yaml, opts=[f"model.pretrained={our_weights}"])).model
    saved.eval(), ours.eval()
    np.savez(f"{save_dir}/logits.npz", saved=saved(x)[0].numpy(), ours=ours(x)[0].numpy())

    first, label = builder.val_dataset[0], builder.train_dataset[0]["label"]
    pred, true = paddle.to_tensor([[0, 1, 1, 1]]), paddle.to_tensor([[0, 1, 0, 255]])
    log = "\n".join(said)
    return {
        "losses": [float(loss) for loss in re.findall(r"iter: \d+/\d+, loss: ([\d.]+)", log)],
        "pixel_auroc": float(re.findall(r"Auc_roc: ([\d.]+)", log)[-1]),
        "areas": [area.tolist() for area in metrics.calculate_area(pred, true, 2)],
        "image": [list(first["img"].shape), str(first["img"].dtype)],
        "labels": [list(first["label"].shape), list(label.shape)],
        "integration": integration.__name__,
    }


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps(main(*sys.argv[1:])))
