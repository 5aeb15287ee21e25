"""What visitors see in a shared folder: ordinary files and folders, in order, page by page."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filebrowser.access.gate import Place, Root
from filebrowser.shares import contents
from filebrowser.shares.contents import SharedEntry, entries_of


def list_folder(folder: Path, offset: int = 0, count: int = 1000) -> tuple[int, list[SharedEntry]]:
    hidden = frozenset({".trash", "*.part"})
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        total, page = entries_of(Place(Root("data", folder, hidden=hidden), ()), fd, offset, count)
    finally:
        os.close(fd)
    return total, [*page]


def test_folders_come_first_then_names_whatever_their_case(tree: Path) -> None:
    work = tree / "work"
    for name in ("b.txt", "C.txt", "Ärger.txt"):
        (work / name).write_bytes(b"xyz")
    (work / "Zoo").mkdir()
    total, entries = list_folder(work)
    assert [entry.name for entry in entries] == [
        *("sub", "Zoo", "a.txt", "b.txt", "C.txt", "Ärger.txt")
    ]
    assert [entry.is_folder for entry in entries] == [True, True, *[False] * 4]
    assert entries[2] == SharedEntry("a.txt", False, 7)
    assert total == 6


def test_what_the_gate_would_not_open_is_not_listed(tree: Path) -> None:
    work = tree / "work"
    (work / "link").symlink_to("a.txt")
    (work / "folder-link").symlink_to("sub")
    (work / "nowhere").symlink_to("none")
    os.mkfifo(work / "pipe")
    (work / ".trash").mkdir()
    (work / "model.part").write_bytes(b"half")
    total, entries = list_folder(work)
    assert ([entry.name for entry in entries], total) == (["sub", "a.txt"], 2)


def test_odd_names_are_written_out(tree: Path) -> None:
    folder = os.fsencode(tree / "work" / "sub")
    Path(os.fsdecode(folder + b"/bad\xff.txt")).write_bytes(b"1")
    Path(os.fsdecode(folder + b"/new\nline")).write_bytes(b"12")
    names = {entry.name: entry.size for entry in list_folder(tree / "work" / "sub")[1]}
    assert names.keys() & {"b.txt"}
    assert sorted(names.values()) == [1, 2, 12]
    for name in names:
        name.encode()  # it can be sent
        assert "\n" not in name


def test_a_file_that_leaves_meanwhile_is_listed_as_empty(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat

    def stat(name: str, **more: object) -> os.stat_result:
        if name == "a.txt":
            raise FileNotFoundError(name)
        return real(name, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(contents.os, "stat", stat)
    _, entries = list_folder(tree / "work")
    assert entries[1] == SharedEntry("a.txt", False, 0)


def test_an_empty_folder_and_pages_beyond_the_end(tree: Path) -> None:
    (tree / "empty").mkdir()
    assert list_folder(tree / "empty") == (0, [])
    assert list_folder(tree / "work", offset=2) == (2, [])
    assert list_folder(tree / "work", count=0) == (2, [])


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number in range(23):
        (folder / f"{number}.txt").write_bytes(bytes(number))
    return folder


@settings(max_examples=30)
@given(size=st.integers(1, 30))
def test_pages_of_any_size_make_the_whole(many: Path, size: int) -> None:
    _, whole = list_folder(many)
    pages = [list_folder(many, offset, size) for offset in range(0, 23, size)]
    assert [entry for _, page in pages for entry in page] == whole
    assert {total for total, _ in pages} == {23}
