"""File jobs in SQLite, so that they survive a restart."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter

from filebrowser.database import Database, Layout
from filebrowser.gate import Place
from filebrowser.making_room import MakeRoom, no_reserve, with_room
from filebrowser.moving import Conflict, Result, Step
from filebrowser.names import read_name, show_name
from filebrowser.visit import Visit

log = logging.getLogger(__name__)

TABLE = """CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, who TEXT NOT NULL, state TEXT NOT NULL, began REAL NOT NULL,
    errand TEXT NOT NULL, results TEXT NOT NULL DEFAULT '[]', mark TEXT,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT ''
);"""
LAYOUT = Layout(TABLE)
COLUMNS = "id, who, state, began, errand, results, mark, done, total, error"


class Verb(StrEnum):
    """What a job does."""

    MOVE = "move"
    COPY = "copy"
    DELETE = "delete"
    RESTORE = "restore"
    EXTRACT = "extract"


class Phase(StrEnum):
    """Where a job stands. The last three are ends."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (Phase.DONE, Phase.FAILED, Phase.CANCELLED)


@dataclass(frozen=True, slots=True)
class Errand:
    """Everything a job needs to run or to be resumed: operation, access, steps, conflict policy."""

    verb: Verb
    visit: Visit
    steps: tuple[Step, ...]
    conflict: Conflict | None = None


Mark = tuple[int, int]
"""Device and inode of what is about to get its name: found there again, the step was done."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job at one moment. ``done`` and ``total`` are bytes."""

    id: str
    who: str
    state: Phase
    began: float  # seconds since 1970
    errand: Errand
    results: tuple[Result, ...] = ()
    mark: Mark | None = None
    done: int = 0
    total: int = 0
    error: str = ""


ERRANDS: TypeAdapter[Errand] = TypeAdapter(Errand)
RESULTS: TypeAdapter[tuple[Result, ...]] = TypeAdapter(tuple[Result, ...])


class JobStore:
    """The jobs of one data directory; safe for threads. What it says is on the disk."""

    def __init__(self, path: Path, make_room: MakeRoom = no_reserve) -> None:
        self._database = Database(path, LAYOUT)
        self._make_room = make_room
        self._database.call(lambda rows: None)  # damage shows at the start

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(self, job: Job) -> None:
        """Keep a new job."""
        errand = ERRANDS.dump_json(_renamed(job.errand, show_name)).decode()
        self._write(
            "INSERT INTO jobs (id, who, state, began, errand) VALUES (?, ?, ?, ?, ?)",
            (job.id, job.who, job.state, job.began, errand),
            self._reserve_of(job),
        )

    def save(self, job: Job) -> None:
        """Keep where a job stands now."""
        results = RESULTS.dump_json(job.results).decode()
        mark = json.dumps(job.mark) if job.mark else None
        self._write(
            "UPDATE jobs SET state=?, results=?, mark=?, done=?, total=?, error=? WHERE id=?",
            (job.state, results, mark, job.done, job.total, job.error, job.id),
            self._reserve_of(job),
        )

    def of(self, who: str) -> list[Job]:
        """The jobs of one caller, the latest first."""
        return self._read("WHERE who=? ORDER BY began DESC", (who,))

    def find(self, who: str, name: str) -> Job | None:
        """A caller's own job of this id."""
        return next(iter(self._read("WHERE who=? AND id=?", (who, name))), None)

    def unfinished(self) -> list[Job]:
        """What waited or ran when it was last told of, the oldest first."""
        return self._read("WHERE state IN ('waiting', 'running') ORDER BY began", ())

    def forget(self, before: float) -> None:
        """Drop what is over and began before this moment."""
        self._write(
            "DELETE FROM jobs WHERE state NOT IN ('waiting', 'running') AND began < ?", (before,)
        )

    def _reserve_of(self, job: Job) -> MakeRoom:
        """The reserve is for what makes room alone."""
        return self._make_room if job.errand.verb is Verb.DELETE else no_reserve

    def _write(
        self, query: str, values: tuple[object, ...], make_room: MakeRoom = no_reserve
    ) -> None:
        with_room(lambda: self._database.call(lambda rows: rows.execute(query, values)), make_room)

    def _read(self, where: str, values: tuple[object, ...]) -> list[Job]:
        query = f"SELECT {COLUMNS} FROM jobs {where}"
        rows = self._database.call(lambda rows: rows.execute(query, values).fetchall())
        return [job for job in map(_readable, rows) if job is not None]


Row = tuple[str, str, str, float, str, str, str | None, int, int, str]


def _readable(row: Row) -> Job | None:
    """The job of a row; None for one that no version of ours has written."""
    try:
        return _job(row)
    except (ValueError, TypeError) as error:
        log.error("The file job %.32r in the database cannot be read: %.200s", row[0], error)
        return None


def _job(row: Row) -> Job:
    name, who, state, began, errand, results, mark, done, total, error = row
    found = json.loads(mark) if mark else None
    return Job(
        name,
        who,
        Phase(state),
        began,
        _renamed(ERRANDS.validate_json(errand), read_name),
        RESULTS.validate_json(results),
        (found[0], found[1]) if found else None,
        done,
        total,
        error,
    )


def _renamed(errand: Errand, name: Callable[[str], str]) -> Errand:
    """The errand with other names: JSON has none that are no UTF-8, so odd ones are written out."""

    def place(found: Place) -> Place:
        return Place(found.root, tuple(map(name, found.names)))

    steps = (Step(place(s.source), place(s.folder), name(s.name)) for s in errand.steps)
    return replace(errand, steps=tuple(steps))
