"""``inference_complete.onnx``: from a picture as it comes to the verdict, in one graph of ONNX's own operations.

Any runtime for ONNX runs it, in any language, without this package. What it computes is what ``AnomalyPredictor`` does.
"""
