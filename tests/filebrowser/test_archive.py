"""Zips made while they are sent: of the length that was told, and read by every unpacker."""

import io
import os
import unicodedata
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filebrowser import archive
from filebrowser.access.file_access import FileAccess, Right
from filebrowser.access.gate import Place, Root
from filebrowser.archive import Member, make_archive, safe_name
from filebrowser.errors import BadPath, NotAFile, NotAllowed, NotHere, TooMuch
from filebrowser.file_response import Shrunk
from filebrowser.names import name_fault
from filebrowser.zip_reader import read_content, read_entries
from tests.filebrowser.file_trees import FileTree, read_tree, write_tree

TREE: FileTree = {
    "set/a.txt": b"a",
    "set/sub/b.bin": bytes(range(256)) * 8,
    "set/empty": None,
    "alone.txt": b"alone",
}
NAMES = st.text(st.sampled_from('aAbé\u0301 .:*\\"<>|?\n\x7f猫0_'), min_size=1, max_size=6).filter(
    lambda name: name not in (".", "..")
)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=40), max_size=6
)


def zip_of(ann: FileAccess, *paths: str) -> tuple[str, bytes]:
    """Name and bytes of an archive, whose length must be as it was told."""
    made = make_archive(ann, paths)
    content = b"".join(made.pieces)
    assert len(content) == made.size
    return made.name, content


def unpacked(content: bytes) -> FileTree:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        return {
            info.filename.rstrip("/"): None if info.is_dir() else file.read(info)
            for info in file.infolist()
        }


def test_a_folder_comes_with_its_name_and_all_below_it(data: Root, ann: FileAccess) -> None:
    write_tree(data.path, TREE)
    name, content = zip_of(ann, "/data/set")
    assert name == "set.zip"
    assert unpacked(content) == {
        "set": None, "set/a.txt": b"a", "set/sub": None, "set/sub/b.bin": TREE["set/sub/b.bin"],
        "set/empty": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (["/data/alone.txt"], "alone.txt.zip"),
        (["/data"], "data.zip"),
        (["/data/alone.txt", "/data/set"], "files.zip"),
    ],
)
def test_an_archive_is_called_as_the_one_thing_in_it(
    data: Root, ann: FileAccess, paths: list[str], name: str
) -> None:
    write_tree(data.path, TREE)
    assert zip_of(ann, *paths)[0] == name


def test_a_whole_tree_hides_what_the_tree_hides(data: Root, ann: FileAccess) -> None:
    write_tree(data.path, {**TREE, ".trash/x": b"deleted", "set/.dotted": b"the user's"})
    members = unpacked(zip_of(ann, "/data")[1])
    assert "data/set/.dotted" in members
    assert not any(".trash" in name for name in members)


def test_links_and_special_files_stay_where_they_are(
    data: Root, ann: FileAccess, tmp_path: Path
) -> None:
    write_tree(data.path, {"set/a": b"a"})
    (tmp_path / "outside").write_bytes(b"secret")
    (data.path / "set" / "link").symlink_to(tmp_path / "outside")
    (data.path / "set" / "way").symlink_to(tmp_path)
    os.mkfifo(data.path / "set" / "pipe")
    assert unpacked(zip_of(ann, "/data/set")[1]) == {"set": None, "set/a": b"a"}
    with pytest.raises(NotAFile):
        make_archive(ann, ["/data/set/link"])


def test_two_of_one_name_are_told_apart(data: Root, ann: FileAccess) -> None:
    write_tree(data.path, {"a/x.png": b"1", "b/x.png": b"2", "c/X.PNG": b"3", "d/x.png/in": b"4"})
    paths = ["/data/a/x.png", "/data/b/x.png", "/data/c/X.PNG", "/data/d/x.png"]
    assert unpacked(zip_of(ann, *paths)[1]) == {
        "x.png": b"1", "x (1).png": b"2", "X (2).PNG": b"3",
        "x.png (1)": None, "x.png (1)/in": b"4",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.png", "a.png"),
        ("猫 é.png", "猫 é.png"),
        ('a:b*c?d"e<f>g|h', "a_b_c_d_e_f_g_h"),
        ("back\\slash", "back_slash"),
        ("line\nfeed", "line_feed"),
        ("trailing. .", "trailing"),
        ("...", "_"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("\udcff", "_"),
        ("", "_"),
    ],
)
def test_names_mean_the_same_wherever_they_are_unpacked(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(st.sampled_from("aB.: /\\*\n\x85é猫․‥\udcffCONul1"), max_size=12))
def test_a_safe_name_is_one_that_may_be_given_here_too(name: str) -> None:
    safe = safe_name(name)
    fault = name_fault(safe)
    assert not fault or unicodedata.normalize("NFKC", safe) in (".", "..")
    assert safe_name(safe) == safe
    assert "/" not in safe


@settings(max_examples=60)
@given(TREES)
def test_any_tree_comes_whole_and_under_names_that_differ(tree: Mapping[str, bytes]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "data")
        path.mkdir()
        for name, content in tree.items():
            with suppress(NotADirectoryError, IsADirectoryError, FileExistsError):
                write_tree(path, {name: content})  # unless a file is in its folder's place
        there = read_tree(path, dotted=True)
        _, content = zip_of(FileAccess("ann", (Root("data", path),)), "/data")
        members = unpacked(content)
    folded = [unicodedata.normalize("NFC", name).casefold() for name in members]
    assert len(set(folded)) == len(members) == len(there) + 1
    assert sorted(filter(None, members.values())) == sorted(filter(None, there.values()))
    assert not any(set(name) & set('\\:*?"<>|\n\x7f') for name in members)
    assert not any(part.endswith((".", " ")) for name in members for part in name.split("/"))


def test_times_and_kinds_come_along(data: Root, ann: FileAccess) -> None:
    write_tree(data.path, {"set/a": b"a"})
    os.utime(data.path / "set" / "a", ns=(0, 1_600_000_001 * 10**9 + 5))
    (data.path / "packed.zip").write_bytes(zip_of(ann, "/data/set")[1])
    fd = os.open(data.path / "packed.zip", os.O_RDONLY)
    try:
        folder, file = read_entries(fd, 10, 10_000)
        assert b"".join(read_content(fd, file)) == b"a"
    finally:
        os.close(fd)
    assert file.modified == 1_600_000_001 * 10**9
    assert (folder.is_folder, folder.mode, file.mode) == (True, 0o40755, 0o644)


@pytest.mark.parametrize("size", [(1 << 30) + 1, (1 << 32) + 5, 1 << 20])
def test_the_length_is_known_for_files_of_any_size(
    data: Root, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Sizes that need zip64, told before and then counted; the bytes themselves are not made."""
    (data.path / "a").touch()
    place = Place(data, ("a",))
    first = Member("a", place, size, False, 10**18)
    members = [first, replace(first, name="猫"), Member("d", place, 0, True, 10**18)]
    piece = memoryview(bytes(1 << 24))

    class Counter:
        """What is written is counted; the content itself never exists."""

        def __init__(self) -> None:
            self.count = 0

        def write(self, some: bytes) -> int:
            self.count += len(some)
            return len(some)

        def flush(self) -> None:
            """Nothing is kept back."""

        def take(self) -> list[bytes]:
            counts.append(self.count)
            return []

    counts: list[int] = []

    def content(member: Member) -> object:
        def pieces() -> object:
            left = member.size
            while left:
                yield piece[: min(left, len(piece))]
                left -= min(left, len(piece))

        return pieces()

    monkeypatch.setattr(archive, "_Pieces", Counter)
    monkeypatch.setattr(archive, "_read_content", content)
    monkeypatch.setattr("zipfile.crc32", lambda *_: 0)
    assert list(archive._stream_zip(members)) == []
    assert counts[-1] == archive._zip_length(members)


def test_so_many_entries_need_the_wide_end(data: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("filebrowser.archive", "zipfile"):
        monkeypatch.setattr(f"{module}.ZIP_FILECOUNT_LIMIT", 9)
    member = Member("", Place(data, ("a",)), 0, True, 10**18)
    lengths = []
    for count in (9, 10):
        members = [replace(member, name=f"{number}") for number in range(count)]
        lengths.append(archive._zip_length(members))
        assert sum(map(len, archive._stream_zip(members))) == lengths[-1]
    assert lengths[1] - lengths[0] > archive.WIDE_END


@pytest.mark.usefixtures("no_descriptor_leaks")
def test_a_file_that_grows_is_sent_as_long_as_it_was(data: Root, ann: FileAccess) -> None:
    write_tree(data.path, {"a": b"one", "b": b"two"})
    made = make_archive(ann, ["/data/a", "/data/b"])
    (data.path / "b").write_bytes(b"two and more")
    content = b"".join(made.pieces)
    assert len(content) == made.size
    assert unpacked(content) == {"a": b"one", "b": b"two"}


@pytest.mark.usefixtures("no_descriptor_leaks")
@pytest.mark.parametrize("change", [Path.unlink, lambda path: os.truncate(path, 1)])
def test_a_file_that_shrinks_or_goes_ends_the_answer_short(
    data: Root, ann: FileAccess, change: object
) -> None:
    write_tree(data.path, {"a": b"one", "b": b"two"})
    made = make_archive(ann, ["/data/a", "/data/b"])
    change(data.path / "b")  # type: ignore[operator]
    came: list[bytes] = []
    with pytest.raises(Shrunk, match="/data/b"):
        came.extend(made.pieces)
    assert sum(map(len, came)) < made.size


@pytest.mark.parametrize(
    ("paths", "error"),
    [
        ([], BadPath),
        (["/data/none"], NotHere),
        (["/data/.trash/x"], NotHere),
        (["/other/a"], NotHere),
        (["/data/a", "/data/../x"], BadPath),
    ],
)
def test_one_bad_path_is_told_before_a_byte_is_sent(
    data: Root, ann: FileAccess, paths: Sequence[str], error: type[Exception]
) -> None:
    write_tree(data.path, {"a": b"one", ".trash/x": b""})
    with pytest.raises(error):
        make_archive(ann, paths)


@pytest.mark.parametrize("missing", [Right.VIEW, Right.DOWNLOAD])
def test_it_takes_the_right_to_download(data: Root, ann: FileAccess, missing: Right) -> None:
    write_tree(data.path, {"a": b"one"})
    with pytest.raises(NotAllowed, match=missing):
        make_archive(replace(ann, rights=ann.rights - {missing}), ["/data/a"])


def test_too_many_entries_are_refused(
    data: Root, ann: FileAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(data.path, {f"set/{number}": b"" for number in range(4)})
    monkeypatch.setattr(archive, "MAX_ENTRIES", 4)
    assert len(unpacked(zip_of(ann, "/data/set")[1])) == 5
    monkeypatch.setattr(archive, "MAX_ENTRIES", 3)
    with pytest.raises(TooMuch, match="more than 3"):
        make_archive(ann, ["/data/set"])
