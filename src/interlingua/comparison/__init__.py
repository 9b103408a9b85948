"""Comparing fusions: the same task, towers and budget; only the place of meeting differs."""
