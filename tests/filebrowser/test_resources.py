"""Entries as the ``filebrowser`` API tells them: kinds, times, texts, checksums, bounds."""

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filebrowser import resources
from filebrowser.access.gate import Place, Root
from filebrowser.errors import TooMuch
from filebrowser.resources import (
    CHECKSUMS,
    MAX_TEXT_BYTES,
    SNIFF_BYTES,
    Resource,
    checksum,
    clamp_time,
    list_resources,
    resource_of,
    text_of,
    walk_resources,
)
from tests.filebrowser.file_trees import write_tree

GO_DIRECTORY, GO_SYMLINK, GO_DEVICE_OR_PIPE = 2_147_483_648, 134_217_728, 67_108_864


@pytest.fixture
def odd(data: Root) -> Iterator[Root]:
    """A tree with one of each kind."""
    write_tree(data.path, {"inner/deep/a.txt": b"deep", "inner/b.png": b"", "z.txt": b"last"})
    (data.path / "link").symlink_to("z.txt")
    os.mkfifo(data.path / "pipe")
    (data.path / ".trash").mkdir()
    (data.path / ".dotted").touch()
    Path(os.fsdecode(os.fsencode(data.path) + b"/bad\xff")).touch()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(data.path / "socket"))
        yield data


def list_folder(root: Root, *names: str) -> dict[str, Resource]:
    folder = os.open(Path(root.path, *names), os.O_RDONLY)
    try:
        return {one.name: one for one in list_resources(Place(root, names), folder)}
    finally:
        os.close(folder)


def resource_at(root: Root, *names: str) -> Resource:
    fd = os.open(Path(root.path, *names), os.O_RDONLY)
    try:
        return resource_of(Place(root, names), fd)
    finally:
        os.close(fd)


def read_text_of(root: Root, name: str) -> str | None:
    fd = os.open(root.path / name, os.O_RDONLY)
    try:
        return text_of(resource_of(Place(root, (name,)), fd), fd)
    finally:
        os.close(fd)


def test_a_folder_lists_what_can_be_asked_for_and_hides_the_services_own(odd: Root) -> None:
    listed = list_folder(odd)
    assert set(listed) == {"inner", "z.txt", "link", "pipe", "socket", ".dotted"}
    assert listed["z.txt"].path == "/data/z.txt"
    assert list_folder(odd, "inner", "deep")["a.txt"].path == "/data/inner/deep/a.txt"


def test_each_kind_has_its_mode_as_go_counts_it(odd: Root) -> None:
    listed = list_folder(odd)
    (odd.path / "z.txt").chmod(0o4751)
    kinds = {name: one.go_mode & ~0o777 for name, one in listed.items()}
    assert kinds == {
        "inner": GO_DIRECTORY,
        "link": GO_SYMLINK,
        "pipe": GO_DEVICE_OR_PIPE,
        "socket": GO_DEVICE_OR_PIPE,
        "z.txt": 0,
        ".dotted": 0,
    }
    assert list_folder(odd)["z.txt"].go_mode == 0o751  # no set-user-id bit
    assert [name for name, one in listed.items() if one.is_ordinary] == [
        name for name in listed if name in ("inner", "z.txt", ".dotted")
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp4", "video"), ("a.FLAC", "audio"), ("a.png", "image"), ("a.txt", "text"),
        ("a.pdf", "pdf"), ("a.safetensors", ""), ("a", ""), ("a.zip", ""),
    ],
)  # fmt: skip
def test_a_type_goes_by_the_name(data: Root, name: str, kind: str) -> None:
    (data.path / name).touch()
    assert resource_at(data, name).filebrowser_type == kind


def test_a_folder_has_no_type_whatever_it_is_called_and_a_link_an_invalid_one(data: Root) -> None:
    (data.path / "set.png").mkdir()
    (data.path / "link.png").symlink_to("set.png")
    listed = list_folder(data)
    assert listed["set.png"].filebrowser_type == ""
    assert listed["link.png"].filebrowser_type == "invalid_link"


def test_the_tree_itself_goes_by_its_own_name(data: Root) -> None:
    top = resource_at(data)
    assert (top.path, top.name, top.is_folder) == ("/data", "data", True)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z"),
        (-1, "1970-01-01T00:00:00.999999999Z"),
        (10**30, "9999-12-31T23:59:59.000000000Z"),
    ],
)
def test_times_are_of_rfc_3339_to_the_nanosecond(nanoseconds: int, text: str) -> None:
    assert Resource("/data/a", "a", 0, nanoseconds, 0o100644).modified_rfc3339 == text


@given(st.integers())
def test_any_time_becomes_one_that_a_date_has(seconds: int) -> None:
    clamped = clamp_time(seconds)
    assert 0 <= clamped <= 253_402_300_799
    assert clamped == seconds or not 0 <= seconds <= 253_402_300_799


def test_a_walk_tells_folders_before_what_they_hold_and_enters_no_link(odd: Root) -> None:
    (odd.path / "around").symlink_to(".")
    paths = [one.path for one in walk_resources(Place(odd, ()))]
    assert sorted(paths) == sorted(
        f"/data/{name}"
        for name in (
            *("inner", "inner/deep", "inner/deep/a.txt", "inner/b.png", "z.txt", ".dotted"),
            *("link", "around", "pipe", "socket"),
        )
    )
    assert paths.index("/data/inner") < paths.index("/data/inner/deep")
    assert paths.index("/data/inner/deep") < paths.index("/data/inner/deep/a.txt")


def test_a_walk_of_what_is_gone_or_no_folder_is_empty(odd: Root) -> None:
    for names in (("none",), ("z.txt",), ("link",)):
        assert list(walk_resources(Place(odd, names))) == []


def test_more_entries_than_one_answer_holds_are_refused(
    odd: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "MAX_ENTRIES", 3)
    with pytest.raises(TooMuch, match="more than 3 entries; page it"):
        list_folder(odd)
    write_tree(odd.path, {"inner/deep/c": b""})
    with pytest.raises(TooMuch, match="more than 3 entries in all"):
        list(walk_resources(Place(odd, ("inner",))))
    (odd.path / "inner" / "deep" / "c").unlink()
    assert [one.name for one in walk_resources(Place(odd, ("inner",)))] == [
        "b.png", "deep", "a.txt",
    ]  # fmt: skip


def test_what_goes_between_listing_and_looking_is_left_out(
    data: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(data.path, {"a": b"", "b": b""})
    scan = os.scandir

    @contextmanager
    def scan_then_remove(fd: int) -> Iterator[list[os.DirEntry[str]]]:
        with scan(fd) as entries:
            listed = list(entries)
        (data.path / "a").unlink()
        yield listed

    monkeypatch.setattr(resources.os, "scandir", scan_then_remove)
    assert list(list_folder(data)) == ["b"]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", "é\n猫".encode(), "é\n猫"),
        ("a", b"no ending", "no ending"),
        ("a.txt", b"", ""),
        ("a.txt", b"\xef\xbb\xbfwith a mark", "\ufeffwith a mark"),
        ("a.txt", b"caf\xe9", None),
        ("a.txt", b"zero\0", None),
        ("a.txt", b"a" * SNIFF_BYTES + b"\0", "a" * SNIFF_BYTES + "\0"),
        ("a.png", b"text in a picture's name", None),
        ("a.mp4", b"", None),
        ("a.txt", b"x" * (MAX_TEXT_BYTES + 1), None),
    ],
)
def test_a_short_text_comes_with_its_entry(
    data: Root, name: str, content: bytes, text: str | None
) -> None:
    (data.path / name).write_bytes(content)
    assert read_text_of(data, name) == text


@pytest.mark.parametrize("algorithm", CHECKSUMS)
@pytest.mark.parametrize("size", [0, 1, 1_500_000])
def test_a_checksum_is_of_the_whole_file_wherever_its_descriptor_stands(
    data: Root, algorithm: str, size: int
) -> None:
    content = os.urandom(1) * size
    (data.path / "a").write_bytes(content)
    fd = os.open(data.path / "a", os.O_RDONLY)
    try:
        os.lseek(fd, size // 2, os.SEEK_SET)
        assert checksum(fd, algorithm) == hashlib.new(algorithm, content).hexdigest()
    finally:
        os.close(fd)
