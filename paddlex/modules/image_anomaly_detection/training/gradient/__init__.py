"""Training by gradients: steps, epochs, checkpoints, processes."""
