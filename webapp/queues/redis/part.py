"""What the parts of the Redis store have in common: the server, and who waits at it."""

from typing import Any

from webapp.queues.redis.notifier import RedisNotifier
from webapp.queues.redis.server import RedisServer
from webapp.queues.terms import LeaseTerms


class RedisPart:
    """A part of the store; an answer waits ``answer_seconds`` for its reader."""

    def __init__(
        self,
        server: RedisServer,
        notifier: RedisNotifier,
        terms: LeaseTerms,
        answer_seconds: float,
    ) -> None:
        self.server, self.notifier = server, notifier
        self.terms, self.answer_seconds = terms, answer_seconds

    def run(self, act: str, payload: bytes = b"", /, **arguments: Any) -> Any:
        """Run an act that may have to know the terms of answers and leases."""
        return self.server.run(
            act,
            payload,
            answer_seconds=self.answer_seconds,
            term=self.terms.seconds,
            max_delivery=self.terms.max_delivery,
            **arguments,
        )
