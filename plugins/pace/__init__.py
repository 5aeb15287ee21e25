"""Pace: measures where the time of jobs goes, and estimates durations."""
