"""A kept order, carried on from change to change, is the order of a folder that is read anew."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filebrowser.access.gate import Place, Root
from filebrowser.listing.natural_sort import natural_key, natural_keys, sort_naturally
from filebrowser.listing.sort_order import (
    MAX_INSERTIONS,
    ListingKey,
    Sort,
    SortedNames,
    read_names,
    update_names,
)

NAMES = st.sampled_from(
    (
        "a1.png",
        "a2.png",
        "A10.png",
        "a02.png",
        "b.txt",
        ".dot",
        ".hidden",
        "c.safetensors",
        "ß",
        "z",
    )
)
CHANGES = st.lists(
    st.tuples(st.sampled_from(("file", "folder", "remove", "replace")), NAMES, st.integers(0, 5)),
    max_size=8,
)


def apply_change(folder: Path, kind: str, name: str, size: int) -> None:
    """Do to a folder what a user may do between two listings."""
    path = folder / name
    if kind == "folder" and not path.exists():
        path.mkdir()
    elif kind == "file" and not path.exists():
        path.write_bytes(b"x" * size)
        os.utime(path, ns=(size, size))
    elif kind == "remove" and path.exists():
        path.rmdir() if path.is_dir() else path.unlink()
    elif kind == "replace" and path.is_file():
        fresh = folder.parent / "fresh"
        fresh.write_bytes(b"y" * (size + 1))
        os.utime(fresh, ns=(size + 1, size + 1))
        fresh.rename(path)


def test_equal_numbers_have_one_order() -> None:
    names = ["a2.png", "a02.png", "A2.png"]
    assert sort_naturally(names) == sort_naturally(names[::-1]) == sorted(names)
    assert sorted(names, key=natural_key) == sorted(names)


def both_lists(names: SortedNames) -> tuple[list[str], list[str]]:
    return list(names.folders), list(names.others)


@settings(max_examples=60)
@given(sort=st.sampled_from(Sort), show_dotted=st.booleans(), before=CHANGES, after=CHANGES)
def test_an_updated_order_is_the_one_read_anew(
    sort: Sort,
    show_dotted: bool,
    before: list[tuple[str, str, int]],
    after: list[tuple[str, str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as base:
        path = Path(base, "data")
        path.mkdir()
        place = Place(Root("data", path, hidden=frozenset({".hidden"})), ())
        wanted = ListingKey(place, sort, show_dotted)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for change in before:
                apply_change(path, *change)
            known = read_names(folder, wanted)
            for change in after:
                apply_change(path, *change)
            updated, anew = update_names(folder, wanted, known), read_names(folder, wanted)
        finally:
            os.close(folder)
    assert updated is not None
    if sort in (Sort.SIZE, Sort.MODIFIED) or not _changed_kind(known, anew):
        assert both_lists(updated) == both_lists(anew)
        assert updated.inodes == anew.inodes
    assert ".hidden" not in (*updated.folders, *updated.others)


def _changed_kind(known: SortedNames, anew: SortedNames) -> bool:
    """Whether a name was a file and is a folder: orders by name do not look, until all is read."""
    return bool(set(known.folders) & set(anew.others) or set(known.others) & set(anew.folders))


@pytest.mark.parametrize("sort", Sort)
def test_too_many_changes_are_read_anew(tmp_path: Path, sort: Sort) -> None:
    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        wanted = ListingKey(Place(Root("data", tmp_path), ()), sort, False)
        empty = read_names(folder, wanted)
        for number in range(MAX_INSERTIONS):
            (tmp_path / f"{number}").touch()
        full = update_names(folder, wanted, empty)
        assert full is not None
        assert full.count == MAX_INSERTIONS
        (tmp_path / "one more").touch()
        assert update_names(folder, wanted, empty) is None
        assert update_names(folder, wanted, full) is not None
    finally:
        os.close(folder)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_natural_order_loses_no_name_and_does_not_depend_on_where_it_began(
    names: list[str],
) -> None:
    order = sort_naturally(names)
    assert sorted(order) == sorted(names)
    assert natural_keys(order) == sorted(natural_keys(names))


@given(st.lists(st.integers(0, 10**30), min_size=1), st.sampled_from(("a", "A", "")))
def test_numbers_sort_by_value(numbers: Iterable[int], stem: str) -> None:
    order = sorted(numbers)
    assert sort_naturally([f"{stem}{number}.png" for number in numbers]) == [
        f"{stem}{number}.png" for number in order
    ]
    keys = [natural_key(f"{stem}{number}") for number in order]
    assert keys == sorted(keys)
