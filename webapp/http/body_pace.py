"""Minimum rate of request bodies; slower ones lose their thread. No Flask."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from gunicorn.http.unreader import SocketUnreader

from webapp.errors import SlowBody
from webapp.http.thread_admission import mark_waiting

T = TypeVar("T")

SILENCE_SECONDS = 30.0
"""Seconds without a byte, in either direction, after which a connection is given up."""

GRACE_SECONDS = 30.0  # seconds of waiting for bytes before the rate counts
MIN_RATE = 1024.0  # bytes a second of waiting, afterwards

_body_is_coming: ContextVar[bool] = ContextVar("body_is_coming", default=False)


class BodyPace:
    """Seconds waited for a request's bytes, and the bytes that came.

    Only time spent waiting for the client counts, not what the service does between two reads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.waited = 0.0
        self.received = 0

    def restart(self) -> None:
        """Begin to count for the connection's next request."""
        self.waited, self.received = 0.0, 0

    @property
    def is_too_slow(self) -> bool:
        """Whether the client sends below the required rate."""
        return self.waited > GRACE_SECONDS + self.received / MIN_RATE

    def take(self, read: Callable[[], T], count: Callable[[T], int]) -> T:
        """What ``read`` takes from the connection, ``count`` bytes. Raises ``SlowBody``."""
        began = self.clock()
        try:
            piece = read()
        except (TimeoutError, BlockingIOError):
            raise slow_body_error() from None
        self.waited += self.clock() - began
        self.received += count(piece)
        if self.is_too_slow:
            raise slow_body_error()
        return piece


class PacedUnreader(SocketUnreader):
    """Gunicorn's reading from a connection, at the pace that a client must keep."""

    def __init__(self, connection: Any, pace: BodyPace) -> None:
        super().__init__(connection)
        self.pace = pace
        self.body_is_coming = False  # the request was given a thread before its last byte came

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next bytes of the connection. Raises ``SlowBody``."""
        if self.body_is_coming:
            mark_waiting()
        read = super().chunk
        return self.pace.take(lambda: read(size_hint), len)


def mark_body(is_coming: bool) -> None:
    """Note for the request that this thread begins with whether its client is still sending."""
    _body_is_coming.set(is_coming)


def body_is_coming() -> bool:
    """Whether reading the current request's body may have to wait for its client."""
    return _body_is_coming.get()


def slow_body_error() -> SlowBody:
    """The refusal of a body that comes too slowly."""
    return SlowBody(
        f"The request's body came too slowly: nothing for {SILENCE_SECONDS:.0f} s, or less than "
        f"{MIN_RATE:.0f} bytes a second. Send it again over a quicker line."
    )
