"""Training, whatever the model: the one path from a config to a finished model."""

from __future__ import annotations

import os
import time
from typing import Any

from paddlex.config_schema import Config
from paddlex.inference.model_folder import ONNX_NAME
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.training.blindness import with_detectability
from paddlex.modules.image_anomaly_detection.training.completion import INFERENCE, try_to_add_onnx
from paddlex.modules.image_anomaly_detection.training.folder import training_folder
from paddlex.modules.image_anomaly_detection.training.image_size import with_image_size
from paddlex.modules.image_anomaly_detection.training.train_result import LABELS, describe_training
from paddlex.utils.devices import Device
from paddlex.utils.files import write_text
from paddlex.utils.logging import log_to_file, logger
from paddlex.utils.processes import process_count, process_rank
from paddlex.utils.progress import begin_step


def train(config: Config, device: Device) -> dict[str, Any]:
    """Train in this process, alone or as one of several, of which the first one writes all files.

    Returns:
        The content of train_result.json; {} in all but the first process.
    """
    if process_count() == 1:
        device.use()
    config = with_image_size(config)
    model = MODELS[config.Global.model]
    if process_rank() != 0:
        model.train(config, device)
        return {}
    resolved = config.model_copy(deep=True)
    resolved.Global.device, resolved.Global.dataset_dir = str(device), os.path.abspath(config.Global.dataset_dir or "")
    resolved.Train = config.Train.from_the_start()  # whoever trains again from this file starts at the beginning
    append = config.Train.is_resumed
    with training_folder(config.output, model.writes), log_to_file(config.output / "train.log", append=append):
        write_text(config.output / "config.yaml", resolved.to_yaml())
        write_text(config.output / "label_dict.txt", LABELS)
        start = time.monotonic()
        fitted = model.train(config, device)
        inference = fitted.folders["best"] / INFERENCE
        begin_step("Trying the model")
        if not (inference / ONNX_NAME).is_file():
            try_to_add_onnx(inference)
        others = [name for name in MODELS if name != config.Global.model]
        fitted = with_detectability(fitted, inference, config.Global, device, others)
        minutes = (time.monotonic() - start) / 60
        logger.info("Training took %.1f minutes.", minutes)
    return describe_training(fitted, config.output, minutes)
