"""The service's side of the input: entries that become frames."""

import time
from collections.abc import Sequence
from typing import Any

from webapp.queues.contracts.entries import INPUT, Entry
from webapp.queues.entry_terms import READING_SECONDS, EntryTerms, entry_topic
from webapp.queues.lost_worker import entry_unreadable_body, entry_unreadable_reason
from webapp.queues.redis.entry_rows import END, entry_of
from webapp.queues.redis.notifier import RedisNotifier
from webapp.queues.redis.server import RedisServer


class RedisEntryIntake:
    """See the contract of ``EntryIntake``."""

    def __init__(self, server: RedisServer, notifier: RedisNotifier, terms: EntryTerms) -> None:
        self.server, self.notifier, self.terms = server, notifier, terms

    def take_entry(self, passed_over: Sequence[str] = (), timeout: float = 0.0) -> Entry | None:
        """The next entry that no frame was made of; see the contract."""
        until = time.monotonic() + timeout
        with self.notifier.subscribe(entry_topic(INPUT), one_of_many=True) as subscription:
            while True:
                entry = self._lease_next(passed_over)
                if entry is not None or not subscription.wait(until):
                    return entry

    def _lease_next(self, passed_over: Sequence[str]) -> Entry | None:
        rank, rows = 0, list[Any]()
        why = entry_unreadable_reason(self.terms.max_delivery)
        while rank != END and not rows:
            rank, *rows = self.server.run(
                "intake_take",
                rank=rank,
                passed_over=list(passed_over),
                max_attempts=self.terms.max_delivery,
                lease=READING_SECONDS,
                why=why,
                failure=entry_unreadable_body(why).decode(),
            )
        return entry_of(rows[0]) if rows else None

    def recover(self) -> None:
        """Take entries anew whose frame is gone without an answer, or whose reader is."""
        start = 0
        while start != END:
            start = self.server.run("intake_recover", **{"from": start})

    def give_back_entry(self, request_id: str, seconds: float) -> None:
        """It cannot become a frame yet: not before so many seconds, uncounted."""
        self._run("intake_give_back", request_id, seconds=seconds)

    def finish_entry(self, request_id: str, status: int, body: bytes) -> bool:
        """Put a result into the sink and remove the entry; see the contract."""
        return bool(self._run("intake_finish", request_id, body, status=status))

    def _run(self, act: str, request_id: str, payload: bytes = b"", /, **arguments: Any) -> Any:
        return self.server.run(act, payload, request_id=request_id, **arguments)
