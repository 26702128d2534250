"""Hosting processors: batches, retries, dead letters, checkpoints and lag, once for all of them."""
