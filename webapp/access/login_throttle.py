"""Throttle for wrong passwords, per account and address. No Flask.

One :class:`LoginThrottle` stands behind every login (the form, ``Authorization``, ``X-Auth``,
WebDAV), another one behind the passwords of shares.
"""

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from webapp.errors import TooManyTries

MAX_FAILURES = 10
"""Wrong guesses at one account from one address in a window."""

MAX_FAILURES_OF_ALL = 100
"""Wrong guesses at one account in a window, whoever tries."""

WINDOW = 60.0  # seconds
KNOWN_SECONDS = 24 * 3600.0  # seconds that an address from which an account came in stays known
MAX_KEYS = 65_536
"""Keys kept of each kind; pushing one out takes so many failures that its window is over first."""

MAX_NAME_LENGTH = 64  # characters of an account's name that tell it apart here


class Failures(Protocol):
    """Failures by key: of this process, or of all web processes of the service."""

    def wait_seconds(self, key: str, /) -> int:
        """Seconds until the key may fail again; 0 while it has failed less than too often."""
        ...

    def add_failure(self, key: str, /) -> None:
        """Count one failure."""
        ...


class Successes(Protocol):
    """Keys that succeeded lately."""

    def add(self, key: str, /) -> None:
        """Remember a key from now on."""
        ...

    def __contains__(self, key: str, /) -> bool: ...


class FailureCounter:
    """Counts failures by key, forgetting the oldest; thread-safe."""

    def __init__(
        self, tries: int = MAX_FAILURES, window: float = WINDOW, most: int = MAX_KEYS
    ) -> None:
        self.tries, self.window, self.most = tries, window, most
        self.failures: OrderedDict[str, list[float]] = OrderedDict()
        self.lock = threading.Lock()

    def wait_seconds(self, key: str, now: float | None = None) -> int:
        """Seconds until the key may fail again; 0 while it has failed less than too often."""
        now = now or monotonic()
        with self.lock:
            recent = self.recent_failures(key, now)
        return (
            math.ceil(recent[-self.tries] + self.window - now) if self.tries <= len(recent) else 0
        )

    def add_failure(self, key: str, now: float | None = None) -> None:
        """Count one failure. More than ``tries`` of them are as good as ``tries``."""
        now = now or monotonic()
        with self.lock:
            self.failures[key] = [*self.recent_failures(key, now), now][-self.tries :]
            self.failures.move_to_end(key)
            if len(self.failures) > self.most:
                self.failures.popitem(last=False)

    def recent_failures(self, key: str, now: float) -> list[float]:
        """Times of the failures that still count, the oldest first."""
        return [at for at in self.failures.get(key, []) if now - at < self.window]


class RecentSuccesses:
    """Keys that succeeded within ``lasting`` seconds; thread-safe."""

    def __init__(self, lasting: float = KNOWN_SECONDS, most: int = MAX_KEYS) -> None:
        self.lasting, self.most = lasting, most
        self.times: OrderedDict[str, float] = OrderedDict()
        self.lock = threading.Lock()

    def add(self, key: str) -> None:
        """Remember a key from now on."""
        with self.lock:
            self.times[key] = monotonic()
            self.times.move_to_end(key)
            if len(self.times) > self.most:
                self.times.popitem(last=False)

    def __contains__(self, key: str) -> bool:
        with self.lock:
            at = self.times.get(key)
        return at is not None and monotonic() - at < self.lasting


@dataclass(frozen=True, slots=True)
class LoginThrottle:
    """Counts wrong passwords by account and address, and by account alone.

    From an address where the account logged in lately, failures from elsewhere do not count: an
    attack by many machines cannot lock out its user there.
    """

    by_address: Failures = field(default_factory=FailureCounter)
    by_account: Failures = field(default_factory=lambda: FailureCounter(tries=MAX_FAILURES_OF_ALL))
    successes: Successes = field(default_factory=RecentSuccesses)

    def wait_seconds(self, account: str, address: str) -> int:
        """Seconds until the next attempt from there is allowed; 0: now."""
        key = throttle_key(account, address)
        account_wait = (
            0 if key in self.successes else self.by_account.wait_seconds(account[:MAX_NAME_LENGTH])
        )
        return max(self.by_address.wait_seconds(key), account_wait)

    def check(self, account: str, address: str) -> None:
        """Raise ``TooManyTries`` before a guess is looked at."""
        if wait := self.wait_seconds(account, address):
            raise TooManyTries(wait)

    def record_failure(self, account: str, address: str) -> None:
        """Count a wrong guess."""
        self.by_address.add_failure(throttle_key(account, address))
        self.by_account.add_failure(account[:MAX_NAME_LENGTH])

    def record_success(self, account: str, address: str) -> None:
        """Record a successful login of the account from the address."""
        self.successes.add(throttle_key(account, address))


def throttle_key(account: str, address: str) -> str:
    """The key of an account at an address; no address has a blank."""
    return f"{address} {account[:MAX_NAME_LENGTH]}"
