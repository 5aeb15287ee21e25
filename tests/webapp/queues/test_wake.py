"""The bell between processes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from webapp.queues import wake
from webapp.queues.wake import Bell


def heard(bell: Bell, topic: str, ring: "threading.Thread | None" = None) -> float:
    """Seconds until the topic's bell wakes a listener that waits 2 s at most."""
    with bell.listening(topic) as ear:
        if ring is not None:
            ring.start()
        begun = time.monotonic()
        ear.wait(begun + 2)
        return time.monotonic() - begun


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Deeper than the name of a Unix socket may be long."""
    return tmp_path / ("deep" * 20) / ("deeper" * 20) / "bells"


def test_a_bell_is_heard_in_another_bell(folder: Path) -> None:
    here, there = Bell(folder), Bell(folder)
    assert heard(here, "a", threading.Timer(0.02, there.ring, ["a"])) < 0.3
    here.close()
    there.close()


def test_a_bell_is_heard_in_the_same_bell(folder: Path) -> None:
    bell = Bell(folder)
    assert heard(bell, "a", threading.Timer(0.02, bell.ring, ["a"])) < 0.3
    bell.close()


def test_another_topic_wakes_nobody(folder: Path) -> None:
    here, there = Bell(folder), Bell(folder)
    assert heard(here, "a", threading.Timer(0.02, there.ring, ["b"])) >= wake.PATIENCE * 0.9
    here.close()
    there.close()


def test_another_process_is_heard(folder: Path) -> None:
    bell = Bell(folder)
    code = f"from webapp.queues.wake import *; Bell(Path({str(folder)!r})).ring('a')"
    with bell.listening("a") as ear:
        subprocess.run([sys.executable, "-c", code], check=True)
        begun = time.monotonic()
        assert ear.wait(begun + 5)
        assert time.monotonic() - begun < 0.3
    bell.close()


def test_the_pipe_of_a_dead_process_is_removed(folder: Path) -> None:
    code = (
        "import os; from webapp.queues.wake import *\n"
        f"with Bell(Path({str(folder)!r})).listening('a'): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(os.listdir(folder)) == 1
    Bell(folder).ring("a")
    assert os.listdir(folder) == []


def test_a_closed_bell_leaves_nothing(folder: Path) -> None:
    bell = Bell(folder)
    with bell.listening("a"):
        assert len(os.listdir(folder)) == 1
    bell.close()
    assert os.listdir(folder) == []
    bell.ring("a")  # harmless


def test_a_full_pipe_does_not_block_the_ringer(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.mkfifo(folder / "slow.pipe")
    reader = os.open(folder / "slow.pipe", os.O_RDWR)
    bell = Bell(folder)
    for _ in range(10_000):
        bell.ring("a")
    os.close(reader)


def test_without_pipes_listeners_look_more_often(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no pipes here")

    monkeypatch.setattr(os, "mkfifo", refuse)
    assert heard(Bell(folder), "a") < 0.2


def test_the_wait_is_over_at_its_end(folder: Path) -> None:
    bell = Bell(folder)
    with bell.listening("a") as ear:
        assert not ear.wait(time.monotonic() - 1)
    bell.close()
