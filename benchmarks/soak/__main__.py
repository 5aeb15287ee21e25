"""``python -m benchmarks.soak --minutes 30``: everything at once, and whether the service holds.

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
from benchmarks.soak.client import Client, Tally
from benchmarks.soak.damage import damage_state, remove_state
from benchmarks.soak.disk import SmallDisk, small_disk
from benchmarks.soak.load import Callers, everything
from benchmarks.soak.report import Soak, as_json, as_markdown, failures
from benchmarks.soak.victim import ANN, BOB, EVE, OWNER, PASSWORD, READER, USER, Victim

DISK = 400  # MB
KILL_EVERY = 70.0  # seconds
FLAGS = ("--upload-spare", "16M")


def parsed(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--restart-every", type=float, default=3.0, help="minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the log and details of the soak")
    return parser.parse_args(words)


def callers(port: int, tally: Tally) -> Callers:
    """One of each kind."""
    plain = Client(port, tally)
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return Callers(
        replace(plain, token=OWNER),
        (replace(plain, token=ANN), replace(plain, token=BOB, home="127.0.0.3")),
        replace(plain, token=EVE),
        replace(plain, token=READER, home="127.0.0.4"),
        replace(plain, token=f"Basic {basic}", home="127.0.0.5"),
        replace(plain, home="127.0.0.6"),
    )


async def soak(asked: argparse.Namespace, disk: SmallDisk, victim: Victim) -> Soak:
    """Run everything for so many minutes."""
    told, chance, running = Soak(Tally()), random.Random(asked.seed), asyncio.Event()
    observer = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.soak.observer", str(victim.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    began = time.monotonic()
    end = began + asked.minutes * 60
    works: list[asyncio.Task[None]] = []
    try:
        await start(victim, observer, running, told)
        made = everything(callers(victim.port, told.tally), disk, running, chance)
        works = [asyncio.create_task(work()) for work in made]  # type: ignore[arg-type]
        works.append(asyncio.create_task(kill_workers(victim, running, told)))
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, asked.restart_every * 60))
            for work in works:
                if work.done():
                    work.result()  # a fault of the soak itself
            if end - time.monotonic() > 30:
                await restart(disk, victim, observer, running, told, chance)
    finally:
        say(observer, "pause")
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        seen, _ = await asyncio.to_thread(observer.communicate)
        await asyncio.to_thread(victim.stop, True)
    told.sight, told.seconds = json.loads(seen), time.monotonic() - began
    told.own_cpu = time.process_time()
    return told


async def start(
    victim: Victim, observer: "subprocess.Popen[str]", running: asyncio.Event, told: Soak
) -> None:
    """Start the service, and everything with it."""
    told.starts.append(await asyncio.to_thread(victim.start))
    assert victim.process is not None
    say(observer, f"watch {victim.process.pid}")
    say(observer, "resume")
    running.set()


async def restart(
    disk: SmallDisk,
    victim: Victim,
    observer: "subprocess.Popen[str]",
    running: asyncio.Event,
    told: Soak,
    chance: random.Random,
) -> None:
    """End the service, kindly each second time, damage what it keeps, and start it."""
    say(observer, "pause")
    running.clear()
    told.stops.append(await asyncio.to_thread(victim.stop, len(told.starts) % 2 == 0))
    disk.free()
    told.damage.append("; ".join(damage_state(disk.data_dir, chance)))
    try:
        await start(victim, observer, running, told)
    except TimeoutError as error:
        told.failed_starts.append(f"With {told.damage[-1]}: {error}.")
        await asyncio.to_thread(victim.stop, False)
        remove_state(disk.data_dir)
        await start(victim, observer, running, told)


async def kill_workers(victim: Victim, running: asyncio.Event, told: Soak) -> None:
    """``kill -9`` of the worker now and then."""
    while True:
        await asyncio.sleep(KILL_EVERY)
        await running.wait()
        told.kills += victim.kill_worker()
        told.loads.append(os.getloadavg()[0])


def say(observer: "subprocess.Popen[str]", line: str) -> None:
    """A line to the observer."""
    assert observer.stdin is not None
    with suppress(OSError, ValueError):
        print(line, file=observer.stdin, flush=True)


def main() -> int:
    """The soak; the exit code."""
    asked, where = parsed(sys.argv[1:]), machine()
    kept = asked.keep or Path(tempfile.mkdtemp(prefix="easel-soak-log-"))
    kept.mkdir(parents=True, exist_ok=True)
    log = kept / "easel.log"
    with small_disk(DISK) as disk:
        if not disk.fills:
            print("No file system may be mounted here: the disk is not filled in this soak.")
        disk.data_dir.mkdir()
        told = asyncio.run(soak(asked, disk, Victim(disk.data_dir, log, FLAGS)))
    print(as_markdown(told, where, log.read_text(errors="replace")))
    (kept / "details.json").write_text(as_json(told))
    print(f"Log and details: {kept}")
    for line in failures(told):
        print(f"FAILED: {line}", file=sys.stderr)
    return 1 if failures(told) else 0


if __name__ == "__main__":
    sys.exit(main())
