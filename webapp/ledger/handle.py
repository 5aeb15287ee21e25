"""The ledger as services have it: opened when it is first asked for. No Flask."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from webapp.access.secret import Secret
from webapp.accounts.errors import AccountsUnusable
from webapp.errors import Unavailable

if TYPE_CHECKING:
    from webapp.ledger.ledger import Ledger

RETRY_SECONDS = 5  # after a failure until the database is tried again


class LedgerHandle:
    """One ledger for all threads of a process. A service that draws nothing never opens it."""

    def __init__(
        self,
        url: Secret | None,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
        *,
        shared: bool = False,
    ) -> None:
        """The rest as :func:`webapp.ledger.ledger.open_ledger` takes it."""
        self.url, self.folder, self.clock, self.shared = url, folder, clock, shared
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._failed_at = float("-inf")

    def get(self) -> "Ledger":
        """The ledger. Raises ``Unavailable`` where its database cannot be used."""
        with self._lock:
            if self._ledger is None:
                self._ledger = self._open()
            return self._ledger

    def _open(self) -> "Ledger":
        from webapp.ledger.ledger import open_ledger  # SQLAlchemy: only where it is needed

        if self.clock() - self._failed_at < RETRY_SECONDS:
            raise Unavailable("The usage ledger cannot be used now.", RETRY_SECONDS)
        try:
            return open_ledger(self.url, self.folder, shared=self.shared)
        except AccountsUnusable as error:
            self._failed_at = self.clock()
            raise Unavailable("The usage ledger cannot be used now.", RETRY_SECONDS) from error

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None
