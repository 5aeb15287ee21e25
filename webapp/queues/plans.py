"""What each caller may take of the queue: a share of the GPU, and a number of jobs. No Flask."""

from collections.abc import Mapping
from dataclasses import dataclass, field

EVEN_SHARE = 1.0


@dataclass(frozen=True, slots=True)
class Plans:
    """Figures by the name of a user or token, or by a role; a name goes before its role.

    ``shares``: weights of the match rule; two callers who always wait get GPU seconds in that
    proportion. ``max_jobs``: jobs of one kind in the queue, for those whom ``max_jobs_of`` leaves
    out.
    """

    max_jobs: int
    shares: Mapping[str, float] = field(default_factory=dict)
    max_jobs_of: Mapping[str, int] = field(default_factory=dict)

    def share_of(self, name: str, role: str) -> float:
        """The weight of a caller's frames."""
        return self.shares.get(name, self.shares.get(role, EVEN_SHARE))

    def most_jobs_of(self, name: str, role: str) -> int:
        """How many jobs of one kind a caller may have in the queue."""
        return self.max_jobs_of.get(name, self.max_jobs_of.get(role, self.max_jobs))
