"""Many watchers at once: who is served, who is refused, and what short answers take meanwhile.

``python -m benchmarks.watchers [COUNT]`` asks ``GET /api/events`` over so many connections (1,000)
of a real service, then short routes, and prints a table. Bounded: it ends in about a minute.
"""

import http.client
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.service import run_easel

COUNT = 1000
SHORT_PATHS = ("/sdapi/v1/samplers", "/internal/pending-tasks", "/api/v1/workers")
ROUNDS = 20
TIMEOUT = 60.0
HEAD = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


def open_watchers(port: int, count: int) -> list[socket.socket]:
    """Connections that have asked for events."""
    lines = []
    for _ in range(count):
        line = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        line.sendall(HEAD)
        lines.append(line)
    return lines


def read_status(line: socket.socket) -> str:
    """The status of an answer, and whether it says when to come again."""
    text = b""
    while b"\r\n\r\n" not in text:
        piece = line.recv(65536)
        if not piece:
            return "closed"
        text += piece
    status = text.split()[1].decode()
    return status + (" Retry-After" if b"retry-after:" in text.lower() else "")


def time_short(port: int) -> list[float]:
    """Seconds that short requests take, each on a connection of its own."""
    took = []
    for _ in range(ROUNDS):
        for path in SHORT_PATHS:
            began = time.perf_counter()
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
            line.request("GET", path)
            line.getresponse().read()
            line.close()
            took.append(time.perf_counter() - began)
    return took


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    flags = ("--no-hashing", "--watch=off", "--device=cpu", "--no-default-checkpoint")
    connections = str(2 * count + 100)
    limits = ("--max-connections", connections, "--max-connections-per-address", connections)
    with (
        tempfile.TemporaryDirectory() as folder,
        run_easel(Path(folder), *flags, *limits) as service,
    ):
        service.wait_for_ping()
        port = urlsplit(service.address).port or 0
        before = time_short(port)
        began = time.perf_counter()
        lines = open_watchers(port, count)
        statuses = Counter(read_status(line) for line in lines)
        answered = time.perf_counter() - began
        during = time_short(port)
        for line in lines:
            line.close()
    print(f"{count} watchers, answered in {answered:.2f} s: {dict(statuses)}")
    for name, took in (("before", before), ("meanwhile", during)):
        p99 = sorted(took)[int(len(took) * 0.99)]
        median = 1000 * statistics.median(took)
        print(f"short requests {name}: median {median:.1f} ms, p99 {1000 * p99:.1f} ms")


if __name__ == "__main__":
    main()
