"""Jobs written down: what comes back is what was kept, also by odd names and broken rows."""

import errno
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filebrowser.access.file_access import READ_RIGHTS, FileAccess
from filebrowser.access.gate import Place, Root
from filebrowser.errors import NoRoom, NotHere
from filebrowser.operations.conflicts import Conflict
from filebrowser.operations.disk_full import is_disk_full, retry_when_full
from filebrowser.operations.job_store import (
    FileJob,
    FileJobSpec,
    FileJobState,
    FileJobStore,
    FileOperation,
)
from filebrowser.operations.jobs import KEEP_SECONDS, FileJobs
from filebrowser.operations.move import (
    FileStep,
    LeftOutFile,
    LeftOutReason,
    StepResult,
    StepStatus,
    plan_steps,
)
from filebrowser.operations.trash import plan_delete, plan_restore
from filebrowser.uploads.rules import ContentRules
from filebrowser.watch.file_events import FileEvent, FileEventKind
from tests.filebrowser.file_trees import read_tree, write_tree
from tests.wait import TIMEOUT, wait_until

ROOT = Root(
    "data", Path("/srv/data"), True, frozenset({".x"}), frozenset({"code"}), frozenset({"m"})
)
NAMES = (
    st.binary(min_size=1, max_size=8)
    .map(os.fsdecode)
    .filter(lambda name: not {"/", "\0"} & set(name) and name not in (".", ".."))
)
PLACES = st.builds(Place, st.just(ROOT), st.lists(NAMES, min_size=1, max_size=3).map(tuple))


def job(name: str = "one", who: str = "ann", **changes: object) -> FileJob:
    steps = (FileStep(Place(ROOT, ("a",)), Place(ROOT, ("to",)), "a"),)
    spec = FileJobSpec(FileOperation.COPY, FileAccess(who, (ROOT,)), steps)
    first = FileJob(name, who, FileJobState.WAITING, 100.0, spec)
    return replace(first, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileJobStore]:
    store = FileJobStore(tmp_path / "jobs.db")
    yield store
    store.close()


@settings(max_examples=25)
@given(source=PLACES, folder=PLACES, name=NAMES)
def test_any_name_that_a_disk_may_hold_comes_back(
    tmp_path_factory: pytest.TempPathFactory, source: Place, folder: Place, name: str
) -> None:
    store = FileJobStore(tmp_path_factory.mktemp("jobs") / "jobs.db")
    kept = job()
    kept = replace(kept, spec=replace(kept.spec, steps=(FileStep(source, folder, name),)))
    store.add(kept)
    assert store.find("ann", "one") == kept
    store.close()


def test_everything_that_a_job_says_comes_back(store: FileJobStore, tmp_path: Path) -> None:
    left_out = (LeftOutFile("x", LeftOutReason.LINK, "a link"),)
    access = FileAccess("ann", (ROOT, replace(ROOT, name="b", writable=False)), READ_RIGHTS)
    spec = FileJobSpec(FileOperation.EXTRACT, access, job().spec.steps, Conflict.RENAME)
    full = FileJob(
        "one", "ann", FileJobState.FAILED, 7.25, spec,
        (StepResult("/data/a", None, StepStatus.FAILED, "why", left_out, 5),),
        (2**40, 2**63 - 1), 3, 1 << 50, "1 of 1 failed.",
    )  # fmt: skip
    store.add(full)
    store.save(full)
    store.close()
    assert FileJobStore(tmp_path / "jobs.db").find("ann", "one") == full


def test_jobs_are_their_owners_and_the_latest_comes_first(store: FileJobStore) -> None:
    for number, (name, who) in enumerate((("a", "ann"), ("b", "bob"), ("c", "ann"))):
        store.add(job(name, who, began=float(number)))
    assert [each.id for each in store.jobs_of("ann")] == ["c", "a"]
    assert store.find("ann", "b") is None
    assert store.find("bob", "b") is not None


def test_what_is_not_over_is_taken_up_in_its_order(store: FileJobStore) -> None:
    for number, state in enumerate(FileJobState):
        store.add(job(f"late {state}", began=50.0 - number))
        store.save(job(f"late {state}", state=state))
    assert [each.state for each in store.list_unfinished()] == [
        FileJobState.RUNNING, FileJobState.WAITING,
    ]  # fmt: skip
    assert [state.is_over for state in FileJobState] == [False, False, True, True, True]


def test_only_what_is_over_and_old_is_forgotten(store: FileJobStore) -> None:
    for name, state, began in (
        ("old", FileJobState.DONE, 1.0),
        ("young", FileJobState.FAILED, 3.0),
        ("running", FileJobState.RUNNING, 1.0),
    ):
        store.add(job(name, began=began))
        store.save(job(name, state=state))
    store.delete_finished(2.0)
    assert {each.id for each in store.jobs_of("ann")} == {"young", "running"}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "sleeping"),
        ("errand", "{}"),
        ("errand", "no json"),
        ("results", "[1]"),
        ("mark", "[1]"),
        ("mark", "{"),
        ("mark", '{"0": 1}'),
        ("mark", "[1, 2, 3]"),
    ],
)
def test_a_row_that_no_version_wrote_is_logged_and_passed_over(
    store: FileJobStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str, value: str
) -> None:
    store.add(job("good"))
    store.add(job("broken"))
    with sqlite3.connect(tmp_path / "jobs.db") as rows:
        rows.execute(f"UPDATE jobs SET {column} = ? WHERE id = 'broken'", (value,))
    rows.close()
    with caplog.at_level(logging.ERROR):
        assert [each.id for each in store.jobs_of("ann")] == ["good"]
    assert "'broken' in the database cannot be read" in caplog.text


@pytest.mark.parametrize("name", ["..", "a/b", r"\\x2e", "a\\u0000"])
def test_a_row_whose_names_no_disk_has_stops_no_start(
    store: FileJobStore, tmp_path: Path, name: str
) -> None:
    store.add(job("good"))
    store.add(job("broken"))
    with sqlite3.connect(tmp_path / "jobs.db") as rows:
        rows.execute(
            "UPDATE jobs SET errand = replace(errand, ?, ?) WHERE id = 'broken'",
            ('"name":"a"', f'"name":"{name}"'),
        )
    rows.close()
    assert [each.id for each in store.list_unfinished()] == ["good"]


class _Full(sqlite3.OperationalError):
    sqlite_errorname = "SQLITE_FULL"


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, ""), True),
        (OSError(errno.EDQUOT, ""), True),
        (OSError(errno.EIO, ""), False),
        (_Full(), True),
        (sqlite3.OperationalError("locked"), False),
        (ValueError(), False),
    ],
)
def test_a_full_disk_is_told_by_its_errors(error: Exception, full: bool) -> None:
    assert is_disk_full(error) is full


def test_work_is_tried_again_for_as_long_as_room_can_be_made() -> None:
    tries: list[int] = []

    def act() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise _Full
        return "done"

    assert retry_when_full(act, lambda: True) == "done"
    assert len(tries) == 3
    tries.clear()
    with pytest.raises(_Full):
        retry_when_full(act, lambda: len(tries) < 2)
    assert len(tries) == 2


def test_another_failure_makes_no_room() -> None:
    def act() -> None:
        raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        retry_when_full(act, lambda: pytest.fail("room was made for a broken disk"))


class FullStore(FileJobStore):
    """A store whose disk takes no row."""

    full = True

    def _execute(self, query: str, values: tuple[object, ...], *_: object) -> None:
        if self.full:
            raise _Full
        super()._execute(query, values)


@pytest.fixture
def jobs(tmp_path: Path, events: list[FileEvent]) -> Iterator[Callable[..., FileJobs]]:
    """Makes jobs that run."""
    running: list[FileJobs] = []

    def start(store: FileJobStore | None = None) -> FileJobs:
        jobs = FileJobs(store or FileJobStore(tmp_path / "jobs.db"), ContentRules(), events.append)
        jobs.start()
        running.append(jobs)
        return jobs

    yield start
    for jobs_ in running:
        jobs_.stop()


def test_on_a_full_disk_a_deletion_goes_on_and_a_copy_is_refused(
    ann: FileAccess, data: Root, tmp_path: Path, jobs: Callable[..., FileJobs]
) -> None:
    write_tree(data.path, {"a": b"a", "to": None})
    running = jobs(FullStore(tmp_path / "jobs.db"))
    copy = FileJobSpec(FileOperation.COPY, ann, plan_steps(ann, ["/data/a"], "/data/to", False))
    with pytest.raises(NoRoom, match="Delete something"):
        running.submit(copy, TIMEOUT)
    _, steps = plan_delete(ann, ["/data/a"])
    done = running.submit(FileJobSpec(FileOperation.DELETE, ann, steps), TIMEOUT)
    assert (done.state, done.results[0].to) == (FileJobState.DONE, None)
    assert read_tree(data.path) == {"to": None}


def test_a_job_tells_events_by_the_paths_that_people_know(
    ann: FileAccess, data: Root, jobs: Callable[..., FileJobs], events: list[FileEvent]
) -> None:
    write_tree(data.path, {"a": b"a", "to": None})
    running = jobs()
    trash_id, steps = plan_delete(ann, ["/data/a"])
    running.submit(FileJobSpec(FileOperation.DELETE, ann, steps), TIMEOUT)
    back = plan_restore(ann, trash_id, None)
    done = running.submit(FileJobSpec(FileOperation.RESTORE, ann, back), TIMEOUT)
    assert [(each.path, each.to) for each in done.results] == [("/data/a", "/data/a")]
    assert [(each.kind, each.place.text) for each in events] == [
        (FileEventKind.DELETED, "data/a"),
        (FileEventKind.CREATED, "data/a"),
    ]
    assert os.listdir(data.path / ".trash") == []


def test_one_step_that_fails_is_counted_and_the_others_are_done(
    ann: FileAccess, data: Root, jobs: Callable[..., FileJobs]
) -> None:
    write_tree(data.path, {"a": b"a", "b": b"b", "to": None})
    steps = plan_steps(ann, ["/data/a", "/data/b"], "/data/to", False)
    (data.path / "to" / "a").write_bytes(b"came meanwhile")
    done = jobs().submit(FileJobSpec(FileOperation.COPY, ann, steps), TIMEOUT)
    assert (done.state, done.error) == (FileJobState.FAILED, "1 of 2 failed.")
    assert [each.status for each in done.results] == [StepStatus.FAILED, StepStatus.DONE]
    assert (done.done, done.total) == (2, 2)
    assert read_tree(data.path / "to") == {"a": b"came meanwhile", "b": b"b"}


def test_a_fault_of_ours_is_logged_and_told_without_its_words(
    ann: FileAccess,
    data: Root,
    jobs: Callable[..., FileJobs],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("/srv/secret")

    write_tree(data.path, {"a": b"a"})
    monkeypatch.setattr("filebrowser.operations.running_job.run_step", broken)
    steps = plan_steps(ann, ["/data/a"], "/data/b", False)
    with caplog.at_level(logging.ERROR):
        done = jobs().submit(FileJobSpec(FileOperation.COPY, ann, steps), TIMEOUT)
    assert done.state is FileJobState.FAILED
    assert "secret" not in done.error
    wait_until(lambda: "A job on files failed" in caplog.text)


def test_a_finished_job_is_told_of_for_a_day_and_to_its_owner_alone(
    ann: FileAccess, data: Root, jobs: Callable[..., FileJobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(data.path, {"a": b"a"})
    running = jobs()
    spec = FileJobSpec(FileOperation.COPY, ann, plan_steps(ann, ["/data/a"], "/data/b", False))
    done = running.submit(spec, TIMEOUT)
    assert running.jobs_of("ann") == [running.get("ann", done.id)] == [done]
    assert running.cancel("ann", done.id) == done  # it is over
    for who, name in (("bob", done.id), ("ann", "none")):
        with pytest.raises(NotHere, match="You have no job"):
            running.get(who, name)
    monkeypatch.setattr(
        "filebrowser.operations.jobs.time.time", lambda: done.began + KEEP_SECONDS + 1
    )
    running.submit(replace(spec, steps=()), TIMEOUT)
    assert done.id not in {each.id for each in running.jobs_of("ann")}


def test_a_step_into_a_folder_that_went_says_so(
    ann: FileAccess, data: Root, jobs: Callable[..., FileJobs]
) -> None:
    write_tree(data.path, {"a": b"a", "to": None})
    steps = plan_steps(ann, ["/data/a"], "/data/to", True)
    (data.path / "to").rmdir()
    done = jobs().submit(FileJobSpec(FileOperation.MOVE, ann, steps), TIMEOUT)
    assert done.state is FileJobState.FAILED
    assert "nothing at 'data/to" in done.results[0].error
    assert read_tree(data.path) == {"a": b"a"}
