"""Bounds the log of a service in the background: a long one is put aside, and begins anew."""

import logging
import os
import shutil
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

MAX_LOG_BYTES = 16 << 20
LOOK_SECONDS = 5.0
OPEN_LOG = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC

log = logging.getLogger("easel")


class LogLimit(threading.Thread):
    """Looks at the log's length as long as the process runs."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="log-limit", daemon=True)
        self.path = path

    def run(self) -> None:
        """Look every few seconds."""
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                cut_log(self.path)
            except OSError as error:
                log.warning("The log %s cannot be cut: %s", self.path.name, error.strerror)


def cut_log(path: Path, max_bytes: int = MAX_LOG_BYTES) -> bool:
    """Keep a log that is longer as ``NAME.1`` and empty it; whether it was. Raises ``OSError``.

    Its writers have it open to append, and go on at its new end; a line that is written between
    the copy and the emptying is lost. Without room for the copy it is emptied all the same.
    """
    handle = os.open(path, OPEN_LOG)
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size <= max_bytes:
            return False
        kept = path.with_name(f"{path.name}.1")
        try:
            with open(handle, "rb", closefd=False) as source, kept.open("wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            log.warning("What the log said until now is not kept: %s", error.strerror)
            with suppress(OSError):
                kept.unlink()
        os.ftruncate(handle, 0)
        return True
    finally:
        os.close(handle)
