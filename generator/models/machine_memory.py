"""How much memory this process may still take, and giving back what it freed. No torch."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

UNLIMITED = 1 << 60  # bytes; cgroups write numbers beyond it, or "max", where there is no limit
CONTROLLERS = ("memory", "")  # below /sys/fs/cgroup: of version 1, of version 2
FILES = {
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    "": ("memory.max", "memory.current", "inactive_file"),
}
"""Limit and use of a cgroup, and in ``memory.stat`` what the kernel takes back first."""


def available_memory(root: Path = Path("/")) -> int:
    """Bytes of RAM that can be taken without swapping: the machine's, or less by a cgroup."""
    return max(min([_meminfo(root, "MemAvailable"), *_left_in_cgroups(root)]), 0)


def total_memory(root: Path = Path("/")) -> int:
    """Bytes of RAM that this process may have at most."""
    return min([_meminfo(root, "MemTotal"), *(limit for limit, _ in _cgroups(root))])


def return_freed_memory() -> None:
    """Collect what only cycles hold, and give the allocator's free pages back to the system.

    Without it the C library keeps small pieces for itself, and a process that changes its weights
    often seems to grow.
    """
    gc.collect()
    trim_heap()


def trim_heap() -> None:
    """Give the allocator's free pages back to the system."""
    with suppress(OSError, AttributeError):  # a C library that has no such function
        ctypes.CDLL(None).malloc_trim(0)


def _meminfo(root: Path, key: str) -> int:
    for line in (root / "proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == key:
            return int(rest.split()[0]) * 1024
    return UNLIMITED


def _left_in_cgroups(root: Path) -> Iterator[int]:
    for limit, used in _cgroups(root):
        yield limit - used


def _cgroups(root: Path) -> Iterator[tuple[int, int]]:
    """Limit and use of the cgroups that this process is in and that have a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        controller = "memory" if "memory" in controllers.split(",") else controllers
        if controller not in CONTROLLERS:
            continue
        base = root / "sys/fs/cgroup" / controller
        # In a container its own cgroup is mounted as the root, though the path names the host's.
        for folder in dict.fromkeys((base / path.lstrip("/"), base)):
            with suppress(OSError, ValueError):
                yield from _limit_of(folder, *FILES[controller])


def _limit_of(folder: Path, limit: str, usage: str, reclaimable: str) -> Iterator[tuple[int, int]]:
    text = (folder / limit).read_text().strip()
    most = UNLIMITED if text == "max" else int(text)
    if most >= UNLIMITED:
        return
    stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    yield most, int((folder / usage).read_text()) - int(stat.get(reclaimable, 0))
