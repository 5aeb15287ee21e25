"""Jobs that go on where a killed process left them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Root
from filebrowser.errors import NotHere, TooBusy
from filebrowser.operations import trash
from filebrowser.operations.job_store import (
    FileJob,
    FileJobSpec,
    FileJobState,
    FileJobStore,
    FileOperation,
)
from filebrowser.operations.jobs import MOST_WAITING, FileJobs
from filebrowser.operations.move import Conflict, StepStatus, plan_steps
from filebrowser.uploads.rules import ContentRules
from filebrowser.uploads.upload_store import UploadStore
from filebrowser.watch.file_events import FileEvent
from tests.wait import TIMEOUT, wait_until

SLOWLY = """
import os, sys, time
from pathlib import Path
from filebrowser.access.gate import Root
from filebrowser.operations.jobs import FileJobs
from filebrowser.operations.job_store import FileJobSpec, FileJobStore, FileOperation
from filebrowser.operations.move import plan_steps
from filebrowser.uploads.rules import ContentRules
from filebrowser.access.file_access import FileAccess

here = Path(sys.argv[1])
pump = os.copy_file_range
def slowly(read, written, count, *offsets):
    time.sleep(0.5)
    return pump(read, written, min(count, 1 << 16), *offsets)
os.copy_file_range = slowly
access = FileAccess("ann", (Root("data", here / "data", hidden=frozenset({".trash", ".uploads"})),))
jobs = FileJobs(FileJobStore(here / "jobs.db"), ContentRules(), lambda _: None)
steps = plan_steps(access, ["/data/small", "/data/big"], "/data/to", False)
jobs.submit(FileJobSpec(FileOperation.COPY, access, steps), 60)
"""


@pytest.fixture
def visit(tmp_path: Path) -> FileAccess:
    data = tmp_path / "data"
    for name in ("small", "big", "to"):
        (data / name).mkdir(parents=True)
    (data / "small" / "a.txt").write_text("a")
    (data / "big" / "b.bin").write_bytes(os.urandom(1 << 20) * 4)
    return FileAccess("ann", (Root("data", data, hidden=frozenset({".trash", ".uploads"})),))


@contextmanager
def running(tmp_path: Path) -> Iterator[tuple[FileJobs, list[FileEvent]]]:
    events: list[FileEvent] = []
    jobs = FileJobs(
        FileJobStore(tmp_path / "jobs.db"), ContentRules(), events.append, UploadStore().reserve
    )
    jobs.start()
    try:
        yield jobs, events
    finally:
        jobs.stop()


def wait_for_end(jobs: FileJobs, job: FileJob) -> FileJob:
    wait_until(lambda: jobs.get(job.who, job.id).state.is_over)
    return jobs.get(job.who, job.id)


def test_a_copy_goes_on_after_kill_9(visit: FileAccess, tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    process = subprocess.Popen([sys.executable, "-c", SLOWLY, str(tmp_path)], cwd=root)
    grown = tmp_path / "data" / ".trash"
    wait_until(lambda: list(grown.glob(".work-*/copy/b.bin")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(grown.glob(".work-*/copy/b.bin"))  # half of it
    assert not (tmp_path / "data" / "to" / "big").exists()
    with running(tmp_path) as (jobs, events):
        (job,) = jobs.jobs_of("ann")
        job = wait_for_end(jobs, job)
        assert (job.state, [each.status for each in job.results]) == (
            FileJobState.DONE,
            [StepStatus.DONE, StepStatus.DONE],
        )
        assert len(events) == 1  # the first was done before
    assert (tmp_path / "data" / "to" / "big" / "b.bin").read_bytes() == (
        tmp_path / "data" / "big" / "b.bin"
    ).read_bytes()
    assert os.listdir(grown) == []


def store_interrupted_job(tmp_path: Path, job: FileJob) -> None:
    """Leave a job in the database as a process that was killed does."""
    store = FileJobStore(tmp_path / "jobs.db")
    store.add(job)
    store.save(replace(job, state=FileJobState.RUNNING))
    store.close()


def job_of(
    visit: FileAccess, verb: FileOperation, steps: object, conflict: Conflict | None = None
) -> FileJob:
    spec = FileJobSpec(verb, visit, steps, conflict)  # type: ignore[arg-type]
    return FileJob("one", "ann", FileJobState.RUNNING, time.time(), spec)


@pytest.mark.parametrize("done", [True, False])
def test_a_move_that_was_or_was_not_done(visit: FileAccess, tmp_path: Path, done: bool) -> None:
    """The process died just after, or just before, the new name; the database is the same."""
    steps = plan_steps(visit, ["/data/big"], "/data/to", True)
    facts = (tmp_path / "data" / "big").stat()
    job = replace(
        job_of(visit, FileOperation.MOVE, steps, Conflict.RENAME), mark=(facts.st_dev, facts.st_ino)
    )
    if done:
        os.rename(tmp_path / "data" / "big", tmp_path / "data" / "to" / "big (1)")
    store_interrupted_job(tmp_path, job)
    with running(tmp_path) as (jobs, _):
        found = wait_for_end(jobs, jobs.get("ann", "one"))
    assert found.state is FileJobState.DONE
    assert found.results[0].to == ("/data/to/big (1)" if done else "/data/to/big")
    assert len(list((tmp_path / "data" / "to").iterdir())) == 1


def test_a_new_name_in_the_same_folder_loses_nothing(visit: FileAccess, tmp_path: Path) -> None:
    steps = plan_steps(visit, ["/data/big"], "/data/huge", True, exactly=True)
    facts = (tmp_path / "data" / "big").stat()
    job = replace(job_of(visit, FileOperation.MOVE, steps), mark=(facts.st_dev, facts.st_ino))
    store_interrupted_job(tmp_path, job)
    with running(tmp_path) as (jobs, _):
        assert wait_for_end(jobs, jobs.get("ann", "one")).results[0].to == "/data/huge"
    assert (tmp_path / "data" / "huge" / "b.bin").exists()
    assert not (tmp_path / "data" / "big").exists()


def test_a_move_across_disks_ends_with_one_of_them(visit: FileAccess, tmp_path: Path) -> None:
    """The copy had its name already when the process died; the original was to go."""
    steps = plan_steps(visit, ["/data/big"], "/data/to", True)
    shutil.copytree(tmp_path / "data" / "big", tmp_path / "data" / "to" / "big")
    facts = (tmp_path / "data" / "to" / "big").stat()
    job = replace(job_of(visit, FileOperation.MOVE, steps), mark=(facts.st_dev, facts.st_ino))
    store_interrupted_job(tmp_path, job)
    with running(tmp_path) as (jobs, _):
        assert wait_for_end(jobs, jobs.get("ann", "one")).results[0].to == "/data/to/big"
    assert (tmp_path / "data" / "to" / "big" / "b.bin").exists()
    assert not (tmp_path / "data" / "big").exists()


def test_a_deletion_goes_on(visit: FileAccess, tmp_path: Path) -> None:
    trash_id, steps = trash.plan_delete(visit, ["/data/big", "/data/small"])
    os.rename(tmp_path / "data" / "big", tmp_path / "data" / ".trash" / trash_id / "0")
    store_interrupted_job(tmp_path, job_of(visit, FileOperation.DELETE, steps))
    with running(tmp_path) as (jobs, _):
        found = wait_for_end(jobs, jobs.get("ann", "one"))
    assert [each.status for each in found.results] == [StepStatus.FAILED, StepStatus.DONE]
    assert len(trash.plan_restore(visit, trash_id, None)) == 2  # both can be brought back


def test_what_cannot_go_on_says_so(visit: FileAccess, tmp_path: Path) -> None:
    steps = plan_steps(visit, ["/data/big"], "/data/to", False)
    store_interrupted_job(tmp_path, job_of(visit, FileOperation.COPY, steps))
    os.rename(tmp_path / "data" / "big", tmp_path / "data" / "elsewhere")
    with running(tmp_path) as (jobs, _):
        found = wait_for_end(jobs, jobs.get("ann", "one"))
    assert (found.state, "nothing at" in found.error) == (FileJobState.FAILED, True)


def test_an_end_of_the_process_is_no_end_of_the_job(
    visit: FileAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pump = os.copy_file_range

    def slowly(read: int, written: int, count: int, *offsets: int) -> int:
        time.sleep(0.2)
        return pump(read, written, min(count, 1 << 16), *offsets)

    monkeypatch.setattr(os, "copy_file_range", slowly)
    with running(tmp_path) as (jobs, _):
        steps = plan_steps(visit, ["/data/big"], "/data/to", False)
        job = jobs.submit(FileJobSpec(FileOperation.COPY, visit, steps), 0.1)
        assert job.state is FileJobState.RUNNING
    assert os.listdir(tmp_path / "data" / "to") == []
    monkeypatch.undo()
    with running(tmp_path) as (jobs, _):
        assert wait_for_end(jobs, jobs.get("ann", job.id)).state is FileJobState.DONE
    assert os.listdir(tmp_path / "data" / "to") == ["big"]


def test_no_room_is_said_before_anything_is_written(
    visit: FileAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "filebrowser.operations.running_job.measure",
        lambda _: type("Huge", (), {"size": 1 << 62})(),
    )
    with running(tmp_path) as (jobs, _):
        steps = plan_steps(visit, ["/data/big"], "/data/to", False)
        job = jobs.submit(FileJobSpec(FileOperation.COPY, visit, steps), TIMEOUT)
    assert (job.state, "do not fit" in job.error) == (FileJobState.FAILED, True)
    assert os.listdir(tmp_path / "data" / "to") == []


def test_nobody_has_too_many(
    visit: FileAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filebrowser.operations.jobs.MAX_RUNNING", 1)
    pump = os.copy_file_range

    def slowly(read: int, written: int, count: int, *offsets: int) -> int:
        time.sleep(0.5)
        return pump(read, written, min(count, 1 << 16), *offsets)

    monkeypatch.setattr(os, "copy_file_range", slowly)
    with running(tmp_path) as (jobs, _):
        spec = FileJobSpec(
            FileOperation.COPY,
            visit,
            plan_steps(visit, ["/data/big"], "/data/to", False),
            Conflict.RENAME,
        )
        begun = [jobs.submit(spec, 0) for _ in range(MOST_WAITING)]
        with pytest.raises(TooBusy):
            jobs.submit(spec, 0)
        with pytest.raises(NotHere):
            jobs.cancel("bob", begun[0].id)
        for job in begun:
            jobs.cancel("ann", job.id)
        for job in begun:
            assert wait_for_end(jobs, job).state is FileJobState.CANCELLED
