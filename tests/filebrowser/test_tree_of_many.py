"""Orders and pages of folders, also large ones, and what is kept of them."""

import itertools
import os
import random
import time
from pathlib import Path

import pytest

from filebrowser import orders
from filebrowser.errors import NotAFile, NotAFolder, NotHere
from filebrowser.gate import Place, Root, locate
from filebrowser.kinds import Kind
from filebrowser.natural import in_order
from filebrowser.orders import Sort
from filebrowser.tree import Listings, Wish, look
from filebrowser.walking import walk
from tests.waiting import quick

MANY = 20_000


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "data" / "many").mkdir(parents=True)
    return Root("data", tmp_path / "data", hidden=frozenset({".trash", "config.json*"}))


def settled(folder: Path) -> None:
    """Wait until the folder's last change is not of this moment."""
    while time.time_ns() - folder.stat().st_mtime_ns < 80_000_000:
        time.sleep(0.02)


def names(listings: Listings, place: Place, **wish: object) -> list[str]:
    return [each.name for each in listings.page(place, Wish(**wish)).entries]  # type: ignore[arg-type]


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
    assert in_order(list(reversed(expected))) == expected


def test_pages_of_many_are_quick_and_bounded(root: Root) -> None:
    folder = root.path / "many"
    for number in range(MANY):
        (folder / f"{number:05d}-{number * 7919 % 100_003}.png").touch()
    settled(folder)
    place, listings = locate("data/many", [root]), Listings()
    # 200 ms for five times as many where nothing else runs: make bench
    quick(lambda: Listings().page(place, Wish()), 0.5)
    first = listings.page(place, Wish())
    assert (first.total, len(first.entries)) == (MANY, 200)
    assert first.entries[0].name.startswith("00000-")
    last = quick(lambda: listings.page(place, Wish(offset=MANY - 10)), 0.1)
    assert last.entries[-1].name.startswith(f"{MANY - 1:05d}-")
    assert len(listings.page(place, Wish(limit=10**9)).entries) == 2000


def test_a_kept_order_follows_the_folder(root: Root) -> None:
    folder, listings = root.path / "many", Listings()
    place = locate("data/many", [root])
    (folder / "b").touch()
    settled(folder)
    assert names(listings, place) == ["b"]
    (folder / "a").touch()
    assert names(listings, place) == ["a", "b"]
    (folder / "c").touch()  # in the same tick of the clock, perhaps
    assert names(listings, place) == ["a", "b", "c"]
    os.unlink(folder / "a")
    assert names(listings, place) == ["b", "c"]
    (folder / "b").write_bytes(b"grown")
    assert listings.page(place, Wish()).entries[0].size == 5


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_order_that_was_carried_on_is_the_one_read_anew(
    root: Root, sort: Sort, seed: int
) -> None:
    folder, chance = root.path / "many", random.Random(seed)
    place, listings = locate("data/many", [root]), Listings()
    clock = itertools.count(1_000_000_000)
    # Several changes between two looks may give a file's number to another file of its name: who
    # asks for an order by time or size may hear of that some seconds later.
    most = 1 if sort in (Sort.SIZE, Sort.MODIFIED) else 5
    for _ in range(40):
        for _ in range(chance.randint(0, most)):
            change(folder, chance, next(clock))
        wish = Wish(sort, chance.random() < 0.5, limit=2000, hidden=chance.random() < 0.3)
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
    place = locate("data/many", [root])
    for name in ("a", "b"):
        (folder / name).touch()
    settled(folder)
    before = listings.page(place, Wish())
    (folder / "b").unlink()
    (folder / "b").mkdir()
    after = listings.page(place, Wish())
    assert [each.name for each in before.entries] == ["a", "b"]
    assert [each.name for each in after.entries] == ["b", "a"]


def test_one_change_among_many_costs_no_new_order(root: Root) -> None:
    folder, listings = root.path / "many", Listings()
    for number in range(MANY):
        (folder / f"{number:05d}-{number * 7919 % 100_003}.png").touch()
    settled(folder)
    place = locate("data/many", [root])
    listings.page(place, Wish())

    def changed() -> int:
        (folder / f"new-{time.time_ns()}.png").touch()
        return listings.page(place, Wish(Sort.NAME, True)).total

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(orders, "in_order", None)  # it must not be called
        assert [changed() for _ in range(3)] == [MANY + 1, MANY + 2, MANY + 3]
    for number in range(orders.FEW + 1):
        (folder / f"more-{number}").touch()
    assert listings.page(place, Wish()).total == MANY + 3 + orders.FEW + 1


def test_no_more_is_kept_than_allowed(root: Root) -> None:
    listings = Listings(most_kept=25)
    for folder in ("many", "x", "y", "z"):
        (root.path / folder).mkdir(exist_ok=True)
        for number in range(10):
            (root.path / folder / str(number)).touch()
        settled(root.path / folder)
        names(listings, locate(f"data/{folder}", [root]))
    assert sum(each.order.count for each in listings._kept.values()) <= 25
    assert len(names(listings, locate("data/many", [root]))) == 10


def test_what_is_odd_is_told_as_such(root: Root) -> None:
    folder = root.path / "many"
    (folder / "link").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.png")).touch()
    (folder / "a:b").touch()
    (folder / "inner").mkdir()
    found = Listings().page(locate("data/many", [root]), Wish(sort=Sort.NAME))
    kinds = {each.name: each.kind for each in found.entries}
    assert kinds == {
        "inner": Kind.FOLDER,
        "a\\x3ab": Kind.FILE,
        "bad\\xff.png": Kind.IMAGE,
        "link": Kind.LINK,
        "pipe": Kind.SPECIAL,
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
            Listings().page(locate(f"data/{path}", [root]), Wish())
    assert look(locate("data/link", [root])).kind is Kind.LINK
    assert look(Place(root, ())).kind is Kind.FOLDER
