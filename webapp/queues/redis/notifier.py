"""Notifications by the server's own channels, so that nobody polls it.

The script publishes what has happened in the same act. A process listens on one connection; where
that breaks, all who wait look for themselves, and again once it listens anew.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions as errors
from redis.client import PubSub

from webapp.queues.notifier import Subscribers, Subscription
from webapp.queues.redis.server import PREFIX, RedisServer, text_of

CHANNEL = f"{PREFIX}bell"
POLL_SECONDS = 2.0  # seconds between looks: a watch lives, and what others had is free again
RETRY_SECONDS = 0.5  # seconds between tries to listen
PING_SECONDS = 5  # seconds after which a silent connection is asked whether it lives


class RedisNotifier:
    """Receives a channel's notifications; its thread starts with the first subscription.

    Who waits looks for itself each ``poll_seconds``.
    """

    def __init__(
        self,
        server: RedisServer,
        log: logging.Logger,
        channel: str = CHANNEL,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self.server, self.log = server, log
        self.channel, self.poll_seconds = channel, poll_seconds
        self.subscribers: Subscribers[str] = Subscribers()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    @contextmanager
    def subscribe(self, topic: str, *, one_of_many: bool = False) -> Iterator[Subscription]:
        """Subscribe to a topic for a block; enter it before reading the store."""
        self._start()
        with self.subscribers.add(topic, one_of_many=one_of_many) as event:
            yield Subscription(event, self.poll_seconds)

    def close(self) -> None:
        """Stop listening."""
        self._ended.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(target=self._listen, name="bell", daemon=True)
                self._thread.start()

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                with self.server.client.pubsub() as channel:
                    channel.subscribe(self.channel)
                    self._receive(channel)
            except (errors.RedisError, OSError) as error:
                self.log.debug("no notifications: %s", error)
            except ValueError:  # of a connection that was closed meanwhile
                if not self._ended.is_set():
                    raise
            self._ended.wait(RETRY_SECONDS)

    def _receive(self, channel: PubSub) -> None:
        """Wake whom messages are for, until the connection breaks or this notifier is closed."""
        silent = 0  # seconds
        while not self._ended.is_set():
            message = channel.get_message(timeout=1.0)
            silent = silent + 1 if message is None else 0
            if silent == PING_SECONDS:
                channel.ping()
            elif silent > 2 * PING_SECONDS:
                raise errors.TimeoutError("the server is silent")
            elif message is not None and message["type"] == "subscribe":
                self.subscribers.wake_all()  # what was published before has not reached us
            elif message is not None and message["type"] == "message":
                self.subscribers.wake(text_of(message["data"]))
