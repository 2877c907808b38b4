"""The models of the family, by name. To add one, see CONTRIBUTING.md."""

from __future__ import annotations

from paddlex.modules.image_anomaly_detection.models import padim, patchcore, patchcore_padim, stfpm
from paddlex.modules.image_anomaly_detection.models.contract import Model

#: ``Global.model`` -> the model.
MODELS: dict[str, Model] = {
    "STFPM": stfpm.MODEL,
    "PatchCore": patchcore.MODEL,
    "PaDiM": padim.MODEL,
    "PatchCorePaDiM": patchcore_padim.MODEL,
}
