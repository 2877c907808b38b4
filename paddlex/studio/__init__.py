"""The studio: teach a model in the browser, judge with it, correct it, and know when it drifts. It needs no Paddle itself."""
