"""One small class for each way to run the network."""
