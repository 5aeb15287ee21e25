"""Orders and pages of folders, also large ones, and what is kept of them."""

import itertools
import os
import random
import time
from pathlib import Path

import pytest

from filebrowser.access.gate import Place, Root, parse_path
from filebrowser.errors import NotAFile, NotAFolder, NotHere
from filebrowser.listing import sort_order
from filebrowser.listing.file_kinds import FileKind
from filebrowser.listing.natural_sort import sort_naturally
from filebrowser.listing.sort_order import Sort
from filebrowser.listing.tree import ListingQuery, Listings, read_entry
from filebrowser.listing.tree_walk import walk
from tests.wait import assert_quick

MANY = 20_000


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "data" / "many").mkdir(parents=True)
    return Root("data", tmp_path / "data", hidden=frozenset({".trash", "config.json*"}))


def wait_until_settled(folder: Path) -> None:
    """Wait until the folder's last change is not of this moment."""
    while time.time_ns() - folder.stat().st_mtime_ns < 80_000_000:
        time.sleep(0.02)


def names(listings: Listings, place: Place, **wish: object) -> list[str]:
    return [each.name for each in listings.page(place, ListingQuery(**wish)).entries]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "expected",
    [
        ["a1", "a2", "a10", "a100"],
        ["1.png", "02.png", "3.png", "010.png"],
        ["a 1 b 2", "a 1 b 11", "a 2 b 1"],
        ["B", "c", "D"],
        ["x", "x" + "9" * 60, "x" + "9" * 61],
        [],
    ],
)
def test_natural_order(expected: list[str]) -> None:
    assert sort_naturally(list(reversed(expected))) == expected


def test_pages_of_many_are_quick_and_bounded(root: Root) -> None:
    folder = root.path / "many"
    for number in range(MANY):
        (folder / f"{number:05d}-{number * 7919 % 100_003}.png").touch()
    wait_until_settled(folder)
    place, listings = parse_path("data/many", [root]), Listings()
    # 200 ms for five times as many where nothing else runs: make bench
    assert_quick(lambda: Listings().page(place, ListingQuery()), 0.5)
    first = listings.page(place, ListingQuery())
    assert (first.total, len(first.entries)) == (MANY, 200)
    assert first.entries[0].name.startswith("00000-")
    last = assert_quick(lambda: listings.page(place, ListingQuery(offset=MANY - 10)), 0.1)
    assert last.entries[-1].name.startswith(f"{MANY - 1:05d}-")
    assert len(listings.page(place, ListingQuery(limit=10**9)).entries) == 2000


def test_a_kept_order_follows_the_folder(root: Root) -> None:
    folder, listings = root.path / "many", Listings()
    place = parse_path("data/many", [root])
    (folder / "b").touch()
    wait_until_settled(folder)
    assert names(listings, place) == ["b"]
    (folder / "a").touch()
    assert names(listings, place) == ["a", "b"]
    (folder / "c").touch()  # in the same tick of the clock, perhaps
    assert names(listings, place) == ["a", "b", "c"]
    os.unlink(folder / "a")
    assert names(listings, place) == ["b", "c"]
    (folder / "b").write_bytes(b"grown")
    assert listings.page(place, ListingQuery()).entries[0].size == 5


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_order_that_was_carried_on_is_the_one_read_anew(
    root: Root, sort: Sort, seed: int
) -> None:
    folder, chance = root.path / "many", random.Random(seed)
    place, listings = parse_path("data/many", [root]), Listings()
    clock = itertools.count(1_000_000_000)
    # Several changes between two looks may give a file's number to another file of its name: who
    # asks for an order by time or size may hear of that some seconds later.
    most = 1 if sort in (Sort.SIZE, Sort.MODIFIED) else 5
    for _ in range(40):
        for _ in range(chance.randint(0, most)):
            change(folder, chance, next(clock))
        wish = ListingQuery(sort, chance.random() < 0.5, limit=2000, hidden=chance.random() < 0.3)
        kept, anew = listings.page(place, wish), Listings().page(place, wish)
        assert kept == anew


def change(folder: Path, chance: random.Random, at: int) -> None:
    """One change by somebody: a file, a folder, another name, or a file in another's place."""
    name = f"{chance.choice('.aB')}{chance.randrange(12)}{chance.choice(('.png', '.txt', ''))}"
    path, other = folder / name, folder / f"new-{chance.randrange(5)}"
    verb = chance.choice(("make", "make", "make", "folder", "remove", "rename", "replace"))
    if verb == "remove" and path.is_dir():
        path.rmdir()
    elif verb == "remove":
        path.unlink(missing_ok=True)
    elif verb == "folder" and not path.exists():
        path.mkdir()
    elif verb == "rename" and path.is_file() and not other.is_dir():
        path.rename(other)
    elif verb == "replace" and path.is_file():
        draft = folder.with_name("draft")
        draft.write_bytes(bytes(at % 97))
        os.utime(draft, (at, at))
        draft.rename(path)
    elif verb == "make" and not path.exists():
        path.write_bytes(bytes(at % 97))


def test_a_file_that_became_a_folder_between_two_looks(root: Root) -> None:
    folder, listings = root.path / "many", Listings()
    place = parse_path("data/many", [root])
    for name in ("a", "b"):
        (folder / name).touch()
    wait_until_settled(folder)
    before = listings.page(place, ListingQuery())
    (folder / "b").unlink()
    (folder / "b").mkdir()
    after = listings.page(place, ListingQuery())
    assert [each.name for each in before.entries] == ["a", "b"]
    assert [each.name for each in after.entries] == ["b", "a"]


def test_one_change_among_many_costs_no_new_order(root: Root) -> None:
    folder, listings = root.path / "many", Listings()
    for number in range(MANY):
        (folder / f"{number:05d}-{number * 7919 % 100_003}.png").touch()
    wait_until_settled(folder)
    place = parse_path("data/many", [root])
    listings.page(place, ListingQuery())

    def total_after_change() -> int:
        (folder / f"new-{time.time_ns()}.png").touch()
        return listings.page(place, ListingQuery(Sort.NAME, True)).total

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sort_order, "sort_naturally", None)  # it must not be called
        assert [total_after_change() for _ in range(3)] == [MANY + 1, MANY + 2, MANY + 3]
    for number in range(sort_order.MAX_INSERTIONS + 1):
        (folder / f"more-{number}").touch()
    assert listings.page(place, ListingQuery()).total == MANY + 3 + sort_order.MAX_INSERTIONS + 1


def test_no_more_is_kept_than_allowed(root: Root) -> None:
    listings = Listings(max_cached=25)
    for folder in ("many", "x", "y", "z"):
        (root.path / folder).mkdir(exist_ok=True)
        for number in range(10):
            (root.path / folder / str(number)).touch()
        wait_until_settled(root.path / folder)
        names(listings, parse_path(f"data/{folder}", [root]))
    assert sum(each.order.count for each in listings._cache.values()) <= 25
    assert len(names(listings, parse_path("data/many", [root]))) == 10


def test_what_is_odd_is_told_as_such(root: Root) -> None:
    folder = root.path / "many"
    (folder / "link").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.png")).touch()
    (folder / "a:b").touch()
    (folder / "inner").mkdir()
    found = Listings().page(parse_path("data/many", [root]), ListingQuery(sort=Sort.NAME))
    kinds = {each.name: each.kind for each in found.entries}
    assert kinds == {
        "inner": FileKind.FOLDER,
        "a\\x3ab": FileKind.FILE,
        "bad\\xff.png": FileKind.IMAGE,
        "link": FileKind.LINK,
        "pipe": FileKind.SPECIAL,
    }
    seen = {found.place.names[-1] for found in walk(Place(root, ()))}
    assert seen == {"many", "inner", "link", "pipe", "a:b", os.fsdecode(b"bad\xff.png")}


def test_hidden_names_are_in_no_page_and_no_walk(root: Root) -> None:
    for name in (".trash", "config.json", "Config.json.broken", "kept.json"):
        (root.path / name).touch()
    listings = Listings()
    assert names(listings, Place(root, ()), hidden=True) == ["many", "kept.json"]
    assert {each.place.names[0] for each in walk(Place(root, ()))} == {"many", "kept.json"}


def test_what_cannot_be_listed(root: Root) -> None:
    (root.path / "file").touch()
    (root.path / "link").symlink_to("many")
    for path, error in (("file", NotAFolder), ("none", NotHere), ("link", NotAFile)):
        with pytest.raises(error):
            Listings().page(parse_path(f"data/{path}", [root]), ListingQuery())
    assert read_entry(parse_path("data/link", [root])).kind is FileKind.LINK
    assert read_entry(Place(root, ())).kind is FileKind.FOLDER
