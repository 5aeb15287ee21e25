"""Walks and pages of folders: every name once, in one order, whatever changes meanwhile."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filebrowser.access.gate import MAX_DEPTH, Place, Root
from filebrowser.errors import NotHere, TooMuch
from filebrowser.listing import sort_order, tree, tree_walk
from filebrowser.listing.file_kinds import FileKind
from filebrowser.listing.sort_order import Sort
from filebrowser.listing.tree import (
    STALE_SECONDS,
    Listing,
    ListingQuery,
    Listings,
    read_entry,
)
from filebrowser.listing.tree_walk import walk
from tests.filebrowser.conftest import OWN_NAMES
from tests.filebrowser.file_trees import write_tree
from tests.wait import Clock

TREE = {"b/2": b"", "b/10": b"", "a/z/deep": b"x", "c": b"", ".trash/gone": b"", ".dotted": b""}


def walked(root: Root, *names: str, **options: int) -> list[str]:
    return ["/".join(entry.place.names) for entry in walk(Place(root, names), **options)]


def test_a_walk_goes_folder_by_folder_in_the_order_of_names(data: Root) -> None:
    write_tree(data.path, TREE)
    assert walked(data) == [".dotted", "a", "b", "c", "a/z", "a/z/deep", "b/10", "b/2"]
    assert walked(data, "b") == ["b/10", "b/2"]


def test_links_and_special_files_are_told_and_not_opened(data: Root, tmp_path: Path) -> None:
    write_tree(tmp_path, {"outside/secret": b""})
    (data.path / "link").symlink_to(tmp_path / "outside")
    (data.path / "around").symlink_to(".")
    os.mkfifo(data.path / "pipe")
    kinds = {e.place.names: (e.is_folder, e.is_file) for e in walk(Place(data, ()))}
    assert kinds == dict.fromkeys((("link",), ("around",), ("pipe",)), (False, False))
    assert walked(data, "link") == []


def test_a_walk_of_too_much_is_ended(data: Root) -> None:
    write_tree(data.path, TREE)
    assert len(walked(data, most=8)) == 8
    with pytest.raises(TooMuch, match="more than 7 files and folders"):
        walked(data, most=7)


@pytest.mark.parametrize("names", [("none",), ("c",), ("c", "below")])
def test_what_is_no_folder_holds_nothing(data: Root, names: tuple[str, ...]) -> None:
    write_tree(data.path, TREE)
    assert walked(data, *names) == []


def test_what_vanishes_or_cannot_be_read_is_left_out(
    data: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(data.path, TREE)
    opened, stat = tree_walk.open_place, os.stat

    def refuse(place: Place, *flags: int) -> int:
        if place.names == ("b",):
            raise PermissionError
        return opened(place, *flags)

    def gone(name: str, **options: object) -> os.stat_result:
        if name == "z":
            raise FileNotFoundError
        return stat(name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(tree_walk, "open_place", refuse)
    monkeypatch.setattr(tree_walk.os, "stat", gone)
    assert walked(data) == [".dotted", "a", "b", "c"]


def test_folders_deeper_than_paths_may_be_are_not_entered(data: Root) -> None:
    deep = data.path
    for _ in range(MAX_DEPTH + 2):
        deep = deep / "d"
        deep.mkdir()
    assert max(len(path.split("/")) for path in walked(data)) == MAX_DEPTH


NAMES = st.sampled_from(("a", "B", "c1", "c02", "c10", ".x", "é", "e.png", "z.txt", "m.pt"))
FOLDERS = st.dictionaries(NAMES, st.none() | st.binary(max_size=3), max_size=9)
QUERIES = st.builds(
    ListingQuery,
    st.sampled_from(Sort),
    st.booleans(),
    st.just(0),
    st.integers(1, 4),
    st.booleans(),
)


@settings(max_examples=30)
@given(content=FOLDERS, query=QUERIES)
def test_pages_put_together_are_the_folder_in_order(
    content: Mapping[str, bytes | None], query: ListingQuery
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Root("data", Path(folder), hidden=OWN_NAMES)
        write_tree(root.path, content)
        for number, name in enumerate(content):
            os.utime(root.path / name, (number % 3, number % 3))
        listings, pages = Listings(), list[Listing]()
        for offset in range(0, len(content) + 1, query.limit):
            wanted = ListingQuery(query.sort, query.descending, offset, query.limit, query.hidden)
            pages.append(listings.page(Place(root, ()), wanted))
    entries = [entry for page in pages for entry in page.entries]
    assert {page.total for page in pages} == {len(entries)}
    shown = {name for name in content if query.hidden or name[0] != "."}
    assert sorted(entry.name for entry in entries) == sorted(shown)
    is_file = [entry.kind is not FileKind.FOLDER for entry in entries]
    assert is_file == sorted(is_file)  # folders first, in either direction
    keys = {
        Sort.SIZE: lambda entry: entry.size or 0,
        Sort.MODIFIED: lambda entry: entry.modified,
        Sort.KIND: lambda entry: entry.kind,
        Sort.NAME: lambda entry: sort_order.natural_key(entry.name),
    }
    for kind in (True, False):
        values = [keys[query.sort](e) for e in entries if (e.kind is FileKind.FOLDER) is kind]
        assert values == sorted(values, reverse=query.descending)


@pytest.mark.parametrize("sort", [Sort.SIZE, Sort.MODIFIED])
def test_an_order_by_size_or_time_is_read_anew_after_some_seconds(
    data: Root, monkeypatch: pytest.MonkeyPatch, sort: Sort
) -> None:
    """A file that grows does not touch its folder."""
    clock = Clock(100.0)
    monkeypatch.setattr(tree.time, "monotonic", clock)
    write_tree(data.path, {"a": b"1", "b": b"22"})
    for name, moment in (("a", 1), ("b", 2)):
        os.utime(data.path / name, (moment, moment))
    os.utime(data.path, (1, 1))
    monkeypatch.setattr(tree, "YOUNG_NS", -(10**12))  # the folder is said to be at rest
    listings = Listings()

    def names() -> list[str]:
        return [e.name for e in listings.page(Place(data, ()), ListingQuery(sort)).entries]

    assert names() == ["a", "b"]
    (data.path / "a").write_bytes(b"333")
    clock.skip(STALE_SECONDS - 0.1)
    assert names() == ["a", "b"]
    clock.skip(0.2)
    assert names() == ["b", "a"]


def test_another_folder_in_the_ones_place_is_no_known_one(data: Root) -> None:
    write_tree(data.path, {"set/a": b"", "other/b": b""})
    listings, place = Listings(), Place(data, ("set",))
    assert listings.page(place, ListingQuery()).entries[0].name == "a"
    os.rename(data.path / "set", data.path / "away")
    os.rename(data.path / "other", data.path / "set")
    assert [e.name for e in listings.page(place, ListingQuery()).entries] == ["b"]


def test_an_entry_tells_sizes_of_files_alone(data: Root) -> None:
    write_tree(data.path, {"a.png": b"four", "set": None})
    os.utime(data.path / "a.png", ns=(0, 1_500_000_000_123_456_789))
    file = read_entry(Place(data, ("a.png",)))
    assert (file.name, file.kind, file.size) == ("a.png", FileKind.IMAGE, 4)
    assert file.modified == 1_500_000_000.123
    assert read_entry(Place(data, ("set",))).size is None
    for names in (("none",), ("none", "below")):
        with pytest.raises(NotHere):
            read_entry(Place(data, names))
    with pytest.raises(NotHere):
        read_entry(Place(Root("gone", data.path / "gone"), ()))
