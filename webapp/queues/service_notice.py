"""The thread that says in the queue whose it is, for as long as the web process lives.

A worker that finds another data directory's id there has the wrong queue, or the wrong folder. No
Flask, no torch.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from webapp.queues.contracts.service_notices import ServiceNotice, ServiceNotices
from webapp.queues.errors import QueueError

NOTICE_SECONDS = 30.0  # between two notices

log = logging.getLogger("easel.queue")


class NoticeThread(threading.Thread):
    """Publishes a service's notice until it is stopped; a daemon."""

    def __init__(
        self,
        notices: ServiceNotices,
        data_id: str,
        version: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name="service-notice", daemon=True)
        self.notices = notices
        self.data_id = data_id
        self.version = version
        self.clock = clock
        self._stopped = threading.Event()
        self._was_told = True

    def run(self) -> None:
        """Say it now and again."""
        while True:
            self._publish()
            if self._stopped.wait(NOTICE_SECONDS):
                return

    def stop(self) -> None:
        """End the thread at its next look."""
        self._stopped.set()

    def _publish(self) -> None:
        try:
            self.notices.publish_notice(ServiceNotice(self.data_id, self.version, self.clock()))
            self._was_told = True
        except (QueueError, sqlite3.Error) as error:
            if self._was_told:  # once, not every half a minute
                log.warning("The queue does not say whose it is: %s", error)
            self._was_told = False
