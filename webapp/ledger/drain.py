"""Brings charges from the queue's store into the ledger, each once. No Flask.

Charges are written into the ledger first and removed from the store then. Who dies in between
leaves them in the store: the next one writes them again, and the ledger knows them.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from webapp.accounts.errors import AccountsUnusable
from webapp.errors import Unavailable
from webapp.ledger.handle import LedgerHandle
from webapp.ledger.utc_days import day_of, first_day_kept
from webapp.queues.contracts.charges import BusyTime, Charge, Charges
from webapp.queues.errors import QueueError

LOOK_SECONDS = 1.0  # between looks at the store
RETRY_SECONDS = 10.0  # after a failure
BATCH = 500  # charges written in one transaction
STOPPING_SECONDS = 5.0

log = logging.getLogger("easel.ledger")


def drain(store: Charges, handle: LedgerHandle) -> int:
    """Bring over all that waits; how many charges were new. The ledger is opened for some only.

    Raises ``QueueError`` and ``Unavailable``; nothing is lost then.
    """
    new = 0
    while batch := store.read_charges(BATCH):
        facts = [each.facts for each in batch]
        new += handle.get().record_all([each for each in facts if isinstance(each, Charge)])
        handle.get().record_busy([each for each in facts if isinstance(each, BusyTime)])
        if None in facts:
            log.error("%d charges could not be read and are dropped.", facts.count(None))
        store.remove_charges([each.key for each in batch])
        if len(batch) < BATCH:
            break
    return new


class DrainThread(threading.Thread):
    """Drains until it is stopped, and forgets old charges once a day. Several may run at once."""

    def __init__(
        self,
        store: Charges,
        handle: LedgerHandle,
        months: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name="ledger", daemon=True)
        self.store, self.handle, self.months, self.clock = store, handle, months, clock
        self._ended = threading.Event()
        self._compacted = ""  # the day on which this was done last
        self._last_error = ""

    def run(self) -> None:
        """Drain; nothing ends the thread but :meth:`stop`."""
        pause = LOOK_SECONDS
        while not self._ended.wait(pause):
            pause = LOOK_SECONDS if self.turn() else RETRY_SECONDS

    def turn(self) -> bool:
        """One look at the store; False where something failed, which is logged once."""
        try:
            if drain(self.store, self.handle):
                self._compact()
        except (QueueError, sqlite3.Error, Unavailable, AccountsUnusable) as error:
            self._report(str(error.__cause__ or error), None)
            return False
        except Exception as error:
            self._report(repr(error), error)
            return False
        self._last_error = ""
        return True

    def _compact(self) -> None:
        day = day_of(self.clock())
        if day != self._compacted:
            self.handle.get().compact(first_day_kept(self.months, self.clock()))
            self._compacted = day

    def _report(self, text: str, error: Exception | None) -> None:
        if text != self._last_error:
            self._last_error = text
            log.error("charges wait for the usage ledger: %s", text, exc_info=error)

    def stop(self) -> None:
        """End the thread after its turn, and bring over what came meanwhile."""
        self._ended.set()
        if self.is_alive():
            self.join(STOPPING_SECONDS)
