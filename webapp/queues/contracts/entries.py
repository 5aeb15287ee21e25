"""Entry queues: the queues that asynchronous clients see, an input and a sink.

Entries are small byte strings with tags. Clients put, get, watch, commit and delete them over HTTP
(``docs/queue.md``). The service itself takes the entries of the input (:class:`EntryIntake`), makes
frames of them, and the store puts each frame's answer into the sink in one act with the removal of
the frame.

Every operation takes an ``owner``: the name whose entries it sees and changes; None for all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

INPUT, SINK = "input", "sink"
REAR = ".rear"
"""Suffix of the queue of dead letters that belongs to a queue."""

REQUEST_ID_TAG = "requestId"
TASK_ID_TAG = "task_id"
STATUS_TAG = "lastCode"
"""Tag of an entry of the sink: the HTTP status of its answer, where that is not 200."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``tags`` always hold ``requestId``, equal to ``request_id``."""

    request_id: str
    data: bytes
    tags: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0  # 0 is the usual; greater first
    owner: str = ""  # who put it
    scope: str = ""  # what its owner's credential was for, when it was put
    path: str = ""  # of the service, that it is for; "" in the sink
    message: str = ""  # of a dead letter: why it is one
    index: int = 0  # given by the queue, from 1, growing
    put_at: float = 0.0  # unix seconds, given by the queue


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries: those of ``owner`` (None: everybody's) that have all of ``tags``."""

    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """What a get asks for.

    ``index``: the first one that may be given; 0 from the head, -1 the newest alone. With ``hold``
    nobody else gets the entries for so many seconds: until they are deleted or given back.
    """

    filter: EntryFilter = EntryFilter()
    index: int = 0
    length: int = 1
    hold: float = 0.0  # seconds


def name_group(owner: str | None, group: str) -> str:
    """A group's name in the store: groups of different callers are different groups."""
    return group if owner is None else f"{owner}/{group}"


@dataclass(frozen=True, slots=True)
class ConsumerName:
    """A consumer of a group. Inside a group each entry goes to one; every group gets every one."""

    group: str
    name: str


@dataclass(frozen=True, slots=True)
class WatchTerms:
    """How a consumer is served.

    ``window``: most entries that it may have uncommitted. With ``auto_commit`` entries count as
    consumed once they are sent, and ``window`` has no meaning. ``index``: the first entry; -1 only
    entries that come from now on.
    """

    filter: EntryFilter = EntryFilter()
    index: int = 0
    window: int = 1
    index_only: bool = False
    auto_commit: bool = False


@dataclass(frozen=True, slots=True)
class EntryPosition:
    """Where an entry stands: with a consumer already, or behind ``ahead`` others."""

    is_pending: bool
    ahead: int


@dataclass(frozen=True, slots=True)
class ConsumerStatus:
    """A consumer for the attributes. ``state``: Running | Leaving | Exit | Complete."""

    name: ConsumerName
    terms: WatchTerms
    state: str
    pending: int
    idle: float  # seconds since it was heard of


@dataclass(frozen=True, slots=True)
class EntryQueueStatus:
    """Figures of a queue; ``first`` and ``last`` are indexes, 0 where it is empty."""

    length: int
    first: int
    last: int
    closed: bool
    consumers: Sequence[ConsumerStatus] = ()


class EntryQueueFull(Exception):
    """A queue holds as many entries as it may (HTTP 429), of which the text is the name.

    Nothing was stored.
    """


class EntryShareFull(Exception):
    """An owner has as many entries in a queue as one may (HTTP 429); nothing was stored."""

    def __init__(self, queue: str, count: int) -> None:
        super().__init__(queue)
        self.queue, self.count = queue, count


class EntryQueueClosed(Exception):
    """The queue was closed by an end of stream (HTTP 409); nothing was stored."""


class WatchEnded(Exception):
    """The watch is over: the stream ended, or the same consumer watches anew elsewhere."""


class Watch(Protocol):
    """One consumer's session; it ends with :meth:`leave`, or when nothing is heard of it."""

    def take(self, timeout: float) -> Sequence[Entry]:
        """The next entries for this consumer, in order, as many as its window has room for.

        Waits ``timeout`` seconds for the first. Raises :class:`WatchEnded`.
        """
        ...

    def confirm(self, indexes: Sequence[int]) -> None:
        """These were sent to the consumer; with ``auto_commit`` they are consumed now."""
        ...

    def leave(self) -> None:
        """The connection is gone.

        What was sent and is uncommitted waits a few seconds for the same consumer, then goes to the
        others of its group; what was taken and not sent goes to them at once, uncounted.
        """
        ...


class EntryQueue(Protocol):
    """One queue of entries; durable before ``put`` returns."""

    def put(self, entry: Entry, most_own: int | None = None) -> int:
        """Store an entry; its index. ``most_own``: how many its owner may have; None: no limit.

        Raises :class:`EntryQueueFull`, :class:`EntryShareFull`, :class:`EntryQueueClosed`.
        """
        ...

    def get(
        self,
        query: EntryQuery,
        timeout: float = 0.0,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Sequence[Entry]:
        """Entries in order of their indexes; waits ``timeout`` seconds for the first.

        ``on_wait`` is called before it waits, where there is none now; what it raises is raised.
        """
        ...

    def let_go(self, indexes: Sequence[int]) -> None:
        """End the hold of a get: others get the entries again."""
        ...

    def delete(self, indexes: Sequence[int], owner: str | None = None) -> Sequence[str]:
        """Remove entries for all groups; request ids of those that were there."""
        ...

    def truncate(self, before: int, owner: str | None = None) -> Sequence[str]:
        """Remove entries whose index is less than ``before``; their request ids."""
        ...

    def watch(self, consumer: ConsumerName, terms: WatchTerms) -> Watch:
        """Begin to watch; a session of the same consumer that still runs ends.

        Whatever the consumer had uncommitted is delivered again. Raises
        ``webapp.queues.errors.TooManyGroups`` where its group would be one too many.
        """
        ...

    def commit(self, group: str, indexes: Sequence[int], owner: str | None = None) -> Sequence[str]:
        """The group has consumed these; request ids of those removed since every group has.

        Raises as :meth:`watch`; then nothing is noted.
        """
        ...

    def reject(
        self, consumer: ConsumerName, indexes: Sequence[int], code: str, reason: str
    ) -> None:
        """The consumer has not consumed these: they are delivered again, or are dead letters.

        The code ``Shutdown`` says that it takes no more.
        """
        ...

    def search(self, index: int, owner: str | None = None) -> EntryPosition | None:
        """Where an entry stands; None where there is none of that index."""
        ...

    def count(self, wanted: EntryFilter, priority: int | None = None) -> int:
        """How many entries fit, of all priorities or of one."""
        ...

    def set_closed(self, closed: bool) -> None:
        """End the stream, or open it again."""
        ...

    def status(self, owner: str | None = None) -> EntryQueueStatus:
        """Figures for the attributes."""
        ...


class EntryIntake(Protocol):
    """The service's own side of the input: each entry is taken once, and becomes a frame."""

    def take_entry(self, passed_over: Sequence[str] = (), timeout: float = 0.0) -> Entry | None:
        """The next entry of the input that no frame was made of; its owner is not among
        ``passed_over``. It is leased: one that took it and died is followed by another, some times
        at most; then the entry is a dead letter and its failure stands in the sink.
        """
        ...

    def recover(self) -> None:
        """Take entries anew whose frame is gone without an answer; called once, at start."""
        ...

    def give_back_entry(self, request_id: str, seconds: float) -> None:
        """It cannot become a frame yet: not before so many seconds, uncounted."""
        ...

    def finish_entry(self, request_id: str, status: int, body: bytes) -> bool:
        """Put a result into the sink and remove the entry, as one act; False where it was gone.

        An empty body with status 200 is not put into the sink.
        """
        ...


class EntryQueues(Protocol):
    """The entry queues of a store."""

    @property
    def intake(self) -> EntryIntake:
        """The service's side of the input."""
        ...

    def queue(self, name: str) -> EntryQueue:
        """A queue by name: ``INPUT``, ``SINK``, or one of them with ``REAR``."""
        ...
