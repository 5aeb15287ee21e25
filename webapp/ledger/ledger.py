"""``Ledger``: charges in, sums out. No Flask.

A charge is written together with the sums of its day, in one transaction, and once: its job and
delivery name it. The sums stay for ever, the charges themselves some months.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from webapp.access.secret import Secret
from webapp.accounts.database import AccountDatabase, open_database, storable
from webapp.accounts.migrate import Steps, migrate
from webapp.ledger.schema import HEAD, VERSION_TABLE, busy_times, charges, days
from webapp.ledger.utc_days import day_of, start_of_day
from webapp.queues.contracts.charges import BusyTime, Charge, Outcome

LEDGER_NAME, LEDGER = "ledger.db", "usage ledger's database"
STEPS = Steps(Path(__file__).parent / "migrations", HEAD, VERSION_TABLE)
DAY_SECONDS = 86400
MAX_INTEGER = 2**31 - 1
KEYS = ("day", "user", "user_group", "model", "device")
TEXTS = tuple(
    (name, column.type.length or 0)
    for name, column in charges.c.items()
    if isinstance(column.type, sa.String)
)
"""Columns of texts, and how many characters they hold."""

Row = dict[str, Any]
BILLED = [str(outcome) for outcome in Outcome if outcome.is_billed]


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums of charges. All but the last two count what is billed alone.

    ``unbilled_seconds``: of jobs that failed, were given back, or whose worker died.
    """

    jobs: int = 0
    gpu_seconds: float = 0.0
    drawing_seconds: float = 0.0
    queue_seconds: float = 0.0
    pictures: int = 0
    megapixel_steps: float = 0.0
    stored_bytes: int = 0
    unbilled_jobs: int = 0
    unbilled_seconds: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        both = zip(_figures(self), _figures(other), strict=True)
        return Usage(*(one + another for one, another in both))


FIGURES = tuple(figure.name for figure in fields(Usage))
BILLED_FIGURES = FIGURES[1:-2]


class Ledger:
    """The ledger's tables, for all threads of a process."""

    def __init__(self, database: AccountDatabase) -> None:
        self.database = database

    def record(self, charge: Charge) -> bool:
        """Write a charge down; False where it was there already. Raises ``Unavailable``."""
        return self.record_all([charge]) == 1

    def record_all(self, several: Sequence[Charge]) -> int:
        """Write charges down, all or none; how many were new. Raises ``Unavailable``."""
        told = {(row["job"], row["delivery"]): row for row in map(charge_row, several)}
        if not told:
            return 0
        insert = self._insert(charges).on_conflict_do_nothing()
        with self.database.write() as connection:
            new = connection.execute(
                insert.returning(charges.c.job, charges.c.delivery),
                [told[name] for name in sorted(told)],  # in order, so that no two can deadlock
            ).all()
            sums: dict[tuple[str, ...], Usage] = {}
            for job, delivery in new:
                key = day_key(told[job, delivery])
                sums[key] = sums.get(key, Usage()) + usage_of(told[job, delivery])
            self._add_to_days(connection, sums)
        return len(new)

    def _add_to_days(
        self, connection: sa.Connection, sums: Mapping[tuple[str, ...], Usage]
    ) -> None:
        if not sums:
            return
        insert = self._insert(days)
        added = {name: days.c[name] + insert.excluded[name] for name in FIGURES}
        rows = [dict(zip(KEYS, key, strict=True)) | asdict(sums[key]) for key in sorted(sums)]
        statement = insert.on_conflict_do_update(index_elements=KEYS, set_=added)
        connection.execute(statement, rows)

    def record_busy(self, several: Sequence[BusyTime]) -> None:
        """Write down what workers have measured; less than is there already changes nothing."""
        if not several:
            return
        with self.database.write() as connection:
            for one in sorted(several, key=lambda busy: (busy.worker, busy.day)):
                row = {
                    "worker": storable(one.worker, 200), "day": one.day,
                    "device": storable(one.device, 200), "seconds": one.seconds,
                }  # fmt: skip
                statement = self._insert(busy_times).values(**row)
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=("worker", "day"),
                        set_={"seconds": statement.excluded.seconds},
                        where=busy_times.c.seconds < statement.excluded.seconds,
                    )
                )

    def _insert(self, table: sa.Table) -> Any:
        """An INSERT that may say ON CONFLICT, which each kind of database spells by itself."""
        is_sqlite = self.database.engine.dialect.name == "sqlite"
        return sqlite.insert(table) if is_sqlite else postgresql.insert(table)

    def used(self, user: str, since: float) -> Usage:
        """What a user's jobs took that ended at ``since`` (unix seconds) or later."""
        return self._used("user", user, since)

    def used_by_group(self, group: str, since: float) -> Usage:
        """What the jobs of a group took that ended at ``since`` or later."""
        return self._used("user_group", group, since)

    def _used(self, column: str, name: str, since: float) -> Usage:
        """Sums of the whole days, and of the charges of the day that ``since`` is in."""
        first = day_of(since)
        next_day = start_of_day(first) + DAY_SECONDS
        with self.database.read() as connection:
            if since <= start_of_day(first):
                return _read_usage(connection, days.c[column] == name, days.c.day >= first)
            whole = _read_usage(connection, days.c[column] == name, days.c.day > first)
            of_name = charges.c[column] == name
            ended = charges.c.ended_at
            return whole + _sum_charges(connection, of_name, ended >= since, ended < next_day)

    def busy_seconds(self, first: str, end: str) -> float:
        """Seconds that workers have measured on the days from ``first`` until before ``end``."""
        within = (busy_times.c.day >= first, busy_times.c.day < end)
        query = sa.select(sa.func.coalesce(sa.func.sum(busy_times.c.seconds), 0.0)).where(*within)
        with self.database.read() as connection:
            return float(connection.scalar(query) or 0.0)

    def compact(self, before: str) -> int:
        """Forget the single charges of days before that one; how many. Their sums stay.

        Of workers' times a sum for each device and day stays.
        """
        old = charges.c.ended_at < start_of_day(before)
        with self.database.write() as connection:
            forgotten = connection.execute(charges.delete().where(old)).rowcount
            self._sum_busy_times(connection, before)
        return forgotten

    def _sum_busy_times(self, connection: sa.Connection, before: str) -> None:
        """Put the times of all workers of a device and day into one row."""
        table, old = busy_times, busy_times.c.day < before
        sums = sa.select(table.c.device, table.c.day, sa.func.sum(table.c.seconds)).where(old)
        rows = connection.execute(sums.group_by(table.c.device, table.c.day)).all()
        connection.execute(table.delete().where(old))
        for device, day, seconds in rows:
            row = {"worker": device, "day": day, "device": device, "seconds": seconds}
            connection.execute(table.insert().values(**row))

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()


def open_ledger(url: Secret | None, folder: Path, *, shared: bool = False) -> Ledger:
    """The ledger of a database (a file in ``folder`` without one), in this version's schema.

    ``shared`` as in :func:`open_database`. Raises ``AccountsUnusable``.
    """
    database = open_database(url, folder, LEDGER_NAME, LEDGER, shared=shared)
    try:
        migrate(database, steps=STEPS)
    except BaseException:
        database.close()
        raise
    return Ledger(database)


def charge_row(charge: Charge) -> Row:
    """A charge as a row of the table; texts longer than the columns are cut."""
    row: Row = {field.name: getattr(charge, field.name) for field in fields(Charge)}
    row["user_group"] = row.pop("group")
    for name, length in TEXTS:
        row[name] = storable(str(row[name]), length)
    row["pictures"] = min(charge.pictures, MAX_INTEGER)
    return row


def day_key(row: Row) -> tuple[str, ...]:
    """The row of ``days`` that a charge counts in."""
    return day_of(row["ended_at"]), *(row[name] for name in KEYS[1:])


def usage_of(row: Row) -> Usage:
    """What a charge adds to its day."""
    if not Outcome(row["outcome"]).is_billed:
        return Usage(unbilled_jobs=1, unbilled_seconds=row["gpu_seconds"])
    return Usage(1, *(row[name] for name in BILLED_FIGURES))


def _figures(usage: Usage) -> Iterator[Any]:
    return (getattr(usage, name) for name in FIGURES)


def _read_usage(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> Usage:
    sums = (sa.func.coalesce(sa.func.sum(days.c[name]), 0) for name in FIGURES)
    return to_usage(connection.execute(sa.select(*sums).where(*conditions)).one())


def _sum_charges(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> Usage:
    billed = charges.c.outcome.in_(BILLED)
    sums: list[sa.ColumnElement[Any]] = [sa.func.count()]
    sums += [sa.func.coalesce(sa.func.sum(charges.c[name]), 0) for name in BILLED_FIGURES]
    rest = (sa.func.count(), sa.func.coalesce(sa.func.sum(charges.c.gpu_seconds), 0))
    mine = connection.execute(sa.select(*sums).where(*conditions, billed)).one()
    marked = connection.execute(sa.select(*rest).where(*conditions, ~billed)).one()
    return to_usage((*mine, *marked))


def to_usage(figures: Sequence[Any]) -> Usage:
    """Sums as the database tells them (PostgreSQL has decimals) as a ``Usage``."""
    kinds = (type(getattr(Usage(), name)) for name in FIGURES)
    return Usage(*(kind(figure) for kind, figure in zip(kinds, figures, strict=True)))
