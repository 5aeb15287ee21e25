"""The queue store of several machines, in one database of Redis or Valkey."""

import logging
from collections.abc import Callable

from webapp.queues.entry_terms import MAX_ENTRIES, EntryTerms
from webapp.queues.errors import QueueError
from webapp.queues.redis.board import (
    RedisCounters,
    RedisHeartbeats,
    RedisPluginStates,
    RedisProgress,
    RedisServiceNotices,
    RedisStopRequests,
    RedisWorkerCommands,
)
from webapp.queues.redis.charges import RedisCharges
from webapp.queues.redis.durability import log_risks
from webapp.queues.redis.entries import RedisEntryQueues
from webapp.queues.redis.notifier import RedisNotifier
from webapp.queues.redis.server import RedisServer
from webapp.queues.redis.sink import RedisSink
from webapp.queues.scheduler import AGE_CAP, QUANTUM, MatchTerms
from webapp.queues.terms import ANSWER_SECONDS, LEASE_SECONDS, MAX_DELIVERY, LeaseTerms


class RedisStore(
    RedisSink,
    RedisProgress,
    RedisStopRequests,
    RedisWorkerCommands,
    RedisHeartbeats,
    RedisCounters,
    RedisPluginStates,
    RedisServiceNotices,
    RedisCharges,
):
    """All parts of ``webapp.queues.contracts``, for threads and processes of any machines.

    A server that cannot be reached raises ``StoreUnavailable`` at each use, until it is there.
    """

    def __init__(
        self,
        address: str,
        *,
        lease_seconds: float = LEASE_SECONDS,
        max_delivery: int = MAX_DELIVERY,
        age_cap: float = AGE_CAP,
        quantum: float = QUANTUM,
        answer_seconds: float = ANSWER_SECONDS,
        max_entries: int = MAX_ENTRIES,
        clock: Callable[[], float] | None = None,
        log: logging.Logger | None = None,
    ) -> None:
        """``address``: see ``address.py``; the rest as ``SqliteStore``.

        Raises ``ServerUnfit`` for a server that is there and cannot hold a queue.
        """
        log = log or logging.getLogger("easel.queue")
        server = RedisServer(address, clock)
        notifier = RedisNotifier(server, log)
        terms = LeaseTerms(lease_seconds, max_delivery, MatchTerms(age_cap, quantum))
        super().__init__(server, notifier, terms, answer_seconds)
        self.entries = RedisEntryQueues(server, notifier, EntryTerms(max_entries, max_delivery))
        try:
            log_risks(server, log)
        except QueueError as error:
            log.error("%s Until then nothing can be queued.", error)

    def close(self) -> None:
        """Stop listening and close the connections."""
        self.notifier.close()
        self.work_notifier.close()
        self.server.close()
