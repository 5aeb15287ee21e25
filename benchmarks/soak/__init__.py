"""Endurance run: a service under many kinds of abuse at once (``python -m benchmarks.soak``)."""
