"""A service under everything that strangers may do to it at once: ``python -m benchmarks.soak``."""
