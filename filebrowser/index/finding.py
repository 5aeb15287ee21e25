"""Search: from conditions and a caller's access to a page of hits that the caller may see.

Of what the index finds, only that is told which the gate opens for this visit at this moment.
"""

import sqlite3
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from filebrowser.errors import FileError, TooMuch
from filebrowser.gate import Place, Root, locate
from filebrowser.index.query import Term
from filebrowser.index.schema import connect
from filebrowser.index.texts import gathered, phrase, spread
from filebrowser.names import show_name
from filebrowser.orders import Sort
from filebrowser.tree import Entry, look
from filebrowser.visit import Visit

MOST_FOUND = 500  # of one page
SLOWEST = 5.0  # seconds
STEPS = 20_000  # of SQLite's machine between two looks at the clock
MANY = 5000  # hits
VARIATION = "\ufe0f"  # an emoji is the same sign with and without it
READERS = 4  # searches at once
EXCERPT = 300  # characters of a prompt
COLUMNS: Mapping[str, str] = {"width": "f.width", "height": "f.height", "seed": "f.seed",
                              "size": "f.size", "date": "f.changed"}  # fmt: skip
ORDERS: Mapping[Sort, str] = {
    Sort.NAME: "f.sorted {0}, f.id",
    Sort.SIZE: "f.size {0}, f.sorted, f.id",
    Sort.MODIFIED: "f.changed {0}, f.id {0}",  # as its database index goes
    Sort.KIND: "f.kind {0}, f.sorted, f.id",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What to find, in which order, and which part of it. ``below``: in this folder alone."""

    terms: Sequence[Term]
    below: Place | None = None
    sort: Sort = Sort.MODIFIED
    descending: bool = True
    offset: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing found. What it does not tell is None or empty."""

    path: str  # "/root/name/name"
    entry: Entry
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    model: str | None = None
    sampler: str | None = None
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A page. ``total`` are there in all, as the index knows."""

    total: int
    hits: tuple[Hit, ...]
    missing: tuple[Place, ...] = ()  # the index has them, the disk has not


@dataclass(slots=True)
class _Where:
    """A statement as it grows."""

    words: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    values: list[object] = field(default_factory=list)

    def add(self, condition: str, *values: object) -> None:
        self.conditions.append(condition)
        self.values += values


class Finder:
    """Runs searches on the index at ``path`` over pooled read connections. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._file = 0  # how often another took its place
        self._turns = threading.BoundedSemaphore(READERS)
        self._lock = threading.Lock()

    def find(self, visit: Visit, question: Question) -> Found:
        """What the visit may see of the answer. Raises :class:`TooMuch` where it takes too long."""
        with self._reading() as rows:
            spans = list(_spans(rows, visit, question.below))
            where = _where(rows, question.terms)
            if not spans or where is None:
                return Found(0, ())
            _restrict(rows, where, spans)
            begin, values = _statement(where)
            (total,) = rows.execute(f"SELECT count(*) {begin}", values).fetchone()
            found = _page(rows, begin, values, question, total)
        return _shown(visit, spans, total, found)

    def close(self) -> None:
        """Close the connections: another file may be there afterwards."""
        with self._lock:
            self._file += 1
            for rows in self._idle:
                rows.close()
            self._idle.clear()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._turns:
            with self._lock:
                rows = self._idle.pop() if self._idle else connect(self._path)
                file = self._file
            until = time.monotonic() + SLOWEST
            rows.set_progress_handler(lambda: time.monotonic() > until, STEPS)
            try:
                rows.execute("BEGIN")  # the count and the page are of the same moment
                yield rows
            except sqlite3.OperationalError as error:
                if "interrupted" not in str(error):
                    raise
                raise TooMuch("The search takes too long; ask for less.") from None
            finally:
                rows.set_progress_handler(None, 0)
                if rows.in_transaction:
                    rows.execute("ROLLBACK")
                with self._lock:
                    if file == self._file:
                        self._idle.append(rows)
                    else:
                        rows.close()


@dataclass(frozen=True, slots=True)
class _Span:
    """A visit's root where it lies in the index: a tree's id, a folder in it, what is hidden."""

    root: Root
    tree: int
    above: str  # the root's own path in the tree, "" for the tree itself
    below: str  # the folder that is asked for
    judged: bool  # the index left out just what this root hides


def _spans(rows: sqlite3.Connection, visit: Visit, below: Place | None) -> Iterator[_Span]:
    trees = rows.execute("SELECT id, path, hidden FROM roots").fetchall()
    for root in visit.roots:
        if below is not None and below.root != root:
            continue
        inner = "/".join(map(show_name, below.names)) if below is not None else ""
        path = str(root.path)
        for number, tree, hidden in trees:
            if path == tree or path.startswith(tree.rstrip("/") + "/"):
                above = path.removeprefix(tree).strip("/")
                judged = not above and set(hidden.split("\n")) - {""} == root.hidden
                joined = "/".join(filter(None, (above, inner)))
                yield _Span(root, number, above, joined, judged)
                break


def _restrict(rows: sqlite3.Connection, where: _Where, spans: Sequence[_Span]) -> None:
    """Only what lies in the visit's roots and is hidden from nobody."""
    (trees,) = rows.execute("SELECT count(*) FROM roots").fetchone()
    whole = {span.tree for span in spans if span.judged and not span.below}
    if len(whole) == trees:
        return  # nothing is indexed that this visit may not see
    parts, values = [], []
    for span in spans:
        parts.append("(root = ? AND (path = ? OR ? = '' OR (path >= ? AND path < ?)))")
        values += [span.tree, span.below, span.below, f"{span.below}/", f"{span.below}0"]
    where.add(f"f.folder IN (SELECT id FROM folders WHERE {' OR '.join(parts)})", *values)
    if not all(span.judged for span in spans):
        rows.create_function("seen", 3, _judge(spans))
        where.add("(SELECT seen(d.root, d.path, f.name) FROM folders d WHERE d.id = f.folder)")


def _judge(spans: Sequence[_Span]) -> Callable[[int, str, str], bool]:
    """Whether the gate has a name for a visit, whatever the index left out."""

    def seen(tree: int, folder: str, name: str) -> bool:
        return any(_place(span, folder, name) for span in spans if span.tree == tree)

    return seen


def _place(span: _Span, folder: str, name: str) -> Place | None:
    """The place of what lies in the tree's ``folder``, None where the gate has no such thing."""
    path = f"{folder}/{name}" if folder else name
    if not path.startswith(f"{span.below}/" if span.below else ""):
        return None
    inner = path.removeprefix(f"{span.above}/") if span.above else path
    try:
        return locate(f"{span.root.name}/{inner}", (span.root,))
    except FileError:
        return None


def _where(rows: sqlite3.Connection, terms: Sequence[Term]) -> _Where | None:
    """The conditions as SQL; None where one cannot hold for anything."""
    where = _Where()
    asking = [term for term in terms if not _is_filler(term)] or terms
    for term in asking:
        if not _add(where, term) and not term.negated:
            return None
    return where


def _is_filler(term: Term) -> bool:
    """A lone comma or bracket between words, as in the prompts that people paste."""
    marks = all(unicodedata.category(sign).startswith("P") for sign in term.value)
    return term.field == "" and not term.whole and marks


def _add(where: _Where, term: Term) -> bool:
    """Add one condition; False for one that cannot hold."""
    if term.field in ("", "prompt", "negative"):
        return _add_words(where, term)
    if term.field in COLUMNS:
        condition, values = _between(COLUMNS[term.field], term)
    elif term.field == "kind":
        kinds = term.value.split(",")
        condition, values = f"f.kind IN ({','.join('?' * len(kinds))})", list(kinds)
    elif term.field == "name":
        condition, values = "f.name LIKE ? ESCAPE '\\'", [_like(term)]
    elif term.field == "path":
        condition = "f.folder IN (SELECT id FROM folders WHERE path LIKE ? ESCAPE '\\')"
        values = [_like(term)]
    else:
        named = "SELECT id FROM names WHERE what = ? AND name LIKE ? ESCAPE '\\'"
        inner = (
            f"f.id IN (SELECT file FROM loras WHERE lora IN ({named}))"
            if term.field == "lora"
            else f"f.{term.field} IN ({named})"
        )
        condition, values = inner, [term.field, _like(term)]
    # What a file does not tell is not what it shall not tell: NULL counts as no.
    where.add(f"NOT coalesce({condition}, 0)" if term.negated else condition, *values)
    return True


def _add_words(where: _Where, term: Term) -> bool:
    asked = phrase(term.value, whole=term.whole)
    if not asked:
        return _add_signs(where, term)
    if term.field == "prompt":
        asked = f"{{prompt}} : {asked}"
    if term.field == "negative" or term.negated:
        table = "unwanted" if term.field == "negative" else "words"
        sign = "NOT " if term.negated else ""
        where.add(f"f.id {sign}IN (SELECT rowid FROM {table} WHERE {table} MATCH ?)", asked)
    else:
        where.words.append(f"({asked})")
    return True


def _add_signs(where: _Where, term: Term) -> bool:
    """Signs that are no words (an emoji, ``%``): in names and prompts as they stand there."""
    signs = term.value.replace(VARIATION, "") or ('"' if term.field == "" else "")
    if not signs:
        return False
    name, prompt = (
        _like(replace(term, value=form, whole=False)) for form in (signs, spread(signs))
    )
    table, column = ("unwanted", "negative") if term.field == "negative" else ("words", "prompt")
    condition = f"f.id IN (SELECT rowid FROM {table} WHERE {column} LIKE ? ESCAPE '\\')"
    values: list[object] = [prompt]
    if term.field == "":
        condition = f"(f.name LIKE ? ESCAPE '\\' OR {condition})"
        values = [name, prompt]
    where.add(f"NOT {condition}" if term.negated else condition, *values)
    return True


def _between(column: str, term: Term) -> tuple[str, list[object]]:
    parts: list[str] = []
    values: list[object] = []
    for sign, end in zip((">=", "<"), term.span, strict=True):
        if end is not None:
            parts.append(f"{column} {sign} ?")
            values.append(max(-(2**63), min(end, 2**63 - 1)))
    return f"({' AND '.join(parts) or f'{column} IS NOT NULL'})", values


def _like(term: Term) -> str:
    """A pattern for the value as a part, or as the whole where it stands in quotes."""
    plain = "".join(f"\\{c}" if c in "\\%_" else c for c in term.value)
    return plain if term.whole else f"%{plain}%"


def _statement(where: _Where) -> tuple[str, list[object]]:
    conditions, values = list(where.conditions), list(where.values)
    if not where.words:
        return f"FROM files f WHERE {' AND '.join(conditions or ['1'])}", values
    begin = "FROM words CROSS JOIN files f ON f.id = words.rowid WHERE words MATCH ?"
    return " AND ".join([begin, *conditions]), [" AND ".join(where.words), *values]


def _page(
    rows: sqlite3.Connection, begin: str, values: list[object], question: Question, total: int
) -> list[tuple[object, ...]]:
    order = ORDERS[question.sort].format("DESC" if question.descending else "ASC")
    if total < MANY:  # few to put in order; along the order itself they would be far apart
        order = f"+{order}"
    found = rows.execute(
        f"SELECT f.id {begin} ORDER BY {order} LIMIT ? OFFSET ?",
        [*values, min(question.limit, MOST_FOUND), question.offset],
    ).fetchall()
    return [_row(rows, number) for (number,) in found]


def _row(rows: sqlite3.Connection, number: int) -> tuple[object, ...]:
    found: tuple[object, ...] = rows.execute(
        "SELECT d.root, d.path, f.name, f.width, f.height, f.seed, m.name, s.name,"
        " (SELECT substr(prompt, 1, ?) FROM words WHERE rowid = f.id)"
        " FROM files f JOIN folders d ON d.id = f.folder"
        " LEFT JOIN names m ON m.id = f.model LEFT JOIN names s ON s.id = f.sampler"
        " WHERE f.id = ?",
        (EXCERPT * 3, number),
    ).fetchone()
    return found


def _shown(
    visit: Visit, spans: Sequence[_Span], total: int, found: Sequence[tuple[object, ...]]
) -> Found:
    hits, missing = [], []
    for tree, folder, name, width, height, seed, model, sampler, prompt in found:
        places = (_place(span, str(folder), str(name)) for span in spans if span.tree == tree)
        place = next(filter(None, places), None)
        if place is None:
            continue
        try:
            entry = look(place)
        except (FileError, OSError):
            missing.append(place)
            continue
        excerpt = gathered(str(prompt or ""))[:EXCERPT]
        hits.append(
            Hit(f"/{place.text}", entry, width, height, seed, model, sampler, excerpt)  # type: ignore[arg-type]
        )
    return Found(total - len(found) + len(hits), tuple(hits), tuple(missing))
