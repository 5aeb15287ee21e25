"""The scheduling rule of a queue: which frame runs next. A pure function that every store uses."""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

AGE_CAP = 120.0
"""Seconds after which a frame overrides priority, fairness and affinity, so that none starves."""

HALF_LIFE = 3600.0
"""Seconds after which an owner's used GPU seconds count half."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The oldest waiting frame of one owner, priority and checkpoint."""

    index: int
    owner: str
    priority: int
    checkpoint: str
    put_at: float  # unix seconds
    deadly: bool = False  # workers died of it again: it goes behind all others


@dataclass(frozen=True, slots=True)
class OwnerUsage:
    """GPU seconds used by an owner, and when age last overrode the order for a frame of theirs."""

    gpu_seconds: float = 0.0  # decayed to now, running frames included
    age_override_at: float = (
        0.0  # unix seconds: when a frame of theirs last overrode the order by age
    )


def choose_next(
    candidates: Iterable[Candidate],
    accounts: Callable[[str], OwnerUsage],
    loaded: Collection[str],
    now: float,
    age_cap: float = AGE_CAP,
) -> Candidate | None:
    """The frame to run next, or None where nothing waits.

    A starving frame first (:func:`is_starving`); then the highest priority; then the owner who used
    the fewest GPU seconds; then a checkpoint that is in memory (any will do for a frame that
    names none, or has waited for longer than ``age_cap``); then the oldest. A ``deadly`` frame is
    taken only when no other waits.
    """

    def rank(frame: Candidate) -> tuple[bool, bool, int, float, bool, int]:
        account = accounts(frame.owner)
        if is_starving(frame, account, now, age_cap):
            return (False, False, 0, 0.0, False, frame.index)
        warm = not frame.checkpoint or frame.checkpoint in loaded or now - frame.put_at > age_cap
        return (
            frame.deadly, True, -frame.priority, account.gpu_seconds, not warm, frame.index
        )  # fmt: skip

    return min(candidates, key=rank, default=None)


def is_starving(
    frame: Candidate, account: OwnerUsage, now: float, age_cap: float = AGE_CAP
) -> bool:
    """True if ``frame`` has waited for so long that it overrides the order.

    An owner may do so once in ``age_cap`` seconds: without that, one owner's long backlog, all of
    it old, would shut out whoever comes later. A deadly frame never does.
    """
    if frame.deadly:
        return False
    return now - frame.put_at > age_cap and now - account.age_override_at > age_cap


def decay(gpu_seconds: float, age: float, half_life: float = HALF_LIFE) -> float:
    """GPU seconds used ``age`` seconds ago, weighted for now by exponential decay."""
    return gpu_seconds * math.exp2(-max(age, 0.0) / half_life)
