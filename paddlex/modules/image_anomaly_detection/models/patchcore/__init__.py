"""PatchCore: a memory bank of patches of good parts (Roth et al., CVPR 2022)."""

from paddlex.modules.image_anomaly_detection.models.contract import Model
from paddlex.modules.image_anomaly_detection.models.patchcore.options import PatchCoreOptions

MODEL = Model(
    options=PatchCoreOptions,
    network=f"{__name__}.network:from_card",
    interpolation="AREA",
    fit=f"{__name__}.fit:fit",
    refitter="paddlex.modules.image_anomaly_detection.models.patches.refit:PatchRefitter",
    screen=f"{__name__}.fit:screen",
)
