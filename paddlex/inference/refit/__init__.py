"""A model learns again, on the device that judges: NumPy, OpenCV and one engine, no Paddle."""
