"""Vectors in bulk: a source through a model, into Parquet or Lance, on one machine or many."""
