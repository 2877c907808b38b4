"""How good a model is, measured through the path that predicts: no Paddle here."""
