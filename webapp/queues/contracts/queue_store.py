"""A whole store: every part over one file or server."""

from typing import Protocol

from webapp.queues.contracts.charges import Charges
from webapp.queues.contracts.counters import Counters
from webapp.queues.contracts.entries import EntryQueues
from webapp.queues.contracts.heartbeats import Heartbeats
from webapp.queues.contracts.plugin_states import PluginStates
from webapp.queues.contracts.progress import ProgressBoard
from webapp.queues.contracts.queue import Queue
from webapp.queues.contracts.service_notices import ServiceNotices
from webapp.queues.contracts.sink import Sink
from webapp.queues.contracts.stop_requests import StopRequests
from webapp.queues.contracts.worker_commands import WorkerCommands


class QueueStore(
    Queue,
    Sink,
    ProgressBoard,
    StopRequests,
    WorkerCommands,
    Heartbeats,
    Counters,
    PluginStates,
    ServiceNotices,
    Charges,
    Protocol,
):
    """A whole store, as who opens it has it; others name the parts that they use.

    Where a store is a server, each method raises ``webapp.queues.errors.StoreUnavailable`` while
    that cannot be reached; nothing is to be opened anew when it can.
    """

    @property
    def entries(self) -> EntryQueues:
        """The queues of asynchronous clients."""
        ...

    def close(self) -> None:
        """Stop listening and close the file or the connections; other users go on."""
        ...
