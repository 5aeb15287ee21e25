"""Quotas: what a caller, or its group, has used and may still use. No Flask.

A new job is admitted while something is left; jobs in the queue, also running ones, count as used
by what is predicted for them. So more than a quota is used by one job's seconds at most, and by
what jobs take beyond their prediction. Pictures are known beforehand: of them no more are drawn.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from typing_extensions import TypedDict

from webapp.queues.contracts.frame import Frame
from webapp.queues.errors import JobTooLarge, QuotaExceeded
from webapp.queues.plans import Limits, Plan

ASKED_TAG = "asked"
"""Tag of a frame: how many pictures it asks for."""

DAY, MONTH = "day", "month"
PERIODS = (DAY, MONTH)
BUSY_SECONDS = 5  # after which a place in the queue may be free
GIB = 2**30


class QuotaFacts(TypedDict):
    """A quota of the caller's, or of its group. ``in_queue``: predicted for jobs not yet done.

    ``resets_at``: unix seconds, null where time does not bring it back.
    """

    name: str
    group: str | None
    limit: float
    used: float
    in_queue: float
    resets_at: float | None


class Used(Protocol):
    """What jobs took that have ended."""

    @property
    def gpu_seconds(self) -> float:
        """Seconds of a device."""
        ...

    @property
    def pictures(self) -> int:
        """Pictures that were drawn."""
        ...


class UsageSource(Protocol):
    """The ledger, as quotas ask it; ``since`` in unix seconds."""

    def used(self, user: str, since: float) -> Used:
        """What a user's jobs took that ended since then."""
        ...

    def used_by_group(self, group: str, since: float) -> Used:
        """What a group's jobs took."""
        ...


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is used of a quota. ``in_queue``: predicted for jobs that wait or run.

    ``resets_at``: unix seconds, None where time does not bring it back.
    """

    name: str  # of the limit
    limit: float
    used: float
    in_queue: float = 0.0
    resets_at: float | None = None
    group: str = ""  # "": the caller's own

    @property
    def left(self) -> float:
        """What is left, 0 at least."""
        return max(self.limit - self.used - self.in_queue, 0.0)


@dataclass(frozen=True, slots=True)
class Quotas:
    """Looks up what is used. ``stored``: bytes that a user's files take.

    ``open_usage`` may raise as the ledger does; None: nothing is known of ended jobs.
    """

    open_usage: Callable[[], UsageSource] | None
    stored: Callable[[str], int]

    def amounts(
        self, owner: str, plan: Plan, frames: Sequence[Frame], now: float
    ) -> Iterator[Amount]:
        """How the quotas of a caller stand, then its group's; ``frames`` are all in the queue."""
        own = [frame for frame in frames if frame.owner == owner]
        yield from self._of_periods(plan.limits, own, owner, "", now)
        yield from waiting_amount(plan.limits, own, "")
        if plan.limits.stored_bytes is not None:
            limit = plan.limits.stored_bytes
            yield Amount("stored_bytes", limit, self.stored(owner))
        if plan.group:
            together = [frame for frame in frames if frame.sharing.group == plan.group]
            yield from self._of_periods(plan.group_limits, together, "", plan.group, now)
            yield from waiting_amount(plan.group_limits, together, plan.group)

    def _of_periods(
        self, limits: Limits, frames: Sequence[Frame], user: str, group: str, now: float
    ) -> Iterator[Amount]:
        for period in PERIODS:
            seconds = getattr(limits, f"gpu_seconds_{period}")
            pictures = getattr(limits, f"pictures_{period}")
            if seconds is None and pictures is None:
                continue
            used, end = self._used(user, group, start_of(period, now)), end_of(period, now)
            if seconds is not None:
                predicted = sum(frame.predicted_seconds for frame in frames)
                taken = used.gpu_seconds if used else 0.0
                yield Amount(f"gpu_seconds_{period}", seconds, taken, predicted, end, group)
            if pictures is not None:
                asked = sum(pictures_of(frame) for frame in frames)
                drawn = used.pictures if used else 0
                yield Amount(f"pictures_{period}", pictures, drawn, asked, end, group)

    def _used(self, user: str, group: str, since: float) -> Used | None:
        if self.open_usage is None:
            return None
        usage = self.open_usage()
        return usage.used_by_group(group, since) if group else usage.used(user, since)


def waiting_amount(limits: Limits, frames: Sequence[Frame], group: str) -> Iterator[Amount]:
    """How many places for waiting jobs are taken, where they are bounded."""
    if limits.waiting_jobs is not None:
        waiting = sum(not frame.is_leased for frame in frames)
        yield Amount("waiting_jobs", limits.waiting_jobs, 0, waiting, None, group)


def check_size(plan: Plan, frame: Frame) -> None:
    """Refuse a job that is larger than the largest one of the plan. Raises ``JobTooLarge``."""
    for limits, whose in ((plan.limits, "you"), (plan.group_limits, f"the group {plan.group!r}")):
        most = limits.job_megapixel_steps
        if most is not None and frame.work > most:
            raise JobTooLarge(
                f"The job comes to {frame.work:,.4g} megapixel-steps (pixels x steps x pictures); "
                f"the largest that {whose} may send has {most:,.4g}. Ask for fewer pictures, fewer "
                "steps or a smaller size."
            )


def check_amount(amount: Amount, frame: Frame, now: float) -> None:
    """Refuse a job for which nothing is left of a quota. Raises ``QuotaExceeded``."""
    asked = pictures_of(frame) if amount.name.startswith("pictures") else 0
    if amount.left < asked or (amount.left <= 0 and not amount.name.startswith("pictures")):
        raise QuotaExceeded(
            describe_amount(amount, asked, now), facts_of(amount), wait(amount, now)
        )


def wait(amount: Amount, now: float) -> int | None:
    """Seconds until the quota is likely to have something left; None where time does not help."""
    if amount.resets_at is not None:
        return max(int(amount.resets_at - now) + 1, 1)
    return BUSY_SECONDS if amount.name == "waiting_jobs" else None


def facts_of(amount: Amount) -> QuotaFacts:
    """A quota as an answer tells it."""
    return {
        "name": amount.name,
        "group": amount.group or None,
        "limit": amount.limit,
        "used": amount.used,
        "in_queue": amount.in_queue,
        "resets_at": amount.resets_at,
    }


def describe_amount(amount: Amount, asked: int, now: float) -> str:
    """What is refused, why, and what to do."""
    whose = f"The group {amount.group!r} has" if amount.group else "You have"
    if amount.name == "waiting_jobs":
        return (
            f"{whose} {amount.in_queue:g} jobs waiting, of {amount.limit:g} at most; wait for one "
            "to begin, or stop some."
        )
    if amount.name == "stored_bytes":
        of_most = f"{amount.used / GIB:.2f} GiB of files, of {amount.limit / GIB:.2f} GiB at most"
        return f"{whose} {of_most}; delete something."
    kind, _, period = amount.name.rpartition("_")
    unit, figure = ("GPU seconds", ",.1f") if kind == "gpu_seconds" else ("pictures", ",.0f")
    used, queued, limit = (
        format(each, figure) for each in (amount.used, amount.in_queue, amount.limit)
    )
    this = f" and this job asks for {asked}" if asked else ""
    when = datetime.fromtimestamp(amount.resets_at or now, UTC).isoformat(timespec="minutes")
    return (
        f"{whose} {limit} {unit} a {period}; {used} are used, {queued} are taken by jobs in the "
        f"queue{this}. What is used comes back at {when}; nothing was stored."
    )


def pictures_of(frame: Frame) -> int:
    """How many pictures a frame asks for; 0 of what draws none."""
    text = frame.tags.get(ASKED_TAG, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def start_of(period: str, now: float) -> float:
    """When the day or month of UTC began that a moment is in; unix seconds."""
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight if period == DAY else midnight.replace(day=1)).timestamp()


def end_of(period: str, now: float) -> float:
    """When it ends."""
    began = datetime.fromtimestamp(start_of(period, now), UTC)
    if period == DAY:
        return (began + timedelta(days=1)).timestamp()
    return (began + timedelta(days=32)).replace(day=1).timestamp()
