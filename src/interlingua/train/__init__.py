"""Training: one loop for every model, exact checkpoints, the cache of frozen features."""
