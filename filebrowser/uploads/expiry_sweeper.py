"""Background thread: interrupts silent senders, removes expired uploads, finishes broken ones."""

import logging
import threading
from collections.abc import Callable, Sequence

from filebrowser.access.gate import Root
from filebrowser.errors import FileError
from filebrowser.uploads.upload_store import UploadStore

LOOK_SECONDS = 5.0  # seconds between two looks at who is sending
SWEEP_SECONDS = 600.0  # seconds between two looks at what has expired

log = logging.getLogger(__name__)


class ExpirySweeper(threading.Thread):
    """A thread that sweeps below ``roots``, at its start and then now and again.

    ``keep_room`` is called with each look.
    """

    def __init__(
        self,
        uploads: UploadStore,
        roots: Callable[[], Sequence[Root]],
        keep_room: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="uploads", daemon=True)
        self.uploads, self.roots, self.keep_room = uploads, roots, keep_room
        self._stopped = threading.Event()

    def run(self) -> None:
        """Work until stopped."""
        looks = 0
        while not self._stopped.is_set():
            if looks % round(SWEEP_SECONDS / LOOK_SECONDS) == 0:
                self._sweep()
            self.keep_room()
            self.uploads.locks.interrupt_silent()
            looks += 1
            self._stopped.wait(LOOK_SECONDS)

    def stop(self) -> None:
        """Ask the thread to end, and wait until it has; nothing where it was not started."""
        self._stopped.set()
        if self.is_alive():
            self.join()

    def _sweep(self) -> None:
        for root in self.roots():
            try:
                self.uploads.sweep((root,))
            except (FileError, OSError) as error:
                log.warning("Unfinished uploads of %r cannot be swept now: %s", root.name, error)
