"""File jobs in SQLite, so that they survive a restart."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place
from filebrowser.database import FileDatabase, FileDatabaseSchema
from filebrowser.errors import FileError
from filebrowser.names import decode_shown_name, encode_name
from filebrowser.operations.disk_full import MakeRoom, no_reserve, retry_when_full
from filebrowser.operations.move import Conflict, FileStep, StepResult

log = logging.getLogger(__name__)

TABLE = """CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, who TEXT NOT NULL, state TEXT NOT NULL, began REAL NOT NULL,
    errand TEXT NOT NULL, results TEXT NOT NULL DEFAULT '[]', mark TEXT,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT ''
);"""
LAYOUT = FileDatabaseSchema(TABLE)
COLUMNS = "id, who, state, began, errand, results, mark, done, total, error"


class FileOperation(StrEnum):
    """What a job does."""

    MOVE = "move"
    COPY = "copy"
    DELETE = "delete"
    RESTORE = "restore"
    EXTRACT = "extract"


class FileJobState(StrEnum):
    """Where a job stands. The last three are ends."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (FileJobState.DONE, FileJobState.FAILED, FileJobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class FileJobSpec:
    """Everything a job needs to run or to be resumed: operation, access, steps, conflict policy."""

    verb: FileOperation
    visit: FileAccess
    steps: tuple[FileStep, ...]
    conflict: Conflict | None = None


Mark = tuple[int, int]
"""Device and inode of what is about to get its name: found there again, the step was done."""


@dataclass(frozen=True, slots=True)
class FileJob:
    """One job at one moment. ``done`` and ``total`` are bytes."""

    id: str
    who: str
    state: FileJobState
    began: float  # seconds since 1970
    spec: FileJobSpec
    results: tuple[StepResult, ...] = ()
    mark: Mark | None = None
    done: int = 0
    total: int = 0
    error: str = ""


SPEC_ADAPTER: TypeAdapter[FileJobSpec] = TypeAdapter(FileJobSpec)
MARK_ADAPTER: TypeAdapter[Mark] = TypeAdapter(Mark)
RESULTS_ADAPTER: TypeAdapter[tuple[StepResult, ...]] = TypeAdapter(tuple[StepResult, ...])


class FileJobStore:
    """The jobs of one data directory; safe for threads. What it says is on the disk."""

    def __init__(self, path: Path, make_room: MakeRoom = no_reserve, shared: bool = False) -> None:
        self._database = FileDatabase(path, replace(LAYOUT, shared=shared))
        self._make_room = make_room
        self._database.call(lambda rows: None)  # damage shows at the start

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(self, job: FileJob) -> None:
        """Keep a new job."""
        spec = SPEC_ADAPTER.dump_json(_rename_places(job.spec, encode_name)).decode()
        self._execute(
            "INSERT INTO jobs (id, who, state, began, errand) VALUES (?, ?, ?, ?, ?)",
            (job.id, job.who, job.state, job.began, spec),
            self._reserve_of(job),
        )

    def save(self, job: FileJob) -> None:
        """Keep where a job stands now."""
        results = RESULTS_ADAPTER.dump_json(job.results).decode()
        mark = json.dumps(job.mark) if job.mark else None
        self._execute(
            "UPDATE jobs SET state=?, results=?, mark=?, done=?, total=?, error=? WHERE id=?",
            (job.state, results, mark, job.done, job.total, job.error, job.id),
            self._reserve_of(job),
        )

    def jobs_of(self, who: str) -> list[FileJob]:
        """The jobs of one caller, the latest first."""
        return self._select("WHERE who=? ORDER BY began DESC", (who,))

    def find(self, who: str, name: str) -> FileJob | None:
        """A caller's own job of this id."""
        return next(iter(self._select("WHERE who=? AND id=?", (who, name))), None)

    def list_unfinished(self) -> list[FileJob]:
        """What waited or ran when it was last told of, the oldest first."""
        return self._select("WHERE state IN ('waiting', 'running') ORDER BY began", ())

    def delete_finished(self, before: float) -> None:
        """Drop what is over and began before this moment."""
        self._execute(
            "DELETE FROM jobs WHERE state NOT IN ('waiting', 'running') AND began < ?", (before,)
        )

    def _reserve_of(self, job: FileJob) -> MakeRoom:
        """The reserve is for what makes room alone."""
        return self._make_room if job.spec.verb is FileOperation.DELETE else no_reserve

    def _execute(
        self, query: str, values: tuple[object, ...], make_room: MakeRoom = no_reserve
    ) -> None:
        retry_when_full(
            lambda: self._database.call(lambda rows: rows.execute(query, values)), make_room
        )

    def _select(self, where: str, values: tuple[object, ...]) -> list[FileJob]:
        query = f"SELECT {COLUMNS} FROM jobs {where}"
        rows = self._database.call(lambda rows: rows.execute(query, values).fetchall())
        return [job for job in map(_parse_row, rows) if job is not None]


Row = tuple[str, str, str, float, str, str, str | None, int, int, str]


def _parse_row(row: Row) -> FileJob | None:
    """The job of a row; None for one that no version of ours has written."""
    try:
        return _job_from_row(row)
    except (ValueError, TypeError, FileError) as error:
        log.error("The file job %.32r in the database cannot be read: %.200s", row[0], error)
        return None


def _job_from_row(row: Row) -> FileJob:
    name, who, state, began, spec_json, results, mark, done, total, error = row
    return FileJob(
        name,
        who,
        FileJobState(state),
        began,
        _rename_places(SPEC_ADAPTER.validate_json(spec_json), decode_shown_name),
        RESULTS_ADAPTER.validate_json(results),
        MARK_ADAPTER.validate_json(mark) if mark else None,
        done,
        total,
        error,
    )


def _rename_places(spec: FileJobSpec, name: Callable[[str], str]) -> FileJobSpec:
    """The job with other names: JSON has none that are no UTF-8, so odd ones are written out."""

    def place(found: Place) -> Place:
        return Place(found.root, tuple(map(name, found.names)))

    steps = (FileStep(place(s.source), place(s.folder), name(s.name)) for s in spec.steps)
    return replace(spec, steps=tuple(steps))
