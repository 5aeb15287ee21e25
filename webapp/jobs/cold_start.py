"""What waiting jobs are told while no worker can take one yet. No Flask."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from webapp.queues.contracts.heartbeats import WorkerState

WORKER_START, LOADING, WORKING = "worker-start", "loading", "working"
"""Phases of a job; the first two before it is leased, the last two after."""

LEAVING = "draining"  # state of a worker that takes nothing more
TEXTS: Mapping[str, str] = MappingProxyType(
    {WORKER_START: "Starting a worker", LOADING: "Loading weights"}
)


def cold_start_phase(workers: Sequence[WorkerState]) -> str:
    """``WORKER_START`` or ``LOADING`` while no worker is ready; "" where one is, or works."""
    states = {worker.state for worker in workers} - {LEAVING}
    if states - {"starting", "loading"}:
        return ""
    return LOADING if "loading" in states else WORKER_START
