"""Measurements. Benchmarks print, tests assert; ``make bench`` writes ``benchmarks/RESULTS.md``."""
