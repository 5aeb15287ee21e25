"""One consumer's session at an entry queue."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from webapp.queues.contracts.entries import ConsumerName, Entry, WatchEnded, WatchTerms
from webapp.queues.entry_terms import MAX_BATCH, entry_topic
from webapp.queues.redis.entry_rows import END, entry_of

if TYPE_CHECKING:
    from webapp.queues.redis.entries import RedisEntryQueue


class RedisWatch:
    """See the contract of ``Watch``; for one thread."""

    def __init__(
        self, queue: "RedisEntryQueue", consumer: ConsumerName, terms: WatchTerms, session: str
    ) -> None:
        self.queue, self.consumer, self.terms, self.session = queue, consumer, terms, session
        self._unsent: set[int] = set()

    def take(self, timeout: float) -> Sequence[Entry]:
        """The next entries; see the contract. Raises ``WatchEnded``."""
        until = time.monotonic() + timeout
        with self.queue.notifier.subscribe(entry_topic(self.queue.name)) as subscription:
            while True:
                entries = self._claim()
                if entries or not subscription.wait(until):
                    return entries

    def _claim(self) -> Sequence[Entry]:
        """Say that this consumer lives, and take what there is room for."""
        rank, rows = 0, list[Any]()
        while rank != END and len(rows) < MAX_BATCH:
            reply = self._run("watch_take", rank=rank, batch=MAX_BATCH - len(rows))
            if reply == b"ended":
                raise WatchEnded
            rank, *more = reply
            rows += more
        entries = [entry_of(row) for row in rows]
        self._unsent.update(entry.index for entry in entries)
        return entries

    def _run(self, act: str, **arguments: Any) -> Any:
        return self.queue.run(
            act,
            group=self.consumer.group,
            name=self.consumer.name,
            session=self.session,
            index_only=self.terms.index_only,
            **arguments,
        )

    def confirm(self, indexes: Sequence[int]) -> None:
        """These were sent; with ``auto_commit`` they are consumed now."""
        self._unsent.difference_update(indexes)
        if self.terms.auto_commit:
            self.queue.commit(self.consumer.group, indexes)

    def leave(self) -> None:
        """The connection is gone; see the contract."""
        self._run("watch_leave", unsent=sorted(self._unsent))
