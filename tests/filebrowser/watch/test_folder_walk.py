"""The watcher's walk: every folder once, by its own name, whatever links lead around."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from filebrowser.watch import folder_walk
from filebrowser.watch.folder_walk import linked_folders, walk_folders


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """``top`` with folders, and ``far`` beside it."""
    for name in ("top/a/b", "top/c", "far/deep"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("top/1", "top/a/2", "far/deep/3", "top/.hidden-file"):
        (tmp_path / name).touch()
    return tmp_path / "top"


def walked(top: Path, links: bool = True) -> dict[str, set[str]]:
    """Names by folder; that no folder comes twice is looked at on the way."""
    folders: dict[str, set[str]] = {}
    for place, entries in walk_folders(top, links):
        name = str(place.relative_to(top))
        assert name not in folders
        folders[name] = {each.name for each in entries}
    return folders


def test_each_folder_comes_with_its_names(tree: Path) -> None:
    assert walked(tree) == {".": {"1", "a", "c"}, "a": {"2", "b"}, "a/b": set(), "c": set()}


def test_hidden_folders_are_not_entered(tree: Path) -> None:
    (tree / ".git" / "deep").mkdir(parents=True)
    (tree / "a" / ".cache").mkdir()
    assert set(walked(tree)) == {".", "a", "a/b", "c"}


def test_a_link_is_entered_where_links_are_followed(tree: Path) -> None:
    (tree / "link").symlink_to(tree.parent / "far")
    assert walked(tree)["link/deep"] == {"3"}
    assert not [name for name in walked(tree, links=False) if name.startswith("link")]
    assert list(linked_folders(tree)) == [tree / "link"]


@pytest.mark.parametrize("target", [".", "..", "a", "link"])
def test_loops_end(tree: Path, target: str) -> None:
    (tree / "a" / "link").symlink_to(tree / target if target != "link" else "link")
    folders = walked(tree)
    assert {".", "a", "a/b", "c"} <= set(folders)


def test_a_folder_goes_by_its_own_name_and_not_by_a_links(tree: Path) -> None:
    (tree / "0 first in order").symlink_to(tree / "a")
    assert "a/b" in walked(tree)
    assert list(linked_folders(tree)) == []


def test_two_links_to_one_folder_enter_it_once(tree: Path) -> None:
    for name in ("one", "two"):
        (tree / name).symlink_to(tree.parent / "far")
    assert len(list(linked_folders(tree))) == 1


def test_links_nest(tree: Path) -> None:
    (tree / "link").symlink_to(tree.parent / "far")
    (tree.parent / "further").mkdir()
    (tree.parent / "far" / "next").symlink_to(tree.parent / "further")
    assert set(linked_folders(tree)) == {tree / "link", tree / "link" / "next"}


def test_links_to_files_and_to_nothing_are_no_folders(tree: Path) -> None:
    (tree / "file").symlink_to(tree / "1")
    (tree / "dangling").symlink_to("nowhere")
    assert list(linked_folders(tree)) == []
    assert walked(tree)["."] == {"1", "a", "c", "file", "dangling"}


def test_a_folder_that_is_not_there_is_walked_without_a_word(tree: Path) -> None:
    assert list(walk_folders(tree / "none")) == []
    assert list(walk_folders(tree / "1")) == []


@pytest.mark.parametrize(
    ("number", "raised"),
    [(errno.ENOENT, False), (errno.EACCES, False), (errno.EIO, True), (errno.ESTALE, True)],
)
def test_a_folder_that_went_is_passed_over_and_a_disk_that_is_silent_is_told(
    tree: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: bool
) -> None:
    scan = os.scandir

    def refuse(place: str) -> Iterable[os.DirEntry[str]]:
        if place.endswith("/a"):
            raise OSError(number, os.strerror(number))
        return scan(place)

    monkeypatch.setattr(folder_walk.os, "scandir", refuse)
    if raised:
        with pytest.raises(OSError, match=os.strerror(number)):
            walked(tree)
    else:
        assert set(walked(tree)) == {".", "c"}
