"""Entry queues in Redis; watches: ``entry_watch.py``."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from webapp.queues import entry_terms
from webapp.queues.contracts.entries import (
    REQUEST_ID_TAG,
    ConsumerName,
    ConsumerStatus,
    Entry,
    EntryFilter,
    EntryPosition,
    EntryQuery,
    EntryQueueClosed,
    EntryQueueFull,
    EntryQueueStatus,
    EntryShareFull,
    Watch,
    WatchTerms,
    name_group,
)
from webapp.queues.entry_terms import (
    ALIVE_SECONDS,
    BEAT_SECONDS,
    GRACE_SECONDS,
    GROUP_SECONDS,
    LISTED_SECONDS,
    MAX_GET_BYTES,
    NEWEST,
    PATIENCE_SECONDS,
    READING_SECONDS,
    RESCAN_SECONDS,
    SHUTDOWN_CODE,
    EntryTerms,
    consumer_state,
    entry_topic,
)
from webapp.queues.errors import QueueBusy
from webapp.queues.redis.entry_intake import RedisEntryIntake
from webapp.queues.redis.entry_rows import END, entry_of
from webapp.queues.redis.entry_watch import RedisWatch
from webapp.queues.redis.notifier import RedisNotifier
from webapp.queues.redis.server import RedisServer, text_of, texts_of

CONSUMER_TERMS = {
    "alive": ALIVE_SECONDS,
    "grace": GRACE_SECONDS,
    "listed": LISTED_SECONDS,
    "group": GROUP_SECONDS,
    "beat": BEAT_SECONDS,
}


class RedisEntryQueues:
    """See the contract of ``EntryQueues``."""

    def __init__(self, server: RedisServer, notifier: RedisNotifier, terms: EntryTerms) -> None:
        self.server, self.notifier, self.terms = server, notifier, terms
        self.intake = RedisEntryIntake(server, notifier, terms)

    def queue(self, name: str) -> "RedisEntryQueue":
        """A queue by name."""
        return RedisEntryQueue(name, self.server, self.notifier, self.terms, self.intake)


LATE = (
    f"The queue's server did not take the entry within {PATIENCE_SECONDS:.0f} seconds: it was not "
    "stored. Send it again in a moment."
)
FULL = b"full:"  # what a put is answered, before the name of the queue that is full
SHARE = b"share:"  # ... before how many entries of the owner are there, and the queue's name


class RedisEntryQueue:
    """See the contract of ``EntryQueue``."""

    def __init__(
        self,
        name: str,
        server: RedisServer,
        notifier: RedisNotifier,
        terms: EntryTerms,
        intake: RedisEntryIntake,
    ) -> None:
        self.name, self.server, self.notifier, self.terms = name, server, notifier, terms
        self.intake = intake

    def run(self, act: str, payload: bytes = b"", /, **arguments: Any) -> Any:
        """Run an act on this queue."""
        return self.server.run(
            act,
            payload,
            queue=self.name,
            terms=CONSUMER_TERMS,
            max_delivery=self.terms.max_delivery,
            **arguments,
        )

    def put(self, entry: Entry, most_own: int | None = None) -> int:
        """Store an entry; see the contract. A full sink closes the input, too.

        Raises ``QueueBusy`` where the server reads it after its client has given up.
        """
        began = time.monotonic()
        facts = {
            "request_id": entry.request_id,
            "owner": entry.owner,
            "scope": entry.scope,
            "path": entry.path,
            "priority": str(entry.priority),
            "tags": json.dumps({**entry.tags, REQUEST_ID_TAG: entry.request_id}),
            "message": entry.message,
        }
        with self.intake.offer_reader(entry.request_id) as has_reader:
            reply = self.run(
                "entry_put",
                entry.data,
                entry=facts,
                max_entries=self.terms.max_entries,
                most_own=most_own,
                # A server that stood still before it told its time leaves so much less.
                deadline=self.server.now_at_least() + PATIENCE_SECONDS - (time.monotonic() - began),
                reading=READING_SECONDS if has_reader else None,
            )
        if isinstance(reply, list):
            entry = replace(entry_of(reply), data=entry.data)
            self.intake.hand_over(entry)
            return entry.index
        if reply == b"late":
            self.server.forget_clock()
            raise QueueBusy(LATE)
        if reply == b"closed":
            raise EntryQueueClosed
        if isinstance(reply, bytes) and reply.startswith(FULL):
            raise EntryQueueFull(reply.removeprefix(FULL).decode())
        if isinstance(reply, bytes) and reply.startswith(SHARE):
            count, queue = reply.removeprefix(SHARE).decode().split(":")
            raise EntryShareFull(queue, int(count))
        return int(reply)

    def get(
        self,
        query: EntryQuery,
        timeout: float = 0.0,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Sequence[Entry]:
        """Entries in order of their indexes; see the contract."""
        until, rescan_at, rest = time.monotonic() + timeout, 0.0, query
        with self.notifier.subscribe(entry_topic(self.name)) as subscription:
            while True:
                if time.monotonic() >= rescan_at:  # what was held may have been let go
                    rescan_at, rest = time.monotonic() + RESCAN_SECONDS, query
                newest, entries = self._read(rest)
                if entries or timeout <= 0:
                    return entries
                on_wait()
                if not subscription.wait(until):
                    return entries
                if query.index != NEWEST:  # the others do not fit: they are not read at each put
                    rest = replace(query, index=max(query.index, newest + 1))

    def _read(self, query: EntryQuery) -> tuple[int, list[Entry]]:
        """The index that was given last, and entries that fit; an act looks at some at a time."""
        entries: list[Entry] = []
        start: int | str = "+inf" if query.index == NEWEST else query.index
        length, room = (1 if query.index == NEWEST else query.length), MAX_GET_BYTES
        newest = 0
        while start != END:
            start, last, *rows = self.run(
                "entry_get",
                **filter_arguments(query.filter),
                newest=query.index == NEWEST,
                length=length - len(entries),
                max_bytes=room,
                hold=query.hold,
                **{"from": start},
            )
            newest = newest or int(last)
            found = [entry_of(row) for row in rows]
            entries += found
            room -= sum(len(each.data) for each in found)
        return newest, entries

    def let_go(self, indexes: Sequence[int]) -> None:
        """End the hold of a get."""
        self.run("entry_let_go", indexes=list(indexes))

    def delete(self, indexes: Sequence[int], owner: str | None = None) -> Sequence[str]:
        """Remove entries for all groups; request ids of those that were there."""
        return texts_of(self.run("entry_delete", indexes=list(indexes), owner=owner))

    def truncate(self, before: int, owner: str | None = None) -> Sequence[str]:
        """Remove entries whose index is less than ``before``; their request ids."""
        removed: list[str] = []
        while some := texts_of(self.run("entry_truncate", before=before, owner=owner)):
            removed += some
        return removed

    def watch(self, consumer: ConsumerName, terms: WatchTerms) -> Watch:
        """Begin to watch; see the contract."""
        session = uuid4().hex
        reply = self.run(
            "watch_join",
            **group_arguments(consumer.group, terms.filter.owner),
            name=consumer.name,
            session=session,
            **filter_arguments(terms.filter),
            start=terms.index,
            window=terms.window,
            auto_commit=terms.auto_commit,
        )
        if isinstance(reply, list):
            refuse_groups(reply, terms.filter.owner)
        rest = 0 if reply else END
        while rest != END:  # entries that waited for a group that is forgotten now
            rest = self.run("watch_sweep", **{"from": rest})
        return RedisWatch(self, consumer, terms, session)

    def commit(self, group: str, indexes: Sequence[int], owner: str | None = None) -> Sequence[str]:
        """The group has consumed these; request ids of those removed since every group has."""
        is_done, *reply = self.run(
            "entry_commit", **group_arguments(group, owner), indexes=list(indexes), owner=owner
        )
        if not is_done:
            refuse_groups(reply, owner)
        return texts_of(reply)

    def reject(
        self, consumer: ConsumerName, indexes: Sequence[int], code: str, reason: str
    ) -> None:
        """The consumer has not consumed these; see the contract."""
        self.run(
            "entry_reject",
            group=consumer.group,
            name=consumer.name,
            indexes=list(indexes),
            reason=f"{code}: {reason}" if reason else code,
            shutdown=code == SHUTDOWN_CODE,
        )

    def search(self, index: int, owner: str | None = None) -> EntryPosition | None:
        """Where an entry stands; None where there is none of that index."""
        reply = self.run("entry_search", index=index, owner=owner)
        return None if reply is None else EntryPosition(bool(reply[0]), int(reply[1]))

    def count(self, wanted: EntryFilter, priority: int | None = None) -> int:
        """How many entries fit, of all priorities or of one; those that a get holds do not."""
        return sum(self._counts(wanted, priority))

    def _counts(self, wanted: EntryFilter, priority: int | None) -> Iterator[int]:
        start = 0
        while start != END:
            facts = {**filter_arguments(wanted), "priority": priority, "from": start}
            start, number = self.run("entry_count", **facts)
            yield int(number)

    def set_closed(self, closed: bool) -> None:
        """End the stream, or open it again."""
        self.run("entry_close", closed=closed)

    def status(self, owner: str | None = None) -> EntryQueueStatus:
        """Figures for the attributes."""
        now, first, last, closed, *rows = self.run("entry_status", owner=owner)
        consumers = sorted(
            (consumer_of(row, float(now)) for row in rows),
            key=lambda each: (each.name.group, each.name.name),
        )
        length = self.count(EntryFilter(owner))
        return EntryQueueStatus(length, int(first), int(last), bool(closed), consumers)


def filter_arguments(wanted: EntryFilter) -> dict[str, Any]:
    """A filter as the acts take it."""
    return {"owner": wanted.owner, "tags": dict(wanted.tags)}


def group_arguments(group: str, owner: str | None) -> dict[str, Any]:
    """A group, and how many there may be, as the acts take it."""
    return {
        "group": group,
        "group_prefix": "" if owner is None else name_group(owner, ""),
        "max_groups": entry_terms.MAX_GROUPS,
        "max_own_groups": entry_terms.MAX_OWN_GROUPS,
    }


def refuse_groups(counts: Sequence[Any], owner: str | None) -> None:
    """Raise ``TooManyGroups`` by what an act counted."""
    count, own = map(int, counts)
    entry_terms.refuse_group(count, None if owner is None else own)


def consumer_of(row: Sequence[Any], now: float) -> ConsumerStatus:
    """A consumer from what the act ``entry_status`` tells of it."""
    group, name, text, pending = row
    facts = json.loads(text)
    is_connected = "left_at" not in facts
    idle = max(now - facts["seen_at" if is_connected else "left_at"], 0.0)
    return ConsumerStatus(
        ConsumerName(text_of(group), text_of(name)),
        WatchTerms(
            EntryFilter(facts.get("owner"), facts["tags"]),
            int(facts["start"]),
            int(facts["window"]),
            auto_commit=facts["auto_commit"],
        ),
        consumer_state(is_connected, idle, int(pending)),
        int(pending),
        idle,
    )
