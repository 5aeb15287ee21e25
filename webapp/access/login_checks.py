"""``LoginChecks``: whether callers of open streams may stay, asked once for all of a caller's."""

import threading
import time
from collections.abc import Callable

from webapp.access.credentials import Caller, CredentialSource
from webapp.errors import Unavailable

KEPT_SECONDS = 1.0  # for which an answer counts
MAX_KEPT = 1000  # callers; above them those whose answers are old are forgotten


class LoginChecks:
    """Asks the accounts at most once a second for each caller, however many streams it has."""

    def __init__(
        self, credentials: CredentialSource, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.credentials, self.clock = credentials, clock
        self._lock = threading.Lock()
        self._good_until: dict[Caller, float] = {}

    def may_stay(self, caller: Caller) -> bool:
        """Whether the credential still opens something; no while the accounts cannot be read."""
        now = self.clock()
        with self._lock:
            if now < self._good_until.get(caller, now):
                return True
            if len(self._good_until) >= MAX_KEPT:
                self._good_until = {
                    each: until for each, until in self._good_until.items() if until > now
                }
            if caller in self._good_until:
                self._good_until[caller] = now + KEPT_SECONDS  # one asks, for the others too
        try:
            is_valid = self.credentials.recheck(caller) is not None
        except Unavailable:
            is_valid = False
        with self._lock:
            if is_valid:
                self._good_until[caller] = now + KEPT_SECONDS
            else:
                self._good_until.pop(caller, None)
        return is_valid
