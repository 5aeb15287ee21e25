"""Wrong guesses and ended logins, known to every web process of the service. No Flask.

While the server is away each process knows its own, and what the shared folder tells.
"""

import logging
import math
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from webapp.access.login_throttle import (
    KNOWN_SECONDS,
    MAX_FAILURES,
    MAX_FAILURES_OF_ALL,
    WINDOW,
    FailureCounter,
    LoginThrottle,
    RecentSuccesses,
)
from webapp.access.revoked_logins import LOGIN_SECONDS, RevokedLogins, read_revoked
from webapp.queues.errors import QueueError
from webapp.queues.redis.server import PREFIX, RedisServer

log = logging.getLogger("easel")


class SharedFailures:
    """Counts failures by key, of all processes together; see ``login_throttle.Failures``."""

    def __init__(self, server: RedisServer, kind: str, tries: int) -> None:
        self.server, self.kind, self.tries = server, kind, tries
        self.own = FailureCounter(tries)

    def wait_seconds(self, key: str) -> int:
        """Seconds until the key may fail again; 0 while it has failed less than too often."""
        try:
            wait = self.server.run("failure_wait", **self._arguments(key))
        except QueueError:
            return self.own.wait_seconds(key)
        return math.ceil(float(wait))

    def add_failure(self, key: str) -> None:
        """Count one failure."""
        self.own.add_failure(key)
        with suppress(QueueError):
            self.server.run("add_failure", **self._arguments(key))

    def _arguments(self, key: str) -> dict[str, str | float]:
        return {"key": f"{self.kind}:{key}", "tries": self.tries, "window": WINDOW}


class SharedSuccesses:
    """Keys that succeeded at any process within a day; see ``login_throttle.Successes``."""

    def __init__(self, server: RedisServer, kind: str) -> None:
        self.server, self.kind = server, kind
        self.own = RecentSuccesses()

    def add(self, key: str) -> None:
        """Remember a key from now on."""
        self.own.add(key)
        with suppress(QueueError), self.server.explain_errors():
            self.server.client.set(self._name(key), b"", ex=int(KNOWN_SECONDS))

    def __contains__(self, key: str) -> bool:
        if key in self.own:
            return True
        with suppress(QueueError), self.server.explain_errors():
            return bool(self.server.client.exists(self._name(key)))
        return False

    def _name(self, key: str) -> bytes:
        return f"{PREFIX}known:{self.kind}:{key}".encode("utf-8", "surrogatepass")


def shared_throttle(server: RedisServer, kind: str) -> LoginThrottle:
    """A throttle whose counters all processes share; ``kind`` tells it from others."""
    return LoginThrottle(
        SharedFailures(server, f"{kind}:address", MAX_FAILURES),
        SharedFailures(server, f"{kind}:account", MAX_FAILURES_OF_ALL),
        SharedSuccesses(server, kind),
    )


@dataclass(frozen=True, slots=True)
class FileStamp:
    """By which a file that only grows shows that it has."""

    size: int
    inode: int


class SharedRevokedLogins(RevokedLogins):
    """Ended logins of all processes: told by the server at once, by the shared file in any case."""

    def __init__(self, path: Path, server: RedisServer) -> None:
        self.server = server
        self.stamp = stamp_of(path)
        super().__init__(path)

    def revoke(self, name: str) -> None:
        """Remember, on the disk too, that this login is over."""
        super().revoke(name)
        try:
            with self.server.explain_errors():
                self.server.client.set(f"{PREFIX}ended:{name}", b"", ex=LOGIN_SECONDS)
        except QueueError as error:
            log.warning("The other web processes learn of a logout by %s alone: %s",
                        self.path, error)  # fmt: skip

    def __contains__(self, name: str) -> bool:
        self._read_again()
        if super().__contains__(name):
            return True
        with suppress(QueueError), self.server.explain_errors():
            return bool(self.server.client.exists(f"{PREFIX}ended:{name}"))
        return False

    def _read_again(self) -> None:
        """Take up what others have written to the file."""
        stamp = stamp_of(self.path)
        if stamp != self.stamp:
            self.times = dict(read_revoked(self.path)) | self.times
            self.stamp = stamp


def stamp_of(path: Path) -> FileStamp:
    """The file as it is now; zeros where there is none."""
    try:
        facts = os.stat(path)
    except OSError:
        return FileStamp(0, 0)
    return FileStamp(facts.st_size, facts.st_ino)
