"""STFPM: Student-Teacher Feature Pyramid Matching (Wang, Han, Ding, Huang, BMVC 2021)."""

from paddlex.modules.image_anomaly_detection.models.contract import Model
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions

MODEL = Model(
    options=STFPMOptions,
    network=f"{__name__}.network:from_card",
    fit="paddlex.modules.image_anomaly_detection.training.gradient.fit:fit",
    weights="paddlex.modules.image_anomaly_detection.weights:load_checkpoint",
)
