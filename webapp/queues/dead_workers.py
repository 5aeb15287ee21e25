"""Jobs of workers that ended on this machine without a word: given to others at once.

Workers elsewhere are not judged here: their leases run out (``lease_expiry.py``).
"""

import logging
import sqlite3

from webapp.queues.contracts.queue import Queue
from webapp.queues.errors import QueueError
from webapp.queues.worker_id import WorkerId


def release_dead_workers(queue: Queue, log: logging.Logger) -> None:
    """End the leases of workers of an earlier life of this machine's service."""
    try:
        holders = queue.lease_holders()
    except (QueueError, sqlite3.Error) as error:
        log.error("Jobs of an earlier life wait for their leases to end: %s", error)
        return
    for worker in holders:
        if worker.is_dead:
            release_leases(queue, worker, "ended with the service", log)


def release_leases(queue: Queue, worker: WorkerId, how: str, log: logging.Logger) -> int:
    """End the leases of a worker that is gone, at once and not when they run out; how many."""
    try:
        released = queue.release_worker(worker, how)
    except (QueueError, sqlite3.Error) as error:
        log.error("The dead worker's jobs wait for their leases to end: %s", error)
        return 0
    if released:
        log.warning("%d job(s) of the dead worker are taken up again", released)
    return released
