"""``PROPFIND`` of a folder of 10,000 and of 100,000 files, beside copyparty's: one run, by turns.

``python -m benchmarks.propfind_speed`` prints these figures alone. copyparty is a package of the
developers' (``requirements-dev.lock``); ``EASEL_BENCH_COPYPARTY`` names a Python that has it.
"""

import os
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, machine
from benchmarks.folder_pages import make_folder, wait_until_idle
from benchmarks.service import Service, free_port
from benchmarks.transfers import MemoryWatch, child_of, run_server
from generator.data_folders import STATE_FOLDER

ROUNDS = 5
SIZES = (10_000, 100_000)
MAX_RATIO = 3.0  # times copyparty's
MAX_GROWN_MIB = 32  # MiB


def time_propfind(url: str, entries: int) -> float:
    """Seconds of one ``PROPFIND`` of all properties, its answer read to the end."""
    request = urllib.request.Request(url, method="PROPFIND", headers={"Depth": "1"})
    began, count, tail = time.perf_counter(), 0, b""
    with urllib.request.urlopen(request, timeout=600) as answer:
        while block := answer.read(1 << 16):
            text = tail + block
            count += text.count(b"response>")
            tail = text[-8:]
    took = time.perf_counter() - began
    if count < 2 * entries:
        raise RuntimeError(f"{count // 2} of {entries} entries came from {url}.")
    return took


def measure_folder(folder: Path, count: int) -> Iterator[Figure]:
    """The figures of a folder of so many files."""
    data, party = folder / "data", make_folder(folder / "data" / "outputs" / "many", count)
    (data / STATE_FOLDER).mkdir()
    ours, theirs = free_port(), free_port()
    easel = [sys.executable, "-m", "webapp", "web", "--data-dir", str(data), "--port", str(ours)]
    python = os.environ.get("EASEL_BENCH_COPYPARTY", sys.executable)
    copyparty = [python, "-m", "copyparty", "-q", "-i", "127.0.0.1", "-p", str(theirs)]
    with (
        run_server([*easel, "--watch=off", "--no-hashing"], f"http://127.0.0.1:{ours}/internal/ping")
        as process,
        run_server([*copyparty, "-v", f"{party}:many:r"], f"http://127.0.0.1:{theirs}/"),
    ):  # fmt: skip
        wait_until_idle(Service(f"http://127.0.0.1:{ours}", data, 0, process.pid))
        here = f"http://127.0.0.1:{ours}/dav/data/outputs/many/"
        there = f"http://127.0.0.1:{theirs}/many/"
        memory, mine, other = MemoryWatch(child_of(process.pid)), [], []
        memory.start()
        time_propfind(here, count)
        time_propfind(there, count)
        for _ in range(ROUNDS):
            mine.append(time_propfind(here, count))
            other.append(time_propfind(there, count))
        grown_mib = memory.bytes_grown() / (1 << 20)
    named = f"PROPFIND of {count:,} files"
    times = statistics.median(mine) / statistics.median(other)
    yield Figure(f"{named}, median s", f"{statistics.median(mine):.2f}")
    yield Figure(f"copyparty: {named}, median s", f"{statistics.median(other):.2f}")
    yield Figure(
        f"{named} against copyparty", f"{times:.2f} ×", f"≤ {MAX_RATIO:g} ×", times <= MAX_RATIO
    )
    held = grown_mib <= MAX_GROWN_MIB
    yield Figure(
        f"web process grows in {ROUNDS} of them by, MiB",
        f"{grown_mib:.1f}",
        f"≤ {MAX_GROWN_MIB}",
        held,
    )


def webdav_figures() -> Iterator[Figure]:
    """The figures."""
    for count in SIZES:
        with tempfile.TemporaryDirectory(prefix="easel-bench-") as name:
            yield from measure_folder(Path(name), count)


if __name__ == "__main__":
    print(machine())
    for figure in webdav_figures():
        print(f"{figure.name}: {figure.value} {figure.bar}")
