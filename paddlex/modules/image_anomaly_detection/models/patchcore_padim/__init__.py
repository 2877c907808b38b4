"""PatchCore and PaDiM together: memory banks and Gaussians judge the same features, and their z-scores add up."""

from paddlex.modules.image_anomaly_detection.models.contract import Model
from paddlex.modules.image_anomaly_detection.models.patchcore_padim.options import PatchCorePaDiMOptions

MODEL = Model(
    options=PatchCorePaDiMOptions,
    network=f"{__name__}.network:from_card",
    interpolation="AREA",
    fit=f"{__name__}.fit:fit",
    refitter="paddlex.modules.image_anomaly_detection.models.patches.refit:PatchRefitter",
    screen=f"{__name__}.fit:screen",
)
