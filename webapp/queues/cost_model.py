"""How long a frame will take: GPU seconds from its work and the pace of jobs that ended. Pure.

Work is counted in megapixel-steps (``generator/workload.py``): pixels x steps x pictures of all
passes. What has no steps counts 0, and takes as long as the last ones of its kind. A store keeps a
pace for each kind of frame with each checkpoint, and one for each kind with any.
"""

FIXED_WORK = 1.0
"""Megapixel-steps that stand for what a job takes beside its steps: text, decoding, saving."""

DEFAULT_PACE = 0.2
"""Seconds a megapixel-step before any job has ended: a picture of 512 x 512, 20 steps in 1.2 s."""

SMOOTHING = 0.2
"""Share that the last job has in the pace."""

LONGEST = 86_400.0
"""GPU seconds that are predicted at most."""

SHORTEST = 0.001
"""GPU seconds that a job counts at least."""


def predict_seconds(work: float, pace: float | None) -> float:
    """GPU seconds of a job of so many megapixel-steps; ``pace`` in seconds a megapixel-step."""
    seconds = (work + FIXED_WORK) * (DEFAULT_PACE if pace is None else pace)
    return min(max(seconds, SHORTEST), LONGEST)


def pace_of_job(work: float, seconds: float) -> float:
    """The pace of one job of that work that took so many GPU seconds."""
    return max(seconds, SHORTEST) / (work + FIXED_WORK)


def update_pace(pace: float | None, work: float, seconds: float) -> float:
    """The pace after such a job.

    The mean is geometric: a job that also loads a checkpoint takes ten times as long, and must not
    set the pace of the next ten. (In Redis the act ``answer`` does this, so that two jobs that end
    at once both count.)
    """
    last = pace_of_job(work, seconds)
    return last if pace is None else float(pace * (last / pace) ** SMOOTHING)
