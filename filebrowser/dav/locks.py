"""Locks in memory: bounded in number and in time. A restart forgets them; clients lock again."""

import time
from typing import Any

from wsgidav.dav_error import DAVError
from wsgidav.lock_man.lock_storage import LockStorageDict

LONGEST = 3600  # seconds until a lock must be refreshed
MOST_OF_ONE = 500
MOST = 5000


class Locks(LockStorageDict):
    """wsgidav's table of locks, which one client cannot fill."""

    def create(self, path: str, lock: dict[str, Any]) -> dict[str, Any]:
        """Keep a lock, for an hour at most. Raises 507 where there are too many."""
        self.sweep()
        kept = self.kept()
        own = sum(one["principal"] == lock["principal"] for one in kept)
        if own >= MOST_OF_ONE or len(kept) >= MOST:
            raise DAVError(507, "Too many locks; unlock some, or wait an hour.")
        lock["timeout"] = bounded(lock["timeout"])
        made: dict[str, Any] = super().create(path, lock)
        return made

    def refresh(self, token: str, *, timeout: float) -> dict[str, Any]:
        """Keep a lock for longer, for an hour at most."""
        made: dict[str, Any] = super().refresh(token, timeout=bounded(timeout))
        return made

    def get_lock_list(self, path: str, **which: bool) -> list[Any]:
        """The locks of a path; the table is swept before it is walked through."""
        self.sweep()
        found: list[Any] = super().get_lock_list(path, **which)
        return found

    def kept(self) -> list[dict[str, Any]]:
        """Every lock."""
        return [lock for lock in list(self._dict.values()) if isinstance(lock, dict)]

    def sweep(self) -> None:
        """Forget locks that are over."""
        now = time.time()
        for lock in self.kept():
            if lock["expire"] < now:
                self.delete(lock["token"])


def bounded(timeout: float | None) -> float:
    """Seconds from 1 to an hour; wsgidav's -1 stands for "for ever"."""
    return min(timeout, LONGEST) if timeout and timeout > 0 else LONGEST
