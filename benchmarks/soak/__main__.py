"""``python -m benchmarks.soak --minutes 30``: all loads at once; checks that figures hold.

A real service with the default checkpoint on a small disk of its own, on the loopback alone. The
load runs in this process, the questions to ``/healthz`` in another. Prints a table; the exit code
is 1 where ``/healthz`` took more than 2 s outside the restarts, the web process more than 1.5 GiB,
or a draw of the owner had no answer.
"""

import argparse
import asyncio
import base64
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from benchmarks.figures import machine
from benchmarks.soak.client import OutcomeCounts, SoakClient
from benchmarks.soak.damage import damage_state, remove_state
from benchmarks.soak.disk import SmallDisk, small_disk
from benchmarks.soak.load import Callers, all_tasks
from benchmarks.soak.report import SoakResult, as_json, as_markdown, failures
from benchmarks.soak.victim import ANN, BOB, EVE, OWNER, PASSWORD, READER, USER, SoakService

DISK_MEGABYTES = 400  # MB
KILL_EVERY = 70.0  # seconds
FLAGS = ("--upload-spare", "16M")


def parse_arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--restart-every", type=float, default=3.0, help="minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the log and details of the soak")
    return parser.parse_args(words)


def make_callers(port: int, tally: OutcomeCounts) -> Callers:
    """One of each kind."""
    plain = SoakClient(port, tally)
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return Callers(
        replace(plain, token=OWNER),
        (replace(plain, token=ANN), replace(plain, token=BOB, source_address="127.0.0.3")),
        replace(plain, token=EVE),
        replace(plain, token=READER, source_address="127.0.0.4"),
        replace(plain, token=f"Basic {basic}", source_address="127.0.0.5"),
        replace(plain, source_address="127.0.0.6"),
    )


async def soak(arguments: argparse.Namespace, disk: SmallDisk, victim: SoakService) -> SoakResult:
    """Run everything for so many minutes."""
    result, chance, running = (
        SoakResult(OutcomeCounts()),
        random.Random(arguments.seed),
        asyncio.Event(),
    )
    observer = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.soak.observer", str(victim.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    began = time.monotonic()
    end = began + arguments.minutes * 60
    works: list[asyncio.Task[None]] = []
    try:
        await start(victim, observer, running, result)
        works_made = all_tasks(make_callers(victim.port, result.tally), disk, running, chance)
        works = [asyncio.create_task(work()) for work in works_made]  # type: ignore[arg-type]
        works.append(asyncio.create_task(kill_workers(victim, running, result)))
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, arguments.restart_every * 60))
            for work in works:
                if work.done():
                    work.result()  # a fault of the soak itself
            if end - time.monotonic() > 30:
                await restart(disk, victim, observer, running, result, chance)
    finally:
        tell_observer(observer, "pause")
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        observed, _ = await asyncio.to_thread(observer.communicate)
        await asyncio.to_thread(victim.stop, True)
    result.sight, result.seconds = json.loads(observed), time.monotonic() - began
    result.own_cpu = time.process_time()
    return result


async def start(
    victim: SoakService,
    observer: "subprocess.Popen[str]",
    running: asyncio.Event,
    result: SoakResult,
) -> None:
    """Start the service, and everything with it."""
    result.starts.append(await asyncio.to_thread(victim.start))
    assert victim.process is not None
    tell_observer(observer, f"watch {victim.process.pid}")
    tell_observer(observer, "resume")
    running.set()


async def restart(
    disk: SmallDisk,
    victim: SoakService,
    observer: "subprocess.Popen[str]",
    running: asyncio.Event,
    result: SoakResult,
    chance: random.Random,
) -> None:
    """End the service, kindly each second time, damage what it keeps, and start it."""
    tell_observer(observer, "pause")
    running.clear()
    result.stops.append(await asyncio.to_thread(victim.stop, len(result.starts) % 2 == 0))
    disk.free()
    result.damage.append("; ".join(damage_state(disk.data_dir, chance)))
    try:
        await start(victim, observer, running, result)
    except TimeoutError as error:
        result.failed_starts.append(f"With {result.damage[-1]}: {error}.")
        await asyncio.to_thread(victim.stop, False)
        remove_state(disk.data_dir)
        await start(victim, observer, running, result)


async def kill_workers(victim: SoakService, running: asyncio.Event, result: SoakResult) -> None:
    """``kill -9`` of the worker now and then."""
    while True:
        await asyncio.sleep(KILL_EVERY)
        await running.wait()
        result.kills += victim.kill_worker()
        result.loads.append(os.getloadavg()[0])


def tell_observer(observer: "subprocess.Popen[str]", line: str) -> None:
    """A line to the observer."""
    assert observer.stdin is not None
    with suppress(OSError, ValueError):
        print(line, file=observer.stdin, flush=True)


def main() -> int:
    """The soak; the exit code."""
    arguments, where = parse_arguments(sys.argv[1:]), machine()
    log_folder = arguments.keep or Path(tempfile.mkdtemp(prefix="easel-soak-log-"))
    log_folder.mkdir(parents=True, exist_ok=True)
    log = log_folder / "easel.log"
    with small_disk(DISK_MEGABYTES) as disk:
        if not disk.fills:
            print("No file system may be mounted here: the disk is not filled in this soak.")
        disk.data_dir.mkdir()
        result = asyncio.run(soak(arguments, disk, SoakService(disk.data_dir, log, FLAGS)))
    print(as_markdown(result, where, log.read_text(errors="replace")))
    (log_folder / "details.json").write_text(as_json(result))
    print(f"Log and details: {log_folder}")
    for line in failures(result):
        print(f"FAILED: {line}", file=sys.stderr)
    return 1 if failures(result) else 0


if __name__ == "__main__":
    sys.exit(main())
