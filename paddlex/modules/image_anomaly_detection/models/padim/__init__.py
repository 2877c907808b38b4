"""PaDiM: a Gaussian at each position (Defard et al., ICPR 2020 workshops)."""

from paddlex.modules.image_anomaly_detection.models.contract import Model
from paddlex.modules.image_anomaly_detection.models.padim.options import PaDiMOptions

MODEL = Model(
    options=PaDiMOptions,
    network=f"{__name__}.network:from_card",
    interpolation="AREA",
    fit=f"{__name__}.fit:fit",
    refitter="paddlex.modules.image_anomaly_detection.models.patches.refit:PatchRefitter",
    screen=f"{__name__}.fit:screen",
)
