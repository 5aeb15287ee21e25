"""Connections that acts use again and again, past the bookkeeping of the client's pool.

The pool asks each connection, each time it lends it, whether its server has closed it.
"""

import os
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from redis import ConnectionPool
from redis import exceptions as errors

MOST_KEPT = 16  # connections; others wait in the pool
TRUSTED_SECONDS = 0.02
"""After its last answer in which a connection counts as open: no server starts anew so soon."""


@dataclass(frozen=True, slots=True)
class IdleConnection:
    """A connection that nobody uses, and since when (``time.monotonic``)."""

    connection: Any
    since: float


class ActConnections:
    """Lends connections of a pool, those first that were used last. Thread-safe."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self._idle: deque[IdleConnection] = deque()
        self._process = os.getpid()

    def run(self, *words: Any) -> Any:
        """Send a command, once; the reply. Raises the client's errors."""
        connection = self._take()
        try:
            connection.send_command(*words)
            return connection.read_response()
        finally:  # one that failed is closed, and connects when it is used again
            self._put_back(connection)

    def _take(self) -> Any:
        if self._process != os.getpid():  # of the process that this one was forked from
            self._idle, self._process = deque(), os.getpid()
        try:
            idle = self._idle.pop()
        except IndexError:
            return self.pool.get_connection()
        if time.monotonic() - idle.since > TRUSTED_SECONDS and is_stale(idle.connection):
            idle.connection.disconnect()
        return idle.connection

    def _put_back(self, connection: Any) -> None:
        if len(self._idle) < MOST_KEPT:
            self._idle.append(IdleConnection(connection, time.monotonic()))
        else:
            self.pool.release(connection)


def is_stale(connection: Any) -> bool:
    """Whether the server has closed it, or says what nobody has asked for."""
    try:
        return bool(connection.can_read())
    except (errors.RedisError, OSError):
        return True
