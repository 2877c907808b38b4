"""Making a model of image anomaly detection: the models, their backbones, training, calibration, export, benchmark."""
