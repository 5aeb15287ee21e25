"""Timing records of all workers in one SQLite file: workers write per job, the web process reads.

A change is one transaction, so no reader sees half of it, and no worker's work is lost to another.
"""

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator.database import CacheDatabase, CacheSchema
from plugins.pace.stopwatch import JobTimes, StepKind

FILE = "pace.db"
LOCK_TIMEOUT = 1.0  # seconds for another worker's entry
MAX_KINDS = 200  # kinds that are kept, the last seen ones: callers choose sizes freely
NEWEST_WEIGHT = 0.3  # share of the newest job in what counts as recent
MAX_AGE_SECONDS = 90 * 86400.0  # seconds after which a kind is forgotten that was not drawn again
JOBS, PICTURES, BYTES, FAILURES, SECONDS = "jobs", "pictures", "bytes", "failures", "seconds"
START, SAMPLING, FINISH = "start", "sampling", "finish"
RECENT = "recent"  # of START a job, of FINISH a picture

TABLES = """
CREATE TABLE IF NOT EXISTS paces (
    model TEXT, sampler TEXT, width INTEGER, height INTEGER, batch INTEGER,
    steps INTEGER, seconds REAL, recent REAL, seen REAL,
    PRIMARY KEY (model, sampler, width, height, batch));
CREATE TABLE IF NOT EXISTS sums (name TEXT, kind TEXT, value REAL, PRIMARY KEY (name, kind));
"""
UPSERT_PACE = f"""INSERT INTO paces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    steps = steps + excluded.steps, seconds = seconds + excluded.seconds,
    recent = recent + {NEWEST_WEIGHT} * (excluded.recent - recent), seen = excluded.seen"""
DELETE_OLDEST = """DELETE FROM paces WHERE rowid NOT IN (
    SELECT rowid FROM paces ORDER BY seen DESC LIMIT ?)"""
ADD_TO_SUM = """INSERT INTO sums VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET value = value + excluded.value"""
BLEND_INTO_SUM = f"""INSERT INTO sums VALUES ('{RECENT}', ?, ?)
    ON CONFLICT DO UPDATE SET value = value + {NEWEST_WEIGHT} * (excluded.value - value)"""


@dataclass(frozen=True, slots=True)
class Pace:
    """Measured time of one kind of step."""

    kind: StepKind
    steps: int
    seconds: float  # all of them
    recent: float  # seconds a step, the last jobs weighing most
    seen: float  # when it was last drawn, seconds since 1970


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything, the kind that was drawn last first."""

    paces: tuple[Pace, ...] = ()
    sums: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # by name and kind

    def sum(self, name: str, kind: str = "") -> float:
        """One sum, 0 before anything was added."""
        return self.sums.get(name, {}).get(kind, 0.0)


class PaceRecords:
    """Opened when it is first asked, and again after :meth:`close`. Safe for threads.

    Every method raises ``OSError`` and ``sqlite3.Error``.
    """

    def __init__(self, storage: Path) -> None:
        self.path = storage / FILE
        self._database = CacheDatabase(self.path, CacheSchema(TABLES, lock_timeout=LOCK_TIMEOUT))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def delete_before(self, before: float) -> None:
        """Drop kinds of step that were last drawn before this moment."""
        query = "DELETE FROM paces WHERE seen < ?"
        self._database.call(lambda book: book.execute(query, (before,)))

    def add_job(self, times: JobTimes, saved: int) -> None:
        """One finished job, and how many bytes of it were saved."""

        def add(book: sqlite3.Connection) -> None:
            for kind, (steps, seconds) in times.steps.items():
                key = (kind.model, kind.sampler, kind.width, kind.height, kind.batch)
                book.execute(UPSERT_PACE, (*key, steps, seconds, seconds / steps, time.time()))
            book.execute(DELETE_OLDEST, (MAX_KINDS,))
            counted = {JOBS: 1, PICTURES: times.pictures, BYTES: saved}
            spent = {START: times.start, SAMPLING: times.sampling, FINISH: times.finish}
            book.executemany(ADD_TO_SUM, [(name, "", value) for name, value in counted.items()])
            book.executemany(ADD_TO_SUM, [(SECONDS, part, value) for part, value in spent.items()])
            book.execute(BLEND_INTO_SUM, (START, times.start))
            if times.pictures:
                book.execute(BLEND_INTO_SUM, (FINISH, times.finish / times.pictures))

        self._database.call(add)

    def add_failure(self, kind: str) -> None:
        """One job that ended in an error."""
        self._database.call(lambda book: book.execute(ADD_TO_SUM, (FAILURES, kind, 1)))

    def read_figures(self) -> Figures:
        """Everything that is known."""

        def select(book: sqlite3.Connection) -> tuple[list[Any], list[Any]]:
            paces = book.execute("SELECT * FROM paces ORDER BY seen DESC").fetchall()
            return paces, book.execute("SELECT * FROM sums").fetchall()

        rows, sum_rows = self._database.call(select)
        sums: dict[str, dict[str, float]] = {}
        for name, kind, value in sum_rows:
            sums.setdefault(name, {})[kind] = value
        return Figures(tuple(Pace(StepKind(*row[:5]), *row[5:]) for row in rows), sums)
