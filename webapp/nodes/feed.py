"""What the web processes of a service tell each other, numbered, over the queue's server. No Flask.

Each message goes to every process, its sender too, in the same order. Who was away for a moment
reads what it missed; who was away for longer is told that something was.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from webapp.queues.errors import QueueError
from webapp.queues.redis.notifier import RedisNotifier
from webapp.queues.redis.server import RedisServer, text_of

TOPIC = "feed"  # of the notifier
KEPT_MESSAGES = 4000
READ_MESSAGES = 500  # at once
RETRY_SECONDS = 1.0
LOOK_SECONDS = 2.0

log = logging.getLogger("easel")


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``epoch`` is another one where the server has lost its numbers."""

    epoch: str
    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader stands."""

    epoch: str
    number: int


class Feed(threading.Thread):
    """Sends messages, and passes what comes to ``handlers`` by topic.

    ``on_gap`` is called with where the feed goes on when messages were missed, and at the start.
    """

    def __init__(self, server: RedisServer, notifier: RedisNotifier) -> None:
        super().__init__(name="node-feed", daemon=True)
        self.server, self.notifier = server, notifier
        self.handlers: dict[str, Callable[[Message], None]] = {}
        self.on_gap: list[Callable[[Position], object]] = []
        self._position: Position | None = None
        self._ended = threading.Event()

    def send(self, topic: str, data: bytes) -> bool:
        """Tell every process; False where the server is away."""
        try:
            self.server.run("feed_add", data, topic=topic, epoch=token_hex(4), kept=KEPT_MESSAGES)
        except QueueError as error:
            log.debug("the other web processes are not told: %s", error)
            return False
        return True

    def run(self) -> None:
        """Read until closed."""
        while not self._ended.is_set():
            try:
                with self.notifier.subscribe(TOPIC) as subscription:
                    while not self._ended.is_set():
                        if not self.read():
                            subscription.wait(time.monotonic() + LOOK_SECONDS)
            except QueueError as error:
                log.debug("the other web processes are not heard: %s", error)
                self._ended.wait(RETRY_SECONDS)

    def close(self) -> None:
        """End the thread, soon."""
        self._ended.set()

    def read(self) -> bool:
        """Pass on what has come; whether there may be more at once."""
        if self._position is None:
            epoch, last = self.server.run("feed_open", epoch=token_hex(4))
            self._go_on(Position(text_of(epoch), last))
        known = self._position
        assert known is not None
        epoch, last, rows = self.server.run("feed_read", after=known.number, most=READ_MESSAGES)
        latest = Position(text_of(epoch), last)
        if known.epoch != latest.epoch or has_gap(known, latest, rows):
            self._go_on(latest)
            return False
        for number, topic, data in rows:
            self._position = Position(known.epoch, int(number))
            handle = self.handlers.get(text_of(topic))
            if handle is not None:
                self._call(handle, Message(known.epoch, int(number), data))
        return len(rows) == READ_MESSAGES

    def _go_on(self, position: Position) -> None:
        """Go on after a message; those before it are missed."""
        self._position = position
        for tell in self.on_gap:
            self._call(tell, position)

    def _call(self, act: Callable[[Any], object], what: Any) -> None:
        try:
            act(what)
        except Exception:  # one message that cannot be handled ends no feed
            log.exception("A message of another web process was not handled")


def has_gap(known: Position, latest: Position, rows: list[Any]) -> bool:
    """Whether messages after ``known`` are kept no more."""
    if not rows:
        return latest.number != known.number
    return int(rows[0][0]) != known.number + 1
