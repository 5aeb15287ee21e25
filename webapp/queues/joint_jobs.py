"""Which frames a worker may take beside the jobs that it runs. Pure; every store asks this rule.

A worker draws jobs of one checkpoint side by side (``generator/sampling/batching.py``). The match
rule (``scheduler.py``) decides whose turn it is, as for a worker at rest. Where the frame that is
first in order cannot join, no other does: the running jobs end, and it begins. So nobody is passed
over, however many others could join.
"""

from collections.abc import Mapping
from enum import Enum, auto

JOIN_TAG = "join"
"""Tag of a frame: jobs with the same text there may run side by side. Without it, it runs alone."""


class Head(Enum):
    """What is told of the first frame in order in place of a lease."""

    CANNOT_JOIN = auto()


def may_join(tags: Mapping[str, str], deliveries: int, running: str | None) -> bool:
    """Whether a waiting frame may run beside jobs whose tag is ``running``; None: there are none.

    One that was delivered before may be what its worker died of: it runs alone.
    """
    return running is None or (
        running != "" and deliveries == 0 and tags.get(JOIN_TAG, "") == running
    )
