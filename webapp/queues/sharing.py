"""What bounds an owner's running jobs, and the group it shares the GPU with. Pure.

It travels with each frame as a short text, which stores keep and do not read.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

NO_LIMIT = 0


@dataclass(frozen=True, slots=True)
class Sharing:
    """What the match rule is told of a frame's owner beside its weight."""

    group: str = ""  # "": the owner is in none
    group_weight: float = 0.0  # of all its waiting members together; 0: each counts by itself
    most_running: int = NO_LIMIT  # jobs of the owner at once
    most_running_of_group: int = NO_LIMIT

    def to_text(self) -> str:
        """The text that a store keeps; "" where nothing is said."""
        return "" if self == ALONE else json.dumps(asdict(self), separators=(",", ":"))


ALONE = Sharing()


def parse_sharing(text: str) -> Sharing:
    """What :meth:`Sharing.to_text` wrote; names that another version added are passed over."""
    if not text:
        return ALONE
    known = json.loads(text)
    return Sharing(**{name: known[name] for name in asdict(ALONE) if name in known})


@dataclass(frozen=True, slots=True)
class RunningJobs:
    """How many jobs run now, by owner and by group."""

    of_owner: Mapping[str, int] = field(default_factory=dict)
    of_group: Mapping[str, int] = field(default_factory=dict)

    def and_one(self, owner: str, group: str) -> "RunningJobs":
        """These, and one job more."""
        grown = {group: self.of_group.get(group, 0) + 1} if group else {}
        one_more = {owner: self.of_owner.get(owner, 0) + 1}
        return RunningJobs({**self.of_owner, **one_more}, {**self.of_group, **grown})

    def fill(self, owner: str, sharing: Sharing) -> bool:
        """Whether they leave no room for another job of this owner."""
        return self.fill_owner(owner, sharing) or self.fill_group(sharing)

    def fill_owner(self, owner: str, sharing: Sharing) -> bool:
        """Whether the owner has as many as it may have at once."""
        return 0 < sharing.most_running <= self.of_owner.get(owner, 0)

    def fill_group(self, sharing: Sharing) -> bool:
        """Whether the owner's group has."""
        most = sharing.most_running_of_group
        return bool(sharing.group) and 0 < most <= self.of_group.get(sharing.group, 0)


NOTHING_RUNS = RunningJobs()


def count_running(jobs: Iterable[tuple[str, Sharing]]) -> RunningJobs:
    """The count of leased frames, given as owner and sharing."""
    owners, groups = Counter[str](), Counter[str]()
    for owner, sharing in jobs:
        owners[owner] += 1
        if sharing.group:
            groups[sharing.group] += 1
    return RunningJobs(owners, groups)
