"""Pace: where the time of drawing goes, measured job by job."""
