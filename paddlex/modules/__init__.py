"""Making a model. What is below imports Paddle where it needs it, so that the names of the models can be read without."""
