"""Charges come from the queue's store into the ledger once, whatever dies meanwhile."""

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.wait import Clock, wait_until
from tests.webapp.ledger.sample_charges import CHARGE
from webapp.access.secret import Secret
from webapp.errors import Unavailable
from webapp.ledger import drain as drain_module
from webapp.ledger.drain import DrainThread, drain
from webapp.ledger.handle import LedgerHandle
from webapp.queues.contracts.charges import BusyTime
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

OK = Answer(200, b"")


@pytest.fixture
def store(memory_folder: Path) -> Iterator[SqliteStore]:
    """The queue."""
    opened = SqliteStore(memory_folder / "queue.db")
    yield opened
    opened.close()


@pytest.fixture
def handle(memory_folder: Path) -> Iterator[LedgerHandle]:
    """The ledger beside it."""
    made = LedgerHandle(None, memory_folder)
    yield made
    made.close()


def work(store: SqliteStore, *names: str) -> None:
    """Jobs of ann's, a second each."""
    for name in names:
        store.put(Frame(name, "generate", b"", owner="ann"))
        lease = store.take(WorkerId("cpu"), (), 0)
        assert lease is not None
        store.answer(lease, OK, 1.0)


def test_the_ledger_is_opened_for_charges_alone(
    store: SqliteStore, handle: LedgerHandle, memory_folder: Path
) -> None:
    assert drain(store, handle) == 0
    assert not (memory_folder / "ledger.db").exists()
    work(store, *(f"j{number}" for number in range(3)))
    store.add_busy_time(BusyTime("w", "2026-11-10", "cpu", 3.0))
    assert drain(store, handle) == 3
    assert store.read_charges(1) == []
    assert handle.get().used("ann", 0).gpu_seconds == 3.0
    assert handle.get().busy_seconds("2026-11-01", "2026-12-01") == 3.0


def test_more_than_one_transaction_takes(
    store: SqliteStore, handle: LedgerHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain_module, "BATCH", 2)
    work(store, *"abcde")
    assert drain(store, handle) == 5


def test_a_charge_that_cannot_be_read_is_dropped_and_told(
    store: SqliteStore, handle: LedgerHandle, caplog: pytest.LogCaptureFixture
) -> None:
    with store.database.write_transaction() as db:
        for text in ("{", "7", '{"job": "a"}', '{"outcome": "of a later version"}'):
            db.execute("INSERT INTO charges (facts) VALUES (?)", (text,))
    work(store, "a")
    with caplog.at_level(logging.ERROR):
        assert drain(store, handle) == 1
    assert "4 charges could not be read" in caplog.text
    assert store.read_charges(9) == []


CRASHING = """
import os, signal, sys
from pathlib import Path
from webapp.ledger.drain import drain
from webapp.ledger.handle import LedgerHandle
from webapp.queues.sqlite.store import SqliteStore

class Crashing(SqliteStore):
    def remove_charges(self, keys):
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
drain(Crashing(folder / "queue.db"), LedgerHandle(None, folder))
"""


def test_who_is_killed_between_ledger_and_queue_charges_nobody_twice(
    store: SqliteStore, handle: LedgerHandle, memory_folder: Path
) -> None:
    work(store, "a", "b")
    died = subprocess.run([sys.executable, "-c", CRASHING, memory_folder], cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    assert len(store.read_charges(9)) == 2
    assert handle.get().used("ann", 0).jobs == 2
    work(store, "c")
    assert drain(store, handle) == 1
    assert store.read_charges(9) == []
    assert handle.get().used("ann", 0).jobs == 3


def test_charges_wait_while_the_ledger_cannot_be_used(
    store: SqliteStore, memory_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    broken = LedgerHandle(Secret(f"sqlite:///{memory_folder}/no/l.db"), memory_folder, clock)
    work(store, "a")
    thread = DrainThread(store, broken, 13, clock)
    with caplog.at_level(logging.ERROR):
        assert not thread.turn()
        assert not thread.turn()
    assert caplog.text.count("charges wait for the usage ledger") <= 2
    with pytest.raises(Unavailable):
        broken.get()
    (memory_folder / "no").mkdir()
    clock.skip(10)
    assert thread.turn()
    assert broken.get().used("ann", 0).jobs == 1
    broken.close()


def test_old_charges_are_forgotten_once_a_day(store: SqliteStore, handle: LedgerHandle) -> None:
    clock = Clock()
    handle.get().record(replace(CHARGE, ended_at=clock() - 100 * 86400))
    thread = DrainThread(store, handle, 2, clock)
    work(store, "a")
    thread.start()
    wait_until(lambda: not store.read_charges(1))
    thread.stop()
    assert handle.get().compact("9999-01-01") == 1  # the new one was still there
    assert handle.get().used("ann", 0).jobs == 2
