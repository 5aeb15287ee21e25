"""Decides when an expired lease may be taken over, without being fooled by suspended machines.

A virtual machine may be suspended for minutes, or its clock be set. All leases have expired
then although their workers are alive, and taking the jobs over would run them twice. So a
process takes expired leases only after it has polled the queue for half a lease term without a
gap: live workers have renewed theirs by then (once a second, see
``webapp/worker/lease_keeper.py``).
"""

MIN_GRACE_SECONDS = 1.0  # seconds; idle workers look twice in that time


class LeaseExpiry:
    """Tracks how long this process has polled without a gap; ``term``: a lease's seconds."""

    def __init__(self, term: float) -> None:
        self.grace = max(
            term / 2, MIN_GRACE_SECONDS
        )  # seconds; so long a gap cannot use up a renewed lease
        self.reset()

    def reset(self) -> None:
        """Restart the observation period: no lease could be renewed until now."""
        self._checked_at = self._checking_since = float("-inf")

    def expiry_cutoff(self, now: float) -> float:
        """The time (unix seconds) before which a lease must have expired to be taken over.

        Call it at each poll with the time of the poll; ``-inf`` during the observation period.
        """
        if abs(now - self._checked_at) > self.grace:
            self._checking_since = now
        self._checked_at = now
        return now if now - self._checking_since >= self.grace else float("-inf")
