"""Tools for owned models: merging and converting checkpoints, cards, a report."""
