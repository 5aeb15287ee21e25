"""What a search finds, in which order and on which page; and how an index mends itself."""

import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place, Root
from filebrowser.errors import BadSearch, TooMuch
from filebrowser.index import file_index, search
from filebrowser.index.file_index import FileIndex
from filebrowser.index.query import FIELDS, MAX_TERMS, parse_query
from filebrowser.index.reconcile import BATCH, transaction
from filebrowser.index.rows import sync_roots
from filebrowser.index.schema import connect, prepare_database
from filebrowser.index.search import EXCERPT_LENGTH, MAX_PAGE_HITS, IndexSearch
from filebrowser.index.search_query import SearchQuery
from filebrowser.listing.file_kinds import FileKind
from filebrowser.listing.sort_order import Sort
from filebrowser.listing.tree import ListingQuery, Listings
from tests.filebrowser.conftest import OWN_NAMES
from tests.filebrowser.file_trees import write_tree
from tests.filebrowser.index.conftest import IndexOpener, read_lines
from tests.filebrowser.index.index_trees import known_to, orphans_in, write_picture
from tests.wait import TIMEOUT, wait_until

CAT, DOG, NIGHT, NOTES, SET = (
    "/data/out/cat 1.png", "/data/out/DogPark_10.png", "/data/out/deep/night.png",
    "/data/notes.txt", "/data/out",
)  # fmt: skip
DEEP = "/data/out/deep"
ALL = {CAT, DOG, NIGHT, NOTES, SET, DEEP}
DAY = 86_400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures and a text, a day between one and the next."""
    top = tmp_path_factory.mktemp("searched")
    data, noon = top / "data", datetime(2026, 3, 1, 12).timestamp()
    write_picture(
        data / "out/cat 1.png", (8, 4), prompt="a black cat, 猫", negative="hands, dog",
        model="Deliberate_v2", loras="ink style,more", sampler="Euler a", seed=7,
    )  # fmt: skip
    write_picture(
        data / "out/DogPark_10.png", (4, 8), prompt="a dog, red house " + "x" * 900,
        model="deliberate", sampler="DPM++ 2M", seed=1234567890123,
    )  # fmt: skip
    write_picture(data / "out/deep/night.png", (16, 16), prompt="night, no cat's eye", seed=-1)
    write_tree(data, {"notes.txt": b"x" * 3000, ".trash/gone.png": b""})
    for number, name in enumerate(("cat 1.png", "DogPark_10.png", "deep/night.png")):
        os.utime(data / "out" / name, (noon + number * DAY,) * 2)
    os.utime(data / "notes.txt", (noon - DAY,) * 2)
    return top


@pytest.fixture(scope="module")
def root(folder: Path) -> Root:
    return Root("data", folder / "data", hidden=OWN_NAMES)


@pytest.fixture(scope="module")
def index(folder: Path, root: Root) -> Iterator[FileIndex]:
    index = FileIndex(folder / "index.db", [root], read_lines, without_pauses=True)
    index.start()
    assert index.wait_until_idle(TIMEOUT)
    yield index
    index.stop()


def find(index: FileIndex, root: Root, q: str, **query: object) -> list[str]:
    page = index.find(
        FileAccess("ann", (root,)),
        SearchQuery(parse_query(q), **query),  # type: ignore[arg-type]
    )
    assert page.missing == ()
    return [hit.path for hit in page.hits]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("", ALL),
        ("cat", {CAT, NIGHT}),
        ("CAT", {CAT, NIGHT}),
        ("black cat", {CAT}),
        ('"black cat"', {CAT}),
        ('"cat black"', set()),
        ("ca", {CAT, NIGHT}),
        ('"ca"', set()),
        ("park", {DOG}),
        ("10", {DOG}),
        ("猫", {CAT}),
        ("dog", {DOG}),
        ("negative:dog", {CAT}),
        ("-negative:dog", ALL - {CAT}),
        ("negative:dog -hands", {CAT}),
        ("prompt:deliberate", set()),
        ("deliberate", {CAT, DOG}),
        ("model:deliberate", {CAT, DOG}),
        ('model:"deliberate"', {DOG}),
        ("-model:deliberate", ALL - {CAT, DOG}),
        ("model:%", set()),
        ("model:_v", {CAT}),
        ('lora:"ink style"', {CAT}),
        ("lora:ink", {CAT}),
        ("lora:style -lora:more", set()),
        ("sampler:euler", {CAT}),
        ("seed:7", {CAT}),
        ("seed:1234567890123", {DOG}),
        ("1234567890123", {DOG}),
        ("seed:>7", {DOG}),
        ("-seed:7", ALL - {CAT}),
        ("width:4..8", {CAT, DOG}),
        ("height:>8", {NIGHT}),
        ("size:3000", {NOTES}),
        ("size:2kb..3kb kind:text", {NOTES}),
        ("kind:folder", {SET, DEEP}),
        ("kind:text,folder", {NOTES, SET, DEEP}),
        ("-kind:image", {NOTES, SET, DEEP}),
        ("name:o", {DOG, NOTES, SET}),
        ('name:"notes.txt"', {NOTES}),
        ("path:out/deep", {NIGHT}),
        ('path:"out"', {CAT, DOG, DEEP}),
        ("date:2026-03-01", {CAT}),
        ("date:2026-03 kind:image", {CAT, DOG, NIGHT}),
        ("date:>2026-03-01 kind:image", {DOG, NIGHT}),
        ("date:<2026-03 kind:text", {NOTES}),
        ("cat -black", {NIGHT}),
        ("-cat -dog -kind:folder", {NOTES}),
        ("cat, black", {CAT}),
        ("cat nothing", set()),
        ("gone", set()),
    ],
)
def test_all_conditions_must_hold(index: FileIndex, root: Root, q: str, found: set[str]) -> None:
    assert set(find(index, root, q)) == found


TERMS = st.sampled_from(
    (
        *("cat", "dog", '"red house"', "negative:dog", "model:deliberate", "lora:ink", "zebra"),
        *("seed:>0", "size:>2kb", "kind:image", "name:o", "path:deep", "date:2026-03-01", "猫"),
    )
)


@settings(max_examples=60)
@given(terms=st.lists(TERMS, max_size=3), negated=TERMS)
def test_a_condition_and_its_negation_share_all_between_them(
    index: FileIndex, root: Root, terms: list[str], negated: str
) -> None:
    q = " ".join(terms)
    with_it, without = (find(index, root, f"{q} {sign}{negated}") for sign in ("", "-"))
    assert sorted(with_it + without) == sorted(find(index, root, q))
    each = [set(find(index, root, term)) for term in terms]
    assert set(find(index, root, q)) == set.intersection(ALL, *each)


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("sort", Sort)
def test_pages_put_together_are_the_whole_in_its_order(
    index: FileIndex, root: Root, sort: Sort, descending: bool
) -> None:
    order = {"sort": sort, "descending": descending}
    whole = find(index, root, "kind:image,text", **order)
    pages = [find(index, root, "kind:image,text", offset=n, limit=1, **order) for n in range(5)]
    assert [path for page in pages for path in page] == whole
    keys = {
        Sort.NAME: [CAT, DOG, NIGHT, NOTES],
        Sort.SIZE: sorted(whole, key=lambda p: (root.path / p[6:]).stat().st_size),
        Sort.MODIFIED: [NOTES, CAT, DOG, NIGHT],
        Sort.KIND: None,
    }[sort]
    if keys is not None:
        assert whole == (keys[::-1] if descending else keys)
    else:
        kinds = [path.endswith(".txt") for path in whole]
        assert kinds == sorted(kinds, reverse=descending)


def test_many_hits_are_in_the_same_order(
    index: FileIndex, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where many are found the order is read off the table's own; it must be the same."""
    for sort in Sort:
        few = find(index, root, "kind:image", sort=sort)
        monkeypatch.setattr(search, "MANY_HITS", 0)
        assert find(index, root, "kind:image", sort=sort) == few
        monkeypatch.undo()


def test_a_hit_tells_what_the_picture_told(index: FileIndex, root: Root) -> None:
    access = FileAccess("ann", (root,))
    (cat,) = index.find(access, SearchQuery(parse_query("seed:7"))).hits
    assert (cat.width, cat.height, cat.seed) == (8, 4, 7)
    assert (cat.model, cat.sampler, cat.prompt) == ("Deliberate_v2", "Euler a", "a black cat, 猫")
    assert (cat.entry.name, cat.entry.kind) == ("cat 1.png", FileKind.IMAGE)
    (dog,) = index.find(access, SearchQuery(parse_query("park"))).hits
    assert len(dog.prompt) == EXCERPT_LENGTH
    (notes,) = index.find(access, SearchQuery(parse_query("kind:text"))).hits
    assert (notes.width, notes.seed, notes.model, notes.prompt) == (None, None, None, "")


def test_a_page_is_bounded_and_its_total_is_not(
    index: FileIndex, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_PAGE_HITS", 2)
    page = index.find(FileAccess("ann", (root,)), SearchQuery((), limit=MAX_PAGE_HITS))
    assert (len(page.hits), page.total) == (2, len(ALL))
    assert find(index, root, "", offset=len(ALL)) == []


def test_a_search_below_a_folder_finds_nothing_beside_it(index: FileIndex, root: Root) -> None:
    assert set(find(index, root, "", below=Place(root, ("out", "deep")))) == {NIGHT}
    assert set(find(index, root, "cat", below=Place(root, ("out",)))) == {CAT, NIGHT}
    assert find(index, root, "", below=Place(root, ("none",))) == []
    assert find(index, root, "", below=Place(replace(root, name="other"), ())) == []


@pytest.mark.usefixtures("no_descriptor_leaks")
def test_a_search_that_takes_too_long_is_ended_and_the_next_one_is_not(
    index: FileIndex, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    find(index, root, "cat")
    monkeypatch.setattr(search, "SEARCH_TIMEOUT", -1.0)
    monkeypatch.setattr(search, "PROGRESS_STEPS", 1)
    with pytest.raises(TooMuch, match="takes too long"):
        find(index, root, "cat")
    monkeypatch.undo()
    assert set(find(index, root, "cat")) == {CAT, NIGHT}


def test_before_the_start_nothing_is_found(tmp_path: Path, root: Root) -> None:
    index = FileIndex(tmp_path / "index.db", [root])
    assert index.find(FileAccess("ann", (root,)), SearchQuery(())).total == 0
    index.schedule([Place(root, ("out",))])
    index.stop()
    assert not (tmp_path / "index.db").exists()


@given(st.text(max_size=80) | st.lists(st.sampled_from(sorted(FIELDS))).map(":".join))
def test_any_text_is_a_question_or_refused_by_name(text: str) -> None:
    try:
        terms = parse_query(text, datetime(2026, 1, 1))
    except BadSearch:
        return
    assert len(terms) <= MAX_TERMS
    for term in terms:
        low, high = term.span
        assert low is None or high is None or low <= high or ".." in term.value
        assert term.field in FIELDS | {""}


@given(st.dates(datetime(1971, 1, 1).date(), datetime(9000, 1, 1).date()))
def test_a_day_begins_where_the_one_before_it_ends(day: object) -> None:
    before = day - timedelta(days=1)  # type: ignore[operator]
    (this,), (other,) = parse_query(f"date:{day}"), parse_query(f"date:{before}")
    assert this.span[0] == other.span[1]
    (month,) = parse_query(f"date:{day:%Y-%m}")
    assert month.span[0] <= this.span[0] < this.span[1] <= month.span[1]  # type: ignore[operator]


@given(st.integers(0, 999), st.sampled_from(("", "k", "M", "gb", "TiB")))
def test_sizes_leave_no_gap_between_one_and_the_next(number: int, unit: str) -> None:
    (this,), (after,) = (parse_query(f"size:{n}{unit}") for n in (number, number + 1))
    assert this.span[1] == after.span[0]
    (above,), (at_most,) = (parse_query(f"size:{sign}{number}{unit}") for sign in (">", "<="))
    assert above.span == (this.span[1], None)
    assert at_most.span == (None, this.span[1])


def test_a_folder_is_found_that_came_with_its_first_file(
    open_index: IndexOpener, data: Root
) -> None:
    """Nobody tells of it: a watcher tells of files alone, an upload of the one that it brought."""
    index = open_index()
    write_tree(data.path, {"new/deeper/a.txt": b"", "brought/b.txt": b""})
    index.schedule_paths([data.path / "new" / "deeper" / "a.txt"])
    index.schedule([Place(data, ("brought", "b.txt"))])
    assert index.wait_until_idle(TIMEOUT)
    assert set(find(index, data, "kind:folder")) == {
        "/data/new",
        "/data/new/deeper",
        "/data/brought",
    }
    os.rename(data.path / "new", data.path / "newer")
    names = ("new/deeper/a.txt", "newer/deeper/a.txt")
    index.schedule_paths([data.path / name for name in names])
    assert index.wait_until_idle(TIMEOUT)
    assert set(find(index, data, "name:new")) == {"/data/newer"}


def test_an_end_in_the_middle_leaves_nothing_that_no_folder_leads_to(
    open_index: IndexOpener, data: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is written down, and the service ends before the folders above it are."""
    index = open_index()
    for name in ("gone", "stays"):
        write_tree(data.path, {f"{name}/deep/a.txt": b""})
    with monkeypatch.context() as patched:
        patched.setattr(FileIndex, "_schedule_own_name", lambda *_: None)
        index.schedule_paths(data.path / name / "deep" / "a.txt" for name in ("gone", "stays"))
        assert index.wait_until_idle(TIMEOUT)
        index.stop()
    assert {row[1] for row in known_to(tmp_path / "index.db")} == {"a.txt"}
    shutil.rmtree(data.path / "gone")
    open_index().stop()
    known = {(row[0], row[1]) for row in known_to(tmp_path / "index.db")}
    assert known == {("", "stays"), ("stays", "deep"), ("stays/deep", "a.txt")}


def test_a_folder_that_a_verb_names_is_compared_with_all_below_it(
    open_index: IndexOpener, data: Root
) -> None:
    """Two folders were joined: what came lies in a folder that was known."""
    write_tree(data.path, {"set/deep/old.txt": b""})
    index = open_index()
    write_tree(data.path, {"set/deep/new.txt": b""})
    (data.path / "set" / "deep" / "old.txt").unlink()
    index.schedule([Place(data, ("set",))])
    assert index.wait_until_idle(TIMEOUT)
    assert find(index, data, "kind:text") == ["/data/set/deep/new.txt"]


@pytest.mark.parametrize("told", [True, False])
def test_what_a_picture_told_goes_with_it(
    open_index: IndexOpener, data: Root, tmp_path: Path, told: bool
) -> None:
    facts = {"prompt": "word", "negative": "hands", "loras": "ink,more", "model": "m", "seed": 1}
    for name in ("stays.png", "set/goes.png", "set/deep/too.png", "changes.png"):
        write_picture(data.path / name, **facts)
    index = open_index()
    shutil.rmtree(data.path / "set")
    write_picture(data.path / "changes.png", prompt="other")
    os.utime(data.path / "changes.png", (5, 5))
    if told:
        index.schedule([Place(data, ("set",)), Place(data, ("changes.png",))])
        assert index.wait_until_idle(TIMEOUT)
    else:
        index = open_index()
    for q in ("word", "negative:hands", "lora:ink", "model:m", "seed:1"):
        assert find(index, data, q) == ["/data/stays.png"], q
    assert find(index, data, "other") == ["/data/changes.png"]
    index.stop()
    assert len(known_to(tmp_path / "index.db")) == 2
    assert orphans_in(tmp_path / "index.db") == 0


def test_a_folder_of_more_than_one_batch_is_known_whole(
    open_index: IndexOpener, data: Root
) -> None:
    write_tree(data.path, {f"many/{number}.txt": b"" for number in range(2 * BATCH + 1)})
    index = open_index()
    access = FileAccess("ann", (data,))
    assert index.find(access, SearchQuery(parse_query("kind:text"))).total == 2 * BATCH + 1
    listed = Listings().page(Place(data, ("many",)), ListingQuery(limit=2000)).entries
    found = [
        Path(path).name
        for offset in (0, 400)
        for path in find(
            index, data, "kind:text", sort=Sort.NAME, descending=False, offset=offset, limit=400
        )
    ]
    assert found == [each.name for each in listed]


def test_pictures_that_change_while_they_are_read_are_read_again(
    open_index: IndexOpener, data: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(data.path / "a.png", prompt="before")
    read, calls = file_index.read_picture, []

    def change_first(place: Place, *args: object) -> object:
        calls.append(place)
        if len(calls) == 1:
            write_picture(data.path / "a.png", prompt="after")
            os.utime(data.path / "a.png", (1e9, 1e9))
        return read(place, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(file_index, "read_picture", change_first)
    index = open_index()
    assert find(index, data, "after") == ["/data/a.png"]
    assert len(calls) == 2


def test_one_picture_that_breaks_its_reader_keeps_no_other_from_being_read(
    open_index: IndexOpener,
    data: Root,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    read = file_index.read_picture

    def break_for_one(place: Place, *args: object) -> object:
        if place.names[-1] == "bad.png":
            raise ZeroDivisionError
        return read(place, *args)  # type: ignore[arg-type]

    for name in ("a", "bad", "c"):
        write_picture(data.path / f"{name}.png", prompt="word")
    monkeypatch.setattr(file_index, "read_picture", break_for_one)
    with caplog.at_level(logging.ERROR):
        index = open_index()
    assert set(find(index, data, "word")) == {"/data/a.png", "/data/c.png"}
    assert "/data/bad.png" in find(index, data, "kind:image")
    assert caplog.text.count("cannot be read") == 1


def test_a_whole_look_that_fails_is_taken_up_again(
    open_index: IndexOpener,
    data: Root,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What a disk that was away for a moment did not show is found when it is there again."""
    write_tree(data.path, {"a.txt": b"", "set/b.txt": b""})
    scan, calls = os.scandir, []

    def fail_first(folder: int) -> object:
        calls.append(folder)
        if len(calls) == 1:
            raise OSError(5, "Input/output error")
        return scan(folder)

    monkeypatch.setattr("filebrowser.index.reconcile.os.scandir", fail_first)
    for pause in ("MAX_PAUSE", "RETRY_SECONDS"):
        monkeypatch.setattr(file_index, pause, 0.01)
    with caplog.at_level(logging.WARNING):
        index = open_index()
        wait_until(lambda: len(find(index, data, "")) == 3)
    assert "stands still for a moment" in caplog.text


def test_an_index_that_breaks_in_use_is_made_anew(
    open_index: IndexOpener, data: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(sqlite3.DatabaseError):
        sqlite_errorname = "SQLITE_CORRUPT"

    write_tree(data.path, {"a.txt": b""})
    index = open_index()

    def fail(*_: object) -> None:
        raise Broken("a page is broken")

    with monkeypatch.context() as patched:
        patched.setattr(IndexSearch, "find", fail)
        with pytest.raises(Broken):
            find(index, data, "")
    wait_until(lambda: list(tmp_path.glob("index.db.damaged-*")))

    def find_names() -> list[str]:
        try:
            return find(index, data, "")
        except sqlite3.OperationalError:  # its tables are being made
            return []

    wait_until(lambda: find_names() == ["/data/a.txt"])


def test_a_damaged_page_of_a_large_index_is_found_by_reading_it_through(
    open_index: IndexOpener, data: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(data.path, {f"{number:04}.txt": b"" for number in range(600)})
    open_index().stop()
    content = bytearray((tmp_path / "index.db").read_bytes())
    content[-8192:] = b"\xff" * 8192
    (tmp_path / "index.db").write_bytes(content)
    for name in ("filebrowser.database", "filebrowser.index.file_index"):
        monkeypatch.setattr(f"{name}.MAX_CHECKED_BYTES", 1024)
    index = open_index()
    wait_until(lambda: list(tmp_path.glob("index.db.damaged-*")))
    wait_until(lambda: len(find(index, data, "kind:text", limit=500)) == 500)


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    prepare_database(tmp_path / "index.db")
    rows = connect(tmp_path / "index.db")
    with pytest.raises(KeyError), transaction(rows):
        sync_roots(rows, {"/a": ()})
        raise KeyError
    assert rows.execute("SELECT count(*) FROM roots").fetchone() == (0,)
    rows.close()


def test_trees_that_are_no_more_are_forgotten_and_the_others_kept(
    open_index: IndexOpener, data: Root, tmp_path: Path
) -> None:
    other = Root("other", tmp_path / "other")
    write_tree(data.path, {"set/a.txt": b""})
    write_tree(other.path, {"others/b.txt": b""})
    open_index(data, other)
    before = known_to(tmp_path / "index.db")
    assert {row[1] for row in before} == {"set", "a.txt", "others", "b.txt"}
    open_index(data).stop()
    after = known_to(tmp_path / "index.db")
    assert after == {row for row in before if row[1] in ("set", "a.txt")}
