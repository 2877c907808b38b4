"""Pure networks: no files, no configs, no devices. A new model is one file here and one line in ``NETWORKS``."""

from paddlex.modules.image_anomaly_detection.models.stfpm.network import STFPM

#: ``Global.model`` -> the network behind it.
NETWORKS = {"STFPM": STFPM}
