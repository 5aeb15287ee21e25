"""Search: from conditions and a caller's access to a page of hits that the caller may see.

Of what the index finds, only that is told which the gate opens for this visit at this moment.
"""

import json
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place, Root, parse_path
from filebrowser.errors import FileError, TooMuch
from filebrowser.index.fts_text import fts_phrase, join_cjk, separate_cjk
from filebrowser.index.query import Term
from filebrowser.index.schema import connect
from filebrowser.index.search_query import (
    FileStamp,
    NameUses,
    SearchHit,
    SearchPage,
    SearchQuery,
)
from filebrowser.listing.sort_order import Sort
from filebrowser.listing.tree import read_entry
from filebrowser.names import encode_name

MAX_PAGE_HITS = 500  # of one page
SEARCH_TIMEOUT = 5.0  # seconds
PROGRESS_STEPS = 20_000  # of SQLite's machine between two looks at the clock
MANY_HITS = 5000  # hits
VARIATION_SELECTOR = "\ufe0f"  # an emoji is the same sign with and without it
MAX_READERS = 4  # searches at once
EXCERPT_LENGTH = 300  # characters of a prompt
COLUMNS: Mapping[str, str] = {"width": "f.width", "height": "f.height", "seed": "f.seed",
                              "size": "f.size", "date": "f.changed"}  # fmt: skip
ORDER_BY: Mapping[Sort, str] = {
    Sort.NAME: "f.sorted {0}, f.id",
    Sort.SIZE: "f.size {0}, f.sorted, f.id",
    Sort.MODIFIED: "f.changed {0}, f.id {0}",  # as its database index goes
    Sort.KIND: "f.kind {0}, f.sorted, f.id",
}


@dataclass(slots=True)
class _WhereClause:
    """A statement as it grows."""

    words: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    values: list[object] = field(default_factory=list)

    def add(self, condition: str, *values: object) -> None:
        self.conditions.append(condition)
        self.values += values


class IndexSearch:
    """Runs searches on the index at ``path`` over pooled read connections. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._generation = 0  # how often another took its place
        self._slots = threading.BoundedSemaphore(MAX_READERS)
        self._lock = threading.Lock()

    def find(self, access: FileAccess, query: SearchQuery) -> SearchPage:
        """What the caller may see of it. Raises :class:`TooMuch` where it takes too
        long.
        """
        with self._read_connection() as rows:
            search_roots = list(_search_roots(rows, access, query.below))
            where = _where_clause(rows, query.terms)
            if not search_roots or where is None:
                return SearchPage(0, ())
            _restrict_to_roots(rows, where, search_roots)
            _restrict_to_stamps(where, query)
            begin, values = _statement(where)
            (total,) = rows.execute(f"SELECT count(*) {begin}", values).fetchone()
            if query.after is not None:
                where.add("(f.changed, f.id) < (?, ?)", *query.after)
                begin, values = _statement(where)
            page_rows = _page_rows(rows, begin, values, query, total)
        return _visible_page(access, search_roots, total, page_rows)

    def count_names(self) -> NameUses:
        """How many pictures name each model and LoRA, in all trees, whoever may see them."""
        with self._read_connection() as rows:
            models = rows.execute(
                "SELECT n.name, count(*) FROM files f JOIN names n ON n.id = f.model GROUP BY n.id"
            ).fetchall()
            loras = rows.execute(
                "SELECT n.name, count(*) FROM loras l JOIN names n ON n.id = l.lora GROUP BY n.id"
            ).fetchall()
            ((pictures,),) = rows.execute("SELECT count(*) FROM files WHERE width IS NOT NULL")
        return NameUses(dict(models), dict(loras), pictures)

    def close(self) -> None:
        """Close the connections: another file may be there afterwards."""
        with self._lock:
            self._generation += 1
            for rows in self._idle:
                rows.close()
            self._idle.clear()

    @contextmanager
    def _read_connection(self) -> Iterator[sqlite3.Connection]:
        with self._slots:
            with self._lock:
                rows = self._idle.pop() if self._idle else connect(self._path)
                generation = self._generation
            until = time.monotonic() + SEARCH_TIMEOUT
            rows.set_progress_handler(lambda: time.monotonic() > until, PROGRESS_STEPS)
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
                    if generation == self._generation:
                        self._idle.append(rows)
                    else:
                        rows.close()


@dataclass(frozen=True, slots=True)
class _SearchRoot:
    """A visit's root where it lies in the index: a tree's id, a folder in it, what is hidden."""

    root: Root
    root_id: int
    above: str  # the root's own path in the tree, "" for the tree itself
    below: str  # the folder that is asked for
    is_prefiltered: bool  # the index left out just what this root hides


def _search_roots(
    connection: sqlite3.Connection, access: FileAccess, below: Place | None
) -> Iterator[_SearchRoot]:
    trees = connection.execute("SELECT id, path, hidden FROM roots").fetchall()
    for root in access.roots:
        if below is not None and below.root != root:
            continue
        inner = "/".join(map(encode_name, below.names)) if below is not None else ""
        path = str(root.path)
        for number, tree, hidden in trees:
            if path == tree or path.startswith(tree.rstrip("/") + "/"):
                above = path.removeprefix(tree).strip("/")
                judged = not above and set(hidden.split("\n")) - {""} == root.hidden
                joined = "/".join(filter(None, (above, inner)))
                yield _SearchRoot(root, number, above, joined, judged)
                break


def _restrict_to_roots(
    connection: sqlite3.Connection, where: _WhereClause, search_roots: Sequence[_SearchRoot]
) -> None:
    """Only entries in the caller's roots that are not hidden."""
    (trees,) = connection.execute("SELECT count(*) FROM roots").fetchone()
    prefiltered = {span.root_id for span in search_roots if span.is_prefiltered and not span.below}
    if len(prefiltered) == trees:
        return  # nothing is indexed that this visit may not see
    parts, values = [], []
    for span in search_roots:
        parts.append("(root = ? AND (path = ? OR ? = '' OR (path >= ? AND path < ?)))")
        values += [span.root_id, span.below, span.below, f"{span.below}/", f"{span.below}0"]
    where.add(f"f.folder IN (SELECT id FROM folders WHERE {' OR '.join(parts)})", *values)
    if not all(span.is_prefiltered for span in search_roots):
        connection.create_function("seen", 3, _visibility_check(search_roots))
        where.add("(SELECT seen(d.root, d.path, f.name) FROM folders d WHERE d.id = f.folder)")


def _restrict_to_stamps(where: _WhereClause, query: SearchQuery) -> None:
    """Only files of these stamps, and none of those. Ids are compared: of pairs that may be NULL,
    ``NOT IN`` would look at each for every row.
    """
    stamped = (
        "SELECT g.id FROM json_each(?) s JOIN files g"
        " ON g.changed = s.value ->> 0 AND g.size = s.value ->> 1"
    )
    for stamps, sign in ((query.only, "IN"), (query.without, "NOT IN")):
        if stamps is not None:
            where.add(f"f.id {sign} ({stamped})", _stamps_json(stamps))


def _stamps_json(stamps: Collection[FileStamp]) -> str:
    return json.dumps(sorted(stamps), separators=(",", ":"))


def _visibility_check(search_roots: Sequence[_SearchRoot]) -> Callable[[int, str, str], bool]:
    """Whether the gate would show this name to the caller."""

    def is_visible(tree: int, folder: str, name: str) -> bool:
        return any(
            _place_in_root(span, folder, name) for span in search_roots if span.root_id == tree
        )

    return is_visible


def _place_in_root(search_root: _SearchRoot, folder: str, name: str) -> Place | None:
    """The place of what lies in the tree's ``folder``, None where the gate has no such thing."""
    path = f"{folder}/{name}" if folder else name
    if not path.startswith(f"{search_root.below}/" if search_root.below else ""):
        return None
    inner = path.removeprefix(f"{search_root.above}/") if search_root.above else path
    try:
        return parse_path(f"{search_root.root.name}/{inner}", (search_root.root,))
    except FileError:
        return None


def _where_clause(connection: sqlite3.Connection, terms: Sequence[Term]) -> _WhereClause | None:
    """The conditions as SQL; None where one cannot hold for anything."""
    where = _WhereClause()
    significant = [term for term in terms if not _is_filler(term)] or terms
    for term in significant:
        if not _add_term(where, term) and not term.negated:
            return None
    return where


def _is_filler(term: Term) -> bool:
    """A lone comma or bracket between words, as in the prompts that people paste."""
    marks = all(unicodedata.category(sign).startswith("P") for sign in term.value)
    return term.field == "" and not term.whole and marks


def _add_term(where: _WhereClause, term: Term) -> bool:
    """Add one condition; False for one that cannot hold."""
    if term.field in ("", "prompt", "negative"):
        return _add_words(where, term)
    if term.field in COLUMNS:
        condition, values = _range_condition(COLUMNS[term.field], term)
    elif term.field == "kind":
        kinds = term.value.split(",")
        condition, values = f"f.kind IN ({','.join('?' * len(kinds))})", list(kinds)
    elif term.field == "name":
        condition, values = "f.name LIKE ? ESCAPE '\\'", [_like_pattern(term)]
    elif term.field == "path":
        condition = "f.folder IN (SELECT id FROM folders WHERE path LIKE ? ESCAPE '\\')"
        values = [_like_pattern(term)]
    else:
        named = "SELECT id FROM names WHERE what = ? AND name LIKE ? ESCAPE '\\'"
        inner = (
            f"f.id IN (SELECT file FROM loras WHERE lora IN ({named}))"
            if term.field == "lora"
            else f"f.{term.field} IN ({named})"
        )
        condition, values = inner, [term.field, _like_pattern(term)]
    # What a file does not tell is not what it shall not tell: NULL counts as no.
    where.add(f"NOT coalesce({condition}, 0)" if term.negated else condition, *values)
    return True


def _add_words(where: _WhereClause, term: Term) -> bool:
    expression = fts_phrase(term.value, exact=term.whole)
    if not expression:
        return _add_signs(where, term)
    if term.field == "prompt":
        expression = f"{{prompt}} : {expression}"
    if term.field == "negative" or term.negated:
        table = "unwanted" if term.field == "negative" else "words"
        sign = "NOT " if term.negated else ""
        where.add(f"f.id {sign}IN (SELECT rowid FROM {table} WHERE {table} MATCH ?)", expression)
    else:
        where.words.append(f"({expression})")
    return True


def _add_signs(where: _WhereClause, term: Term) -> bool:
    """Signs that are no words (an emoji, ``%``): in names and prompts as they stand there."""
    signs = term.value.replace(VARIATION_SELECTOR, "") or ('"' if term.field == "" else "")
    if not signs:
        return False
    name, prompt = (
        _like_pattern(replace(term, value=form, whole=False))
        for form in (signs, separate_cjk(signs))
    )
    table, column = ("unwanted", "negative") if term.field == "negative" else ("words", "prompt")
    condition = f"f.id IN (SELECT rowid FROM {table} WHERE {column} LIKE ? ESCAPE '\\')"
    values: list[object] = [prompt]
    if term.field == "":
        condition = f"(f.name LIKE ? ESCAPE '\\' OR {condition})"
        values = [name, prompt]
    where.add(f"NOT {condition}" if term.negated else condition, *values)
    return True


def _range_condition(column: str, term: Term) -> tuple[str, list[object]]:
    parts: list[str] = []
    values: list[object] = []
    for sign, end in zip((">=", "<"), term.span, strict=True):
        if end is not None:
            parts.append(f"{column} {sign} ?")
            values.append(max(-(2**63), min(end, 2**63 - 1)))
    return f"({' AND '.join(parts) or f'{column} IS NOT NULL'})", values


def _like_pattern(term: Term) -> str:
    """A pattern for the value as a part, or as the whole where it stands in quotes."""
    plain = "".join(f"\\{c}" if c in "\\%_" else c for c in term.value)
    return plain if term.whole else f"%{plain}%"


def _statement(where: _WhereClause) -> tuple[str, list[object]]:
    conditions, values = list(where.conditions), list(where.values)
    if not where.words:
        return f"FROM files f WHERE {' AND '.join(conditions or ['1'])}", values
    begin = "FROM words CROSS JOIN files f ON f.id = words.rowid WHERE words MATCH ?"
    return " AND ".join([begin, *conditions]), [" AND ".join(where.words), *values]


def _page_rows(
    connection: sqlite3.Connection, begin: str, values: list[object], query: SearchQuery, total: int
) -> list[tuple[object, ...]]:
    order = ORDER_BY[query.sort].format("DESC" if query.descending else "ASC")
    if total < MANY_HITS:  # few to put in order; along the order itself they would be far apart
        order = f"+{order}"
    ids = connection.execute(
        f"SELECT f.id {begin} ORDER BY {order} LIMIT ? OFFSET ?",
        [*values, min(query.limit, MAX_PAGE_HITS), query.offset],
    ).fetchall()
    return [_select_row(connection, number) for (number,) in ids]


def _select_row(connection: sqlite3.Connection, number: int) -> tuple[object, ...]:
    row: tuple[object, ...] = connection.execute(
        "SELECT d.root, d.path, f.name, f.width, f.height, f.seed, m.name, s.name,"
        " (SELECT substr(prompt, 1, ?) FROM words WHERE rowid = f.id), f.changed, f.id"
        " FROM files f JOIN folders d ON d.id = f.folder"
        " LEFT JOIN names m ON m.id = f.model LEFT JOIN names s ON s.id = f.sampler"
        " WHERE f.id = ?",
        (EXCERPT_LENGTH * 3, number),
    ).fetchone()
    return row


def _visible_page(
    access: FileAccess,
    search_roots: Sequence[_SearchRoot],
    total: int,
    rows: Sequence[tuple[Any, ...]],
) -> SearchPage:
    hits, missing = [], []
    for tree, folder, name, width, height, seed, model, sampler, prompt, changed, number in rows:
        places = (
            _place_in_root(span, str(folder), str(name))
            for span in search_roots
            if span.root_id == tree
        )
        place = next(filter(None, places), None)
        if place is None:
            continue
        try:
            entry = read_entry(place)
        except (FileError, OSError):
            missing.append(place)
            continue
        excerpt = join_cjk(str(prompt or ""))[:EXCERPT_LENGTH]
        hits.append(
            SearchHit(
                f"/{place.text}",
                entry,
                width,
                height,
                seed,
                model,
                sampler,
                excerpt,
                (changed, number),
            )
        )
    return SearchPage(total - len(rows) + len(hits), tuple(hits), tuple(missing))
