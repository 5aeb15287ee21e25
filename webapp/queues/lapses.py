"""When a lease that ran out may be taken: not because the machine itself stood still.

A virtual machine may be stopped for minutes, or the clock be set. Every lease has run out then,
and every worker is as well as before: who takes their jobs at once draws them twice. So a lease
is given up only by one who has looked at the queue for a while without a gap; whoever lives has
renewed it by then (a worker does so each second, see ``webapp/vigil.py``).
"""

LEAST = 1.0  # seconds; idle workers look twice in that time


class Lapses:
    """What one process knows of the time that it has been looking; ``term`` is that of a lease."""

    def __init__(self, term: float) -> None:
        self.grace = max(term / 2, LEAST)  # seconds; so long a gap cannot use up a renewed lease
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all looks: nobody could renew a lease until now."""
        self._looked = self._since = float("-inf")

    def given_up(self, now: float) -> float:
        """The moment (unix seconds) before which leases have run out that may be taken.

        Call it at each look, with the time of the look.
        """
        if abs(now - self._looked) > self.grace:
            self._since = now
        self._looked = now
        return now if now - self._since >= self.grace else float("-inf")
