"""Using a model: NumPy, OpenCV and one backend. Nothing here imports ``paddlex.modules`` or needs Paddle."""
