"""Locks in memory: bounded in number and in time. A restart forgets them; clients lock again.

Several processes may share them in a table that gives copies.
"""

import time
from collections.abc import MutableMapping
from typing import Any

from wsgidav.dav_error import DAVError
from wsgidav.lock_man.lock_storage import LockStorageDict

MAX_LOCK_SECONDS = 3600  # seconds until a lock must be refreshed
MAX_LOCKS_PER_USER = 500
MAX_LOCKS = 5000
TIME_KEY = "easel.modified"  # the key of a lock under which it keeps a file's time
SINCE_KEY = "easel.since"  # and when it was made, in nanoseconds since 1970


class BoundedLockStorage(LockStorageDict):
    """wsgidav's table of locks, which one client cannot fill."""

    def __init__(self, table: MutableMapping[str, Any] | None = None) -> None:
        super().__init__()
        self._table = table

    def open(self) -> None:
        """Begin, with what is in the table."""
        self._dict = {} if self._table is None else self._table

    def create(self, path: str, lock: dict[str, Any]) -> dict[str, Any]:
        """Keep a lock, for an hour at most. Raises 507 where there are too many."""
        self.check_room(lock["principal"])
        lock["timeout"] = clamp_timeout(lock["timeout"])
        lock[SINCE_KEY] = time.time_ns()
        created: dict[str, Any] = super().create(path, lock)
        return created

    def check_room(self, principal: str) -> None:
        """Raise 507 where a user, or all together, can have no lock more."""
        self.sweep()
        locks = self.all_locks()
        locks_of_user = sum(one["principal"] == principal for one in locks)
        if locks_of_user >= MAX_LOCKS_PER_USER or len(locks) >= MAX_LOCKS:
            raise DAVError(507, "Too many locks; unlock some, or wait an hour.")

    def refresh(self, token: str, *, timeout: float) -> dict[str, Any]:
        """Keep a lock for longer, for an hour at most."""
        refreshed: dict[str, Any] = super().refresh(token, timeout=clamp_timeout(timeout))
        return refreshed

    def get_lock_list(self, path: str, **which: bool) -> list[Any]:
        """The locks of a path; the table is swept before it is walked through."""
        self.sweep()
        locks: list[Any] = super().get_lock_list(path, **which)
        return locks

    def keep_time(self, url: str, modified: int) -> None:
        """Keep the time for the next bytes of a locked file, in nanoseconds since 1970.

        A URL that is not locked itself keeps none.
        """
        for lock in self._locks_of(url):
            self._dict[lock["token"]] = {**lock, TIME_KEY: modified}

    def time_of(self, url: str) -> int | None:
        """The time that was kept."""
        return next((lock[TIME_KEY] for lock in self._locks_of(url) if TIME_KEY in lock), None)

    def forget_time(self, url: str) -> None:
        """Forget it: it counts for the bytes that came first."""
        for lock in self._locks_of(url):
            if TIME_KEY in lock:
                self._dict[lock["token"]] = {k: v for k, v in lock.items() if k != TIME_KEY}

    def locked_since(self, url: str) -> int | None:
        """When a URL was locked itself, in nanoseconds since 1970; None for one that is not."""
        return min((lock[SINCE_KEY] for lock in self._locks_of(url)), default=None)

    def locked_urls(self) -> set[str]:
        """All URLs that are locked themselves."""
        self.sweep()
        return {lock["root"] for lock in self.all_locks()}

    def _locks_of(self, url: str) -> list[dict[str, Any]]:
        return self.get_lock_list(url, include_root=True, include_children=False, token_only=False)

    def all_locks(self) -> list[dict[str, Any]]:
        """Every lock."""
        return [lock for lock in list(self._dict.values()) if isinstance(lock, dict)]

    def sweep(self) -> None:
        """Forget locks that are over."""
        now = time.time()
        for lock in self.all_locks():
            if lock["expire"] < now:
                self.delete(lock["token"])


def clamp_timeout(timeout: float | None) -> float:
    """Seconds from 1 to an hour; wsgidav's -1 stands for "for ever"."""
    return min(timeout, MAX_LOCK_SECONDS) if timeout and timeout > 0 else MAX_LOCK_SECONDS
