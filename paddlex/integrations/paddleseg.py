"""STFPM in PaddleSeg: importing this module registers the network, its loss and the data set in PaddleSeg's managers.

From then on a PaddleSeg YAML may say ``type: STFPM``, ``FeatureMatchingLoss`` and ``AnomalyDataset``; one is shipped as
``paddlex/configs/paddleseg/stfpm.yml``. Network and loss are ours: only their signatures are PaddleSeg's. Weights go both ways:
its ``model.pdparams`` is a weight file of ours. See docs/paddleseg.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paddlex.utils.paddle_environment import import_paddle

try:
    import_paddle()  # before PaddleSeg does, because of the environment variables
    from paddleseg.cvlibs import manager
    from paddleseg.transforms import Compose
    from paddleseg.utils import metrics
except ImportError as error:
    raise ImportError(
        f"PaddleSeg cannot be imported: {error}. It needs an environment of its own, with paddleseg==2.8.0"
    ) from error

import paddle
from paddle import nn

from paddlex.data.bit_depth import find_reading
from paddlex.data.dataset import TRAIN_LIST, VAL_LIST, read_mask, read_samples
from paddlex.errors import WeightsError
from paddlex.inference.reading import ANY
from paddlex.modules.image_anomaly_detection.backbones.weights import load_backbone_weights
from paddlex.modules.image_anomaly_detection.models.stfpm import network as stfpm
from paddlex.modules.image_anomaly_detection.models.stfpm.weights import load_checkpoint

_NORMAL_AND_ANOMALOUS = 2
_IGNORED = 255  # PaddleSeg's label of pixels that do not count; a data set here has none
_SMALLEST = 1e-30  # of a raw map that the logarithm is taken of


@manager.MODELS.add_component
class STFPM(stfpm.STFPM):
    """Our network with PaddleSeg's signature.

    Args:
        num_classes: 2, normal and anomalous.
        in_channels: 3.
        arch: ``resnet18``, ``resnet34`` or ``resnet50``; PaddleSeg takes ``backbone`` for a component of its own.
        layers: the stages that are matched.
        image_size: height and width that the transforms resize to.
        teacher: its weights, as in ``Train.pretrain_weight_path``; None for the bundled ResNet-18.
        threshold: of the raw map. It decides PaddleSeg's class of a pixel, and nothing about the weights.
        pretrained: a whole model: PaddleSeg's or our model.pdparams.

    Raises:
        ValueError: numbers of classes or channels that STFPM does not have.
        WeightsError: weights that do not fit.
    """

    def __init__(
        self,
        num_classes: int = _NORMAL_AND_ANOMALOUS,
        in_channels: int = 3,
        arch: str = "resnet18",
        layers: Sequence[str] = stfpm.PAPER_LAYERS,
        image_size: int = 256,
        teacher: str | None = None,
        threshold: float = 0.01,
        pretrained: str | None = None,
    ) -> None:
        if (num_classes, in_channels) != (_NORMAL_AND_ANOMALOUS, 3):
            raise ValueError(f"STFPM has 2 classes and 3 channels, not {num_classes} and {in_channels}")
        super().__init__(arch, layers, (image_size, image_size))
        self.threshold = threshold
        shapes = {name: tuple(tensor.shape) for name, tensor in self.teacher.state_dict().items()}
        self._set(self.teacher, load_backbone_weights(teacher, arch, shapes).arrays, teacher)
        if pretrained is not None:
            self._set(self, load_checkpoint(pretrained).arrays, pretrained)

    def forward(self, x: paddle.Tensor) -> list[Any]:  # type: ignore[override]
        """What PaddleSeg expects: a list with one element for one loss.

        Args:
            x: float32 [N, 3, H, W], RGB, normalised as the teacher was trained.

        Returns:
            In training, the teacher's and the student's features for ``FeatureMatchingLoss``. In evaluation, logits float32
            [N, 2, H, W] of normal and anomalous, 0 and log(raw map / threshold): the second is larger above the threshold, and
            its softmax is strictly monotone in the map, so that PaddleSeg's ``auc_roc`` is the pixel AUROC.
        """
        if self.training:
            return [(self.teacher_features(x), self.student(x))]
        raw_map = self.paper_map(self.partial_maps(x), x.shape[2:])
        anomalous = paddle.log(paddle.clip(raw_map, min=_SMALLEST) / self.threshold)
        return [paddle.concat([paddle.zeros_like(anomalous), anomalous], axis=1)]

    @staticmethod
    def _set(layer: nn.Layer, arrays: dict[str, np.ndarray], source: str | None) -> None:
        expected = {name: list(tensor.shape) for name, tensor in layer.state_dict().items()}
        unfit = [name for name, array in arrays.items() if expected.get(name) != list(array.shape)]
        missing = [name for name in expected.keys() - arrays.keys() if not name.startswith("fusion.")]
        if unfit or missing:
            raise WeightsError(
                f"the weights are of another architecture: {[*unfit, *missing][:3]}",
                where=source,
                remedy="Set arch, layers and image_size to those of the weights",
            )
        layer.set_state_dict({name: paddle.to_tensor(array) for name, array in arrays.items()})


@manager.LOSSES.add_component
class FeatureMatchingLoss(nn.Layer):
    """Our training loss with PaddleSeg's signature.

    Args:
        ignore_index: PaddleSeg hands it to every loss; labels play no part here.
    """

    def __init__(self, ignore_index: int = _IGNORED) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: tuple[list[paddle.Tensor], list[paddle.Tensor]], labels: paddle.Tensor) -> paddle.Tensor:
        """The loss as a tensor of shape [1], which PaddleSeg 2.8 reads with ``[0]``."""
        teacher, student = logits
        return stfpm.feature_matching_loss(teacher, student).reshape([1])


@manager.DATASETS.add_component
class AnomalyDataset(paddle.io.Dataset):
    """A SegDataset with PaddleSeg's signature; train.txt and val.txt are read as everywhere here.

    Args:
        transforms: PaddleSeg's, as the YAML names them.
        dataset_root: the folder with train.txt and val.txt.
        mode: ``train`` or ``val``.
    """

    NUM_CLASSES = _NORMAL_AND_ANOMALOUS
    IMG_CHANNELS = 3
    IGNORE_INDEX = _IGNORED

    def __init__(self, transforms: list[Any], dataset_root: str, mode: str = "train") -> None:
        super().__init__()
        if mode not in ("train", "val"):
            raise ValueError(f"mode is {mode!r}, not train or val")
        self.mode, self.num_classes, self.ignore_index = mode, self.NUM_CLASSES, self.IGNORE_INDEX
        self.transforms = Compose(transforms)
        reading = find_reading(ANY, dataset_root)
        self.samples = read_samples(dataset_root, TRAIN_LIST if mode == "train" else VAL_LIST, reading)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """The image, float32 [3, h, w], and its mask of 0 and 1: in training [h, w], in validation whole, [1, H, W]."""
        sample = self.samples[number]
        image = sample.read()
        is_anomalous = (
            np.zeros(image.shape[:2], bool) if sample.mask_path is None else read_mask(sample.mask_path, sample.reading)
        )
        label = is_anomalous.astype(np.uint8)
        is_training = self.mode == "train"
        data = {"img": image, "label": label, "trans_info": [], "gt_fields": ["label"] if is_training else []}
        data = self.transforms(data)
        if not is_training:
            data["label"] = data["label"][np.newaxis]
        return data


def calculate_area(
    pred: paddle.Tensor, label: paddle.Tensor, num_classes: int, ignore_index: int = _IGNORED
) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
    """Pixels of each class that are right, that are predicted, and that there are: int64 [num_classes] each.

    It takes the place of PaddleSeg 2.8's function of this name, which was written for the Paddle of its time, where a sum had
    the shape [1]; since Paddle 2.5 it has none, and theirs fails.

    Args:
        pred: predicted class numbers, integers.
        label: true ones, of the same shape.
        num_classes: how many there are.
        ignore_index: label of pixels that do not count.
    """
    counts = label != ignore_index
    predicted = [(pred == number) & counts for number in range(num_classes)]
    actual = [(label == number) & counts for number in range(num_classes)]
    right = [a & b for a, b in zip(predicted, actual, strict=True)]
    intersect, pred_area, label_area = (
        paddle.stack([mask.astype("int64").sum() for mask in masks]) for masks in (right, predicted, actual)
    )
    return intersect, pred_area, label_area


metrics.calculate_area = calculate_area
