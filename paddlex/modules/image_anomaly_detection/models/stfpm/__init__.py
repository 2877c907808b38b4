"""STFPM: Student-Teacher Feature Pyramid Matching (Wang, Han, Ding, Huang, BMVC 2021)."""

from paddlex.modules.image_anomaly_detection.models.contract import Model
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions

_GRADIENT = "paddlex.modules.image_anomaly_detection.training.gradient"

MODEL = Model(
    options=STFPMOptions,
    network=f"{__name__}.network:from_card",
    fit=f"{_GRADIENT}.fit:fit",
    weights=f"{__name__}.weights:load_checkpoint",
    checkpoint=f"{_GRADIENT}.checkpoint_store:last_checkpoint",
    writes={".": r"train_curve\.png", "checkpoints": r"step_\d+", "visualdl": r"vdlrecords\.train\.log"},
)
