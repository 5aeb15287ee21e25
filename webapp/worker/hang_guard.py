"""Ends a worker that hangs, where no supervisor looks after it.

A C thread of the interpreter counts, so that it also acts where C code holds the GIL.
"""

import faulthandler
import threading

from webapp.worker.progress_mark import NO_LIMIT

LONGEST_SECONDS = threading.TIMEOUT_MAX / 2


class HangGuard:
    """As a ``ProgressMark``: each beat says for how long the next one may take.

    After that the process writes where each thread stands to its standard error and ends with 1.
    """

    def beat(self, allowed: float) -> None:
        """The main thread got on; it may now go without progress for so many seconds."""
        if allowed == NO_LIMIT:
            faulthandler.cancel_dump_traceback_later()
        else:
            faulthandler.dump_traceback_later(min(allowed, LONGEST_SECONDS), exit=True)

    def stop(self) -> None:
        """Watch no longer."""
        faulthandler.cancel_dump_traceback_later()
