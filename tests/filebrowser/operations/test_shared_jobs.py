"""Jobs on files whose processes have one store: told, ended and taken up by any of them."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Root
from filebrowser.operations.job_store import FileJobSpec, FileJobState, FileJobStore, FileOperation
from filebrowser.operations.jobs import FileJobs
from filebrowser.operations.move import plan_steps
from filebrowser.operations.running_job import JobLock, turn_of
from filebrowser.uploads.rules import ContentRules
from tests.filebrowser.shared_turns import MemoryTurns
from tests.wait import wait_until


@pytest.fixture
def visit(tmp_path: Path) -> FileAccess:
    """A tree with a file to copy."""
    data = tmp_path / "data"
    (data / "big").mkdir(parents=True)
    (data / "to").mkdir()
    (data / "big/b.bin").write_bytes(os.urandom(1 << 18))
    return FileAccess("ann", (Root("data", data, hidden=frozenset({".trash", ".uploads"})),))


@contextmanager
def node(tmp_path: Path, turns: MemoryTurns) -> Iterator[FileJobs]:
    """One process."""
    store = FileJobStore(tmp_path / "jobs.db", shared=True)
    jobs = FileJobs(store, ContentRules(), lambda _: None, shared=turns)
    jobs.start()
    try:
        yield jobs
    finally:
        jobs.stop()


@contextmanager
def stopped_copying(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Copies stand still within, a piece each 20 ms afterwards no more."""
    free, pump = threading.Event(), os.copy_file_range

    def slowly(read: int, written: int, count: int, *offsets: int) -> int:
        free.wait(0.02)
        return pump(read, written, 1 if not free.is_set() else count, *offsets)

    monkeypatch.setattr(os, "copy_file_range", slowly)
    try:
        yield
    finally:
        free.set()


def copying(visit: FileAccess) -> FileJobSpec:
    """A copy of the file."""
    return FileJobSpec(
        FileOperation.COPY, visit, plan_steps(visit, ["/data/big"], "/data/to", False)
    )


def test_a_job_of_one_process_is_told_and_ended_by_the_other(
    visit: FileAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = MemoryTurns()
    with ExitStack() as stack:
        here, there = (stack.enter_context(node(tmp_path, turns)) for _ in range(2))
        stack.enter_context(stopped_copying(monkeypatch))
        job = here.submit(copying(visit), 0.0)
        there.adopt()
        assert there._running == {}
        assert there.get("ann", job.id).state in (FileJobState.WAITING, FileJobState.RUNNING)
        assert there.cancel("ann", job.id).state is FileJobState.CANCELLED
        wait_until(lambda: turns.held == {})
    assert os.listdir(visit.roots[0].path / "to") == []


def test_a_job_whose_process_died_is_taken_up_or_ended_by_the_other(
    visit: FileAccess, tmp_path: Path
) -> None:
    turns = MemoryTurns()
    store = FileJobStore(tmp_path / "jobs.db", shared=True)
    with node(tmp_path, turns) as there:
        for name in ("one", "two"):
            turns.held[turn_of(name)] = JobLock("ann")
        first = there.submit(replace(copying(visit), steps=()), 1.0)  # for the form of a job
        for name in ("one", "two"):
            store.add(replace(first, id=name, state=FileJobState.WAITING, spec=copying(visit)))
            store.save(replace(first, id=name, state=FileJobState.RUNNING))
        there.adopt()
        assert there.get("ann", "one").state is FileJobState.RUNNING
        turns.forget()
        assert there.cancel("ann", "two").state is FileJobState.CANCELLED
        there.adopt()
        wait_until(lambda: there.get("ann", "one").state is FileJobState.DONE)
    store.close()
    assert (visit.roots[0].path / "to/big/b.bin").is_file()


def test_a_turn_is_left_where_the_store_fails(
    visit: FileAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the process would keep it as long as it lives, and nobody could take up the job."""
    turns = MemoryTurns()

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with node(tmp_path, turns) as here:
        with monkeypatch.context() as locked:
            locked.setattr(FileJobStore, "add", refuse)
            with pytest.raises(sqlite3.OperationalError):
                here.submit(copying(visit), 0.0)
        assert turns.held == {}
        job = here.submit(replace(copying(visit), steps=()), 1.0)
        here._store.save(replace(job, state=FileJobState.RUNNING))
        with monkeypatch.context() as locked:
            locked.setattr(FileJobStore, "find", refuse)
            with pytest.raises(sqlite3.OperationalError):
                here.adopt()
        assert turns.held == {}
        here.adopt()
        wait_until(lambda: here.get("ann", job.id).state is FileJobState.DONE)
