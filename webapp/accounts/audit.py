"""The audit log: who did what, and when. It is added to and read, never changed. No Flask."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import time

import sqlalchemy as sa

from webapp.accounts.database import AccountDatabase, inserted_id, storable
from webapp.accounts.schema import audit

KEEP_DAYS = 400
MAX_ENTRIES = 1_000_000  # kept; the oldest go first
PRUNE_EVERY = 1000  # entries
PAGE = 1000  # entries that are read at once for a CSV
MAX_ENTRIES_TOLD, DEFAULT_ENTRIES_TOLD = 1000, 100
MAX_SEARCHED = 500  # characters of a text that is looked for
DAY = 24 * 3600
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet takes a text for a formula."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: name, from which address, in which request."""

    name: str
    address: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line; ``at`` in seconds since 1970. Texts longer than the columns are cut."""

    id: int
    at: float
    actor: str
    action: str
    target: str
    detail: str
    address: str
    request: str


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """Which lines; what is "" or None leaves all in. ``text`` is looked for in any column."""

    actor: str = ""
    action: str = ""  # a whole one, or its beginning up to a dot: "user" finds "user.add"
    text: str = ""
    since: float | None = None
    until: float | None = None
    before: int | None = None  # older than the line of this number


def record(
    connection: sa.Connection, actor: Actor, action: str, target: str = "", detail: str = ""
) -> None:
    """Add a line, in the transaction of what it tells of."""
    made = connection.execute(
        audit.insert().values(
            at=time(), actor=storable(actor.name, 64), action=storable(action, 64),
            target=storable(target, 200), detail=storable(detail, 500),
            address=storable(actor.address, 64), request=storable(actor.request, 64),
        )
    )  # fmt: skip
    number = inserted_id(made)
    if number % PRUNE_EVERY == 0:
        old = sa.or_(audit.c.at < time() - KEEP_DAYS * DAY, audit.c.id <= number - MAX_ENTRIES)
        connection.execute(audit.delete().where(old))


def search(
    database: AccountDatabase, wanted: AuditSearch, most: int = DEFAULT_ENTRIES_TOLD
) -> Sequence[AuditEntry]:
    """Up to ``most`` lines, the latest first."""
    query = sa.select(audit).where(*_conditions(wanted)).order_by(audit.c.id.desc()).limit(most)
    with database.read() as connection:
        return [AuditEntry(*row) for row in connection.execute(query)]


def csv_lines(database: AccountDatabase, wanted: AuditSearch) -> Iterator[str]:
    """All lines that a search finds, the latest first, as CSV with a head (RFC 4180)."""
    yield csv_line(("time", "actor", "action", "target", "detail", "address", "request"))
    before = wanted.before
    while True:
        page = search(database, replace(wanted, before=before), PAGE)
        for entry in page:
            texts = (entry.actor, entry.action, entry.target, entry.detail, entry.address)
            yield csv_line((f"{entry.at:.3f}", *texts, entry.request))
        if len(page) < PAGE:
            return
        before = page[-1].id


def csv_line(cells: Sequence[str]) -> str:
    """A line of CSV in which no cell is a spreadsheet's formula."""
    text = io.StringIO()
    safe = [f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell for cell in cells]
    csv.writer(text).writerow(safe)
    return text.getvalue()


def _conditions(wanted: AuditSearch) -> Iterator[sa.ColumnElement[bool]]:
    actor, action, text = (
        storable(each, MAX_SEARCHED) for each in (wanted.actor, wanted.action, wanted.text)
    )
    if actor:
        yield audit.c.actor == actor
    if action:
        yield sa.or_(
            audit.c.action == action, audit.c.action.startswith(f"{action}.", autoescape=True)
        )
    if text:
        columns = (audit.c.actor, audit.c.action, audit.c.target, audit.c.detail, audit.c.address)
        yield sa.or_(*(column.icontains(text, autoescape=True) for column in columns))
    if wanted.since is not None:
        yield audit.c.at >= wanted.since
    if wanted.until is not None:
        yield audit.c.at <= wanted.until
    if wanted.before is not None:
        yield audit.c.id < wanted.before
