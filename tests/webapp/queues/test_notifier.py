"""The bell between processes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wait import TIMEOUT, join_thread
from webapp.queues import notifier
from webapp.queues.notifier import Notifier, Subscribers


def expect_wakeup(bell: Notifier, topic: str, ring: Callable[[], object] = lambda: None) -> None:
    """Wait until a listener goes on; fails where nothing wakes it."""
    with bell.subscribe(topic) as ear:
        listener = threading.Thread(target=lambda: ear.wait(time.monotonic() + TIMEOUT))
        listener.start()
        ring()
        join_thread(listener)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a bell wakes."""
    monkeypatch.setattr(notifier, "POLL_SECONDS", TIMEOUT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Deeper than the name of a Unix socket may be long."""
    return tmp_path / ("deep" * 20) / ("deeper" * 20) / "bells"


def test_a_bell_is_heard_in_another_bell(folder: Path, patient: None) -> None:
    here, there = Notifier(folder), Notifier(folder)
    expect_wakeup(here, "a", lambda: there.notify("a"))
    here.close()
    there.close()


def test_a_bell_is_heard_in_the_same_bell(folder: Path, patient: None) -> None:
    bell = Notifier(folder)
    expect_wakeup(bell, "a", lambda: bell.notify("a"))
    bell.close()


def test_another_topic_wakes_nobody(folder: Path) -> None:
    here, there = Notifier(folder), Notifier(folder)
    begun = time.monotonic()
    expect_wakeup(here, "a", lambda: there.notify("b"))
    assert time.monotonic() - begun >= notifier.POLL_SECONDS * 0.9
    here.close()
    there.close()


def test_another_process_is_heard(folder: Path, patient: None) -> None:
    bell = Notifier(folder)
    code = f"from webapp.queues.notifier import *; Notifier(Path({str(folder)!r})).notify('a')"
    expect_wakeup(bell, "a", lambda: subprocess.run([sys.executable, "-c", code], check=True))
    bell.close()


def test_the_pipe_of_a_dead_process_is_removed(folder: Path) -> None:
    code = (
        "import os; from webapp.queues.notifier import *\n"
        f"with Notifier(Path({str(folder)!r})).subscribe('a'): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(os.listdir(folder)) == 1
    Notifier(folder).notify("a")
    assert os.listdir(folder) == []


def test_a_closed_bell_leaves_nothing(folder: Path) -> None:
    bell = Notifier(folder)
    with bell.subscribe("a"):
        assert len(os.listdir(folder)) == 1
    bell.close()
    assert os.listdir(folder) == []
    bell.notify("a")  # harmless


def test_a_full_pipe_does_not_block_the_ringer(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.mkfifo(folder / "slow.pipe")
    reader = os.open(folder / "slow.pipe", os.O_RDWR)
    bell = Notifier(folder)
    for _ in range(10_000):
        bell.notify("a")
    os.close(reader)


def test_without_pipes_listeners_look_more_often(
    folder: Path, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no pipes here")

    monkeypatch.setattr(os, "mkfifo", refuse)
    expect_wakeup(Notifier(folder), "a")


def test_the_wait_is_over_at_its_end(folder: Path) -> None:
    bell = Notifier(folder)
    with bell.subscribe("a") as ear:
        assert not ear.wait(time.monotonic() - 1)
    bell.close()


def test_of_those_who_all_take_what_comes_each_notification_wakes_one() -> None:
    subscribers: Subscribers[str] = Subscribers()
    with subscribers.add("a") as reader, subscribers.add("a", one_of_many=True) as first:
        with subscribers.add("a", one_of_many=True) as second:
            subscribers.wake("a")
            assert reader.is_set()
            assert first.is_set() != second.is_set()
            subscribers.wake("a")
            assert first.is_set()
            assert second.is_set()
            first.clear()
        assert first.is_set()  # the other one has left without having looked
