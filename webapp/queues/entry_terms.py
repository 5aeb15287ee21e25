"""Figures of entry queues that every store uses, and what follows from them."""

from dataclasses import dataclass

from webapp.queues.errors import TooManyGroups

MAX_ENTRIES = 100_000  # of one queue
MAX_GET_BYTES = 64 << 20  # bytes after which a get takes no further entry
NEWEST = -1
PATIENCE_SECONDS = 4.0  # the vendor's clients send a request again after 5, which would double it
RESCAN_SECONDS = 2.0  # between two looks of a get at entries that it has seen already

MAX_BATCH = 8  # entries that a watch takes at once: they are in memory until they are sent
BEAT_SECONDS = 2.0  # between two signs of life of a watch
ALIVE_SECONDS = 30.0  # seconds without a sign after which a consumer is gone
GRACE_SECONDS = 5.0  # seconds for which what a consumer had waits for it to come back
LISTED_SECONDS = 60.0  # seconds for which a consumer that is gone is listed beside others
GROUP_SECONDS = 3600.0  # seconds after which the last of a group is forgotten
SHUTDOWN_CODE = "Shutdown"

MAX_GROUPS = 1000  # of one queue, of all callers
MAX_OWN_GROUPS = 64  # of one queue, of one caller but the owner

READING_SECONDS = 120.0  # for making a frame: pictures may have to be fetched from elsewhere


@dataclass(frozen=True, slots=True)
class EntryTerms:
    """Most entries of a queue, and how often one is delivered before it is a dead letter."""

    max_entries: int = MAX_ENTRIES
    max_delivery: int = 5  # 0: without end


def refuse_group(count: int, own_count: int | None) -> None:
    """Raise ``TooManyGroups`` where one more is too many.

    ``count``: groups of the queue; ``own_count``: of the caller among them, None for the owner.
    """
    ways = (
        "Use one of them (header X-EAS-QueueService-Redis-Gid); a group is forgotten an hour after "
        "its last consumer left, one without consumers when its entries are gone."
    )
    if own_count is not None and own_count >= MAX_OWN_GROUPS:
        raise TooManyGroups(f"You have {own_count} groups here, which is all that one may. {ways}")
    if count >= MAX_GROUPS:
        raise TooManyGroups(f"This queue has {count} groups, which is all that it may. {ways}")


def entry_topic(queue: str) -> str:
    """The topic of the notifier that is rung when entries come into a queue."""
    return f"entries:{queue}"


def consumer_state(is_connected: bool, idle: float, pending: int) -> str:
    """What the attributes call a consumer; what it left open decides between Exit and Complete.

    ``idle``: seconds since it was heard of, or left.
    """
    if is_connected and idle < ALIVE_SECONDS:
        return "Running"
    if not pending:
        return "Complete"
    return "Leaving" if idle < GRACE_SECONDS else "Exit"
