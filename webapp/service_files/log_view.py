"""The log of a service on a terminal: its last lines, and those that come."""

import os
from collections.abc import Callable
from typing import BinaryIO

from webapp.service_files.errors import ServiceFailed
from webapp.service_files.service_folder import ServiceFolder

BLOCK = 64 << 10
FOLLOW_SECONDS = 0.2


def print_last_lines(folder: ServiceFolder, count: int, out: BinaryIO) -> BinaryIO:
    """Write the last lines; the log, open at its end."""
    try:
        log = folder.log_file.open("rb")
    except FileNotFoundError:
        raise ServiceFailed(f"{folder.path.name} has said nothing yet.") from None
    log.seek(find_last_lines(log, count))
    copy_rest(log, out)
    return log


def find_last_lines(log: BinaryIO, count: int) -> int:
    """Where the last lines of a file begin; read from its end, a block at a time."""
    end = position = log.seek(0, os.SEEK_END)
    missing = max(count, 0) + 1  # the line feed before the first of them, too
    while position > 0 and count > 0:
        start = max(position - BLOCK, 0)
        log.seek(start)
        block = log.read(position - start)
        if position == end and block.endswith(b"\n"):
            block = block[:-1]
            missing -= 1
        while (at := block.rfind(b"\n")) >= 0:
            missing -= 1
            if missing == 0:
                return start + at + 1
            block = block[:at]
        position = start
    return 0 if count > 0 else end


def copy_rest(log: BinaryIO, out: BinaryIO) -> bool:
    """Write what was added; whether there was anything."""
    wrote = False
    if os.fstat(log.fileno()).st_size < log.tell():  # it was put aside, and begins anew
        log.seek(0)
    while block := log.read(BLOCK):
        out.write(block)
        wrote = True
    out.flush()
    return wrote


def follow(
    log: BinaryIO, is_alive: Callable[[], bool], out: BinaryIO, sleep: Callable[[float], None]
) -> None:
    """Write what comes until the service has ended."""
    alive = True
    while alive:
        alive = is_alive()  # before the copy: its last words are written, too
        if not copy_rest(log, out) and alive:
            sleep(FOLLOW_SECONDS)
