"""What users may take of the queue, as the accounts say, and else the flags. No Flask."""

from dataclasses import dataclass

from webapp.access.credentials import OWNER
from webapp.access.scopes import AccessScope
from webapp.accounts.database import AccountDatabase
from webapp.accounts.limits import find_plan
from webapp.queues.plans import Plan, Plans

USUAL_PRIORITY = 0
"""More is for admins to ask for; others have what their limits add."""


@dataclass(frozen=True, slots=True)
class AccountPlans:
    """See ``PlanSource``: a user's own limits, else its role's, else the flags'.

    ``taken``: names that the flags' tokens have, in small letters.
    """

    database: AccountDatabase
    flags: Plans
    taken: frozenset[str] = frozenset()

    def plan_of(self, name: str, role: str) -> Plan:
        """The plan of a user, or of the holder of a flag's token. Raises ``Unavailable``."""
        by_flags = self.flags.plan_of(name, role)
        if name == OWNER or name.lower() in self.taken:  # their jobs go on without the database
            return by_flags
        said = find_plan(self.database, name)
        if said is None:
            return by_flags
        own = said.user.or_else(said.role).or_else(by_flags.limits)
        most = None if role == AccessScope.OWNER else USUAL_PRIORITY
        return Plan(by_flags.max_jobs, own, said.group, said.of_group, most)
