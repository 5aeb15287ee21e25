"""What each caller may take of the queue: a share of the GPU, limits and quotas. No Flask."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol

from webapp.queues.sharing import NO_LIMIT, Sharing

EVEN_SHARE = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is said of a user, a group or a role; None: nothing is said, and nothing bounds it.

    Days and months are those of UTC. Of a group all are for its members together.
    """

    weight: float | None = None  # in the match rule
    priority: int | None = None  # added to that of each job
    running_jobs: int | None = None  # at once
    waiting_jobs: int | None = None
    job_megapixel_steps: float | None = None  # of the largest job
    gpu_seconds_day: float | None = None
    gpu_seconds_month: float | None = None
    pictures_day: int | None = None
    pictures_month: int | None = None
    stored_bytes: int | None = None

    def or_else(self, other: "Limits") -> "Limits":
        """These, and what only ``other`` says."""
        return Limits(
            *(getattr(other if getattr(self, name) is None else self, name) for name in LIMIT_NAMES)
        )

    def told(self) -> Mapping[str, float]:
        """Those about which something is said, by name."""
        values = {name: getattr(self, name) for name in LIMIT_NAMES}
        return {name: value for name, value in values.items() if value is not None}


LIMIT_NAMES = tuple(each.name for each in fields(Limits))
UNBOUNDED = Limits()


@dataclass(frozen=True, slots=True)
class Plan:
    """What one caller may take. ``max_jobs``: jobs of one kind in the queue.

    ``limits``: by the caller's name, else its role. ``group``: "" for none. ``most_priority``: that
    it may ask for, before what the plan adds; None: any.
    """

    max_jobs: int
    limits: Limits = UNBOUNDED
    group: str = ""
    group_limits: Limits = UNBOUNDED
    most_priority: int | None = None

    @property
    def weight(self) -> float:
        """In the match rule, beside other owners, or the other members of the group."""
        return EVEN_SHARE if self.limits.weight is None else self.limits.weight

    def priority(self, asked: int) -> int:
        """The priority of a job for which one was asked."""
        granted = asked if self.most_priority is None else min(asked, self.most_priority)
        return granted + (self.limits.or_else(self.group_limits).priority or 0)

    def sharing(self) -> Sharing:
        """What the match rule is told of it."""
        return Sharing(
            self.group,
            self.group_limits.weight or 0.0,
            self.limits.running_jobs or NO_LIMIT,
            self.group_limits.running_jobs or NO_LIMIT,
        )


class PlanSource(Protocol):
    """Who knows the plans: the flags, or the accounts as well."""

    def plan_of(self, name: str, role: str) -> Plan:
        """The plan of a caller, of whose credential ``role`` is the scope."""
        ...


@dataclass(frozen=True, slots=True)
class Plans:
    """The flags' figures by the name of a user or token, or by a role; a name before its role.

    ``shares``: weights of the match rule; two callers who always wait get GPU seconds in that
    proportion. ``max_jobs``: jobs of one kind in the queue, for those whom ``max_jobs_of`` leaves
    out.
    """

    max_jobs: int
    shares: Mapping[str, float] = field(default_factory=dict)
    max_jobs_of: Mapping[str, int] = field(default_factory=dict)

    def plan_of(self, name: str, role: str) -> Plan:
        """The plan of a caller; see :class:`PlanSource`."""
        share = self.shares.get(name, self.shares.get(role, EVEN_SHARE))
        most = self.max_jobs_of.get(name, self.max_jobs_of.get(role, self.max_jobs))
        return Plan(most, Limits(weight=share))
