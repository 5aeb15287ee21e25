"""Observer process: asks ``/healthz`` four times a second and samples the service's processes.

``python -m benchmarks.soak.observer PORT`` reads lines from its input: ``watch PID`` (of the
supervisor), ``pause`` and ``resume`` around a restart. At the end of its input it writes what it
saw as JSON.
"""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

PERIOD = 0.25  # seconds between two questions
PATIENCE = 10.0  # seconds after which a question counts as that long
NAP = 0.05  # seconds
LOOK = 1.0  # seconds between two looks at the processes
QUESTION = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
MIB = 1024  # KiB


@dataclass(frozen=True, slots=True)
class SlowAnswer:
    """A question that took over a second, and what the machine did meanwhile. Times in seconds."""

    at: float  # since the start
    took: float
    outcome: str
    load: float  # tasks that run or wait, averaged over a minute
    web_cpu: float  # the web process's own: near ``took`` when it was busy itself
    stolen: float  # of all processors, given to other machines
    paused: float  # the longest that this observer's clock stood still: near ``took`` when all did


@dataclass(slots=True)
class Observations:
    """What was seen. Latencies in seconds; memory in MiB, at its highest since a process began."""

    latencies: list[float] = field(default_factory=list)
    slow: list[SlowAnswer] = field(default_factory=list)
    failures: int = 0
    web_mib: float = 0.0
    worker_mib: float = 0.0
    other_mib: float = 0.0
    web_threads: int = 0
    web_files: int = 0
    worker_threads: int = 0
    worker_files: int = 0
    series: list[tuple[float, float, int, int]] = field(default_factory=list)
    """Each minute: seconds since the start, MiB, threads and open files of the web process."""


class Observer:
    """Asks and looks until its input ends."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sight = Observations()
        self.began = time.monotonic()
        self.supervisor = 0
        self.web = 0  # pid of the web process, once seen
        self.pause = 0.0  # seconds that the clock stood still since the last question
        self.asking = threading.Event()
        self.ended = threading.Event()
        self.round = 0  # one more at each pause: an answer of an earlier round counts for nothing

    def run_commands(self, lines: Iterator[str]) -> None:
        """Do as the input says."""
        for line in lines:
            words = line.split()
            if words[:1] == ["watch"]:
                self.supervisor = int(words[1])
            elif words == ["pause"]:
                self.round += 1
                self.asking.clear()
            elif words == ["resume"]:
                self.asking.set()
        self.ended.set()

    def poll_healthz(self) -> None:
        """Ask at a steady pace; a late answer delays no other question by more than itself."""
        while not self.ended.is_set():
            if not self.asking.wait(PERIOD):
                continue
            began, of = time.monotonic(), self.round
            used = cpu_seconds(self.web), stolen_seconds()
            self.pause = 0.0
            outcome = time_healthz(self.port)
            took = time.monotonic() - began
            if of == self.round and self.asking.is_set():
                self.record_answer(took, outcome, *used)
            self.ended.wait(max(0.0, PERIOD - took))

    def record_answer(self, took: float, outcome: str, web_cpu: float, stolen: float) -> None:
        """Keep one answer; the last two are what had been used when it was asked for."""
        failed = outcome != "200"
        self.sight.failures += failed
        self.sight.latencies.append(PATIENCE if failed else took)
        if failed or took > 1:
            facts = (
                time.monotonic() - self.began,
                took,
                os.getloadavg()[0],
                cpu_seconds(self.web) - web_cpu,
                stolen_seconds() - stolen,
                self.pause,
            )
            at, took, *rest = (round(x, 2) for x in facts)
            self.sight.slow.append(SlowAnswer(at, took, outcome, *rest))

    def time_pauses(self) -> None:
        """Sleep shortly, again and again: what a sleep takes too long, the machine stood still."""
        while not self.ended.is_set():
            began = time.monotonic()
            time.sleep(NAP)
            self.pause = max(self.pause, time.monotonic() - began - NAP)

    def poll_processes(self) -> None:
        """Look at memory, threads and files."""
        while not self.ended.wait(LOOK):
            for pid in descendants(self.supervisor) if self.supervisor else ():
                with suppress(OSError, ValueError, IndexError, KeyError):
                    self.inspect_process(pid)

    def inspect_process(self, pid: int) -> None:
        """Look at one process."""
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        facts = status(pid)
        memory, threads = int(facts["VmHWM"]) / MIB, int(facts["Threads"])
        files = len(os.listdir(f"/proc/{pid}/fd"))
        sight = self.sight
        if b"web" in words[:5]:
            self.web = pid
            sight.web_mib = max(sight.web_mib, memory)
            sight.web_threads = max(sight.web_threads, threads)
            sight.web_files = max(sight.web_files, files)
            now = time.monotonic() - self.began
            if threads > 2 and (not sight.series or now - sight.series[-1][0] >= 30):
                rss = int(facts["VmRSS"]) / MIB
                sight.series.append((round(now), round(rss), threads, files))
        elif b"worker" in words[:5]:
            sight.worker_mib = max(sight.worker_mib, memory)
            sight.worker_threads = max(sight.worker_threads, threads)
            sight.worker_files = max(sight.worker_files, files)
        else:
            sight.other_mib = max(sight.other_mib, memory)


def time_healthz(port: int) -> str:
    """The status that ``/healthz`` has on a fresh connection, or what went wrong."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(QUESTION)
            return connection.recv(100).split()[1].decode()
    except (OSError, IndexError) as error:
        return type(error).__name__


def descendants(pid: int) -> Iterator[int]:
    """The processes below one."""
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{thread}/children").read_text().split():
                yield int(child)
                yield from descendants(int(child))


def cpu_seconds(pid: int) -> float:
    """What a process has computed so far; 0 where there is none."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def stolen_seconds() -> float:
    """What all processors together were not given by the machine that runs this one."""
    with Path("/proc/stat").open() as file:
        return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


def status(pid: int) -> dict[str, str]:
    """The numbers of ``/proc/PID/status`` by name."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {
        name: rest.split()[0] for name, _, rest in (x.partition(":") for x in lines) if rest.split()
    }


def main() -> None:
    """Observe until the input ends."""
    observer = Observer(int(sys.argv[1]))
    for work in (observer.poll_healthz, observer.poll_processes, observer.time_pauses):
        threading.Thread(target=work, daemon=True).start()
    observer.run_commands(iter(sys.stdin.readline, ""))
    json.dump(asdict(observer.sight), sys.stdout)


if __name__ == "__main__":
    main()
