"""Student-Teacher Feature Pyramid Matching (Wang, Han, Ding, Huang: STFPM, BMVC 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import paddle

from paddlex.modules.image_anomaly_detection.backbones import backbone_of, build_backbone
from paddlex.modules.image_anomaly_detection.calibration.fusion import upsample
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork

#: The layers that the paper matches: conv2_x to conv4_x of a ResNet, of strides 4, 8 and 16.
PAPER_LAYERS = ("layer1", "layer2", "layer3")


def normalise(features: paddle.Tensor) -> paddle.Tensor:
    """Scale the channel vector of each position to unit length (Eq. 1); a zero vector stays zero. [N, C, h, w] -> same."""
    return features / paddle.clip(paddle.norm(features, axis=1, keepdim=True), min=1e-12)


def squared_distance(teacher: paddle.Tensor, student: paddle.Tensor) -> paddle.Tensor:
    """Squared L2 distance of normalised features at each position: [N, C, h, w] twice -> [N, 1, h, w], within 0..4."""
    return paddle.sum(paddle.square(teacher - student), axis=1, keepdim=True)


def feature_matching_loss(teacher: Sequence[paddle.Tensor], student: Sequence[paddle.Tensor]) -> paddle.Tensor:
    """The training loss, a scalar: half the squared distance, mean over positions, sum over layers (Eq. 1 to 3).

    Args:
        teacher: normalised features of the teacher, one [N, C, h, w] a layer.
        student: raw features of the student, of the same shapes.
    """
    return paddle.add_n([_half_distance(t, s).mean() for t, s in zip(teacher, student, strict=True)])


def _half_distance(teacher: paddle.Tensor, student: paddle.Tensor) -> paddle.Tensor:
    """``0.5 * squared_distance(teacher, normalise(student))`` for training: [N, C, h, w] twice -> [N, 1, h * w].

    Multiplied out, |t - s/|s||^2 = |t|^2 - 2 t.s/|s| + |s|^2/|s|^2: only three sums over channels read the features, here and
    in the backward pass. The sums are products with a row of ones, because on a CPU Paddle's matrix product is several times
    as fast as its sums and broadcasts along an inner axis. An error of about 1e-7 at each position does not matter to a mean of
    thousands, but would to the map, where good positions are near zero.
    """
    batch, channels = student.shape[:2]
    teacher, student = teacher.reshape([batch, channels, -1]), student.reshape([batch, channels, -1])
    ones = paddle.ones([batch, 1, channels], dtype=student.dtype)
    teacher_square, product = paddle.bmm(ones, teacher * teacher), paddle.bmm(ones, teacher * student)
    student_square = paddle.bmm(ones, student * student)
    scale = 1 / paddle.sqrt(paddle.clip(student_square, min=1e-24))  # clipped first: a root has no gradient at 0
    return 0.5 * (teacher_square + student_square * scale * scale) - product * scale


def product(distances: Sequence[paddle.Tensor], size: Sequence[int]) -> paddle.Tensor:
    """The paper's map: the product over layers of the upsampled distances (Eq. 4): [N, 1, h_l, w_l] -> [N, 1, H, W]."""
    fused = upsample(distances[0], size)
    for distance in distances[1:]:
        fused = fused * upsample(distance, size)
    return fused


class STFPM(AnomalyNetwork):
    """A frozen teacher and a student of the same structure; where they disagree, the image is anomalous.

    Args:
        backbone: the structure of both, one of ``backbones.CONVOLUTIONAL``.
        layers: the stages that are matched, the finest first; the paper takes three.
        image_size: height and width of the input.
    """

    def __init__(
        self, backbone: str = "resnet18", layers: Sequence[str] = PAPER_LAYERS, image_size: tuple[int, int] = (256, 256)
    ) -> None:
        super().__init__(backbone_of(backbone, layers).map_sizes(layers, image_size))
        self.teacher = build_backbone(backbone, layers)
        self.student = build_backbone(backbone, layers)
        for parameter in self.teacher.parameters():
            parameter.stop_gradient = True
        self.teacher.eval()

    def train(self) -> STFPM:
        """Put the student into training mode; the teacher's batch statistics stay frozen."""
        super().train()
        self.teacher.eval()
        return self

    def teacher_features(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """What the student has to match: the teacher's normalised features, without gradients."""
        with paddle.no_grad():
            return [normalise(features) for features in self.teacher(x)]

    def loss(self, teacher: Sequence[paddle.Tensor], student: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """``feature_matching_loss``, which the student is trained by."""
        return feature_matching_loss(teacher, student)

    def partial_maps(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """The squared distance of each layer, [N, 1, h_l, w_l], for images float32 [N, 3, H, W]."""
        pairs = zip(self.teacher(x), self.student(x))  # noqa: B905  (Paddle's tracer knows no strict)
        return [squared_distance(normalise(teacher), normalise(student)) for teacher, student in pairs]

    def paper_map(self, partial: Sequence[paddle.Tensor], size: Sequence[int]) -> paddle.Tensor:
        """The product of the squared distances (Eq. 4; the paper's own map has half of each: a constant factor)."""
        return product(partial, size)


def from_card(card: ModelCard) -> STFPM:
    """The network that a card describes, with random weights."""
    return STFPM(card.backbone, card.layers, card.size)
