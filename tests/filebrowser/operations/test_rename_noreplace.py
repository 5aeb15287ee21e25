"""Renames never replace anything, by the kernel's own call and by each stand-in for it."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from filebrowser.operations import renames
from filebrowser.operations.renames import exchange_names, is_same_entry, rename_noreplace


@pytest.fixture(params=["renameat2", "link", "placeholder"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file system with everything, one without renameat2, one without hard links as well."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL if request.param == "link" else errno.ENOSYS, "not here")

    def refuse_link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if request.param != "renameat2":
        monkeypatch.setattr(renames, "_renameat2", refuse)
    if request.param == "placeholder":
        monkeypatch.setattr(os, "link", refuse_link)
    return str(request.param)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Two open folders, ``from`` and ``to``."""
    (tmp_path / "from" / "tree" / "below").mkdir(parents=True)
    (tmp_path / "from" / "a").write_bytes(b"ours")
    (tmp_path / "from" / "link").symlink_to("a")
    (tmp_path / "to").mkdir()
    pair = [os.open(tmp_path / name, os.O_RDONLY | os.O_DIRECTORY) for name in ("from", "to")]
    yield pair[0], pair[1]
    for folder in pair:
        os.close(folder)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ["a", "tree", "link"])
def test_a_free_name_is_taken(tmp_path: Path, folders: tuple[int, int], name: str) -> None:
    inode = (tmp_path / "from" / name).lstat().st_ino
    rename_noreplace(folders[0], name, folders[1], "new")
    assert not os.path.lexists(tmp_path / "from" / name)
    assert (tmp_path / "to" / "new").lstat().st_ino == inode


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ["a", "tree", "link"])
@pytest.mark.parametrize("there", ["file", "folder", "dead link"])
def test_a_taken_name_stays_what_it_is(
    tmp_path: Path, folders: tuple[int, int], name: str, there: str
) -> None:
    target = tmp_path / "to" / "new"
    if there == "file":
        target.write_bytes(b"theirs")
    elif there == "folder":
        target.mkdir()
    else:
        target.symlink_to("nowhere")
    before = target.lstat().st_ino
    with pytest.raises(FileExistsError):
        rename_noreplace(folders[0], name, folders[1], "new")
    assert target.lstat().st_ino == before
    assert os.path.lexists(tmp_path / "from" / name)


@pytest.mark.usefixtures("way")
def test_what_is_not_there_leaves_nothing_behind(tmp_path: Path, folders: tuple[int, int]) -> None:
    with pytest.raises(FileNotFoundError):
        rename_noreplace(folders[0], "gone", folders[1], "new")
    assert os.listdir(tmp_path / "to") == []


def test_a_folder_does_not_move_into_itself(
    tmp_path: Path, folders: tuple[int, int], way: str
) -> None:
    inside = os.open(tmp_path / "from" / "tree", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError, match=r".") as refusal:
            rename_noreplace(folders[0], "tree", inside, "tree")
    finally:
        os.close(inside)
    assert refusal.value.errno in (errno.EINVAL, errno.ENOSYS)
    assert os.listdir(tmp_path / "from" / "tree") == ["below"]


@pytest.mark.parametrize("name", ["a", "tree"])
def test_a_placeholder_goes_when_the_rename_fails(
    tmp_path: Path, folders: tuple[int, int], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no such thing here")

    monkeypatch.setattr(renames, "_renameat2", refuse)
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(PermissionError):
        rename_noreplace(folders[0], name, folders[1], "new")
    assert os.listdir(tmp_path / "to") == []
    assert (tmp_path / "from" / name).exists()


def test_names_trade_places(tmp_path: Path, folders: tuple[int, int]) -> None:
    (tmp_path / "to" / "b").write_bytes(b"theirs")
    exchange_names(folders[0], "a", folders[1], "b")
    assert (tmp_path / "from" / "a").read_bytes() == b"theirs"
    assert (tmp_path / "to" / "b").read_bytes() == b"ours"
    with pytest.raises(FileNotFoundError):
        exchange_names(folders[0], "a", folders[1], "gone")


def test_hard_links_are_two_entries(tmp_path: Path, folders: tuple[int, int]) -> None:
    os.link(tmp_path / "from" / "a", tmp_path / "from" / "b")
    assert not is_same_entry(folders[0], "a", folders[0], "b")
    assert not is_same_entry(folders[0], "a", folders[0], "a")
    assert not is_same_entry(folders[0], "a", folders[1], "a")
    assert not is_same_entry(folders[0], "a", folders[0], "gone")


def test_another_case_of_the_same_entry_is_no_other(
    tmp_path: Path, folders: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system that knows no case: "A" is found as "a", and listed as "a" alone."""
    os.link(tmp_path / "from" / "a", tmp_path / "from" / "A")
    monkeypatch.setattr(os, "listdir", lambda _: ["a", "link", "tree"])
    assert is_same_entry(folders[0], "a", folders[0], "A")
