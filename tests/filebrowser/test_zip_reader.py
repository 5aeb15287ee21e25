"""Zips of every packer, read entry by entry: what is damaged is said of its entry alone."""

import io
import os
import random
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filebrowser.errors import BadArchive, TooMuch
from filebrowser.zip_reader import (
    CHUNK_BYTES,
    READ_BYTES,
    DamagedEntry,
    ZipEntry,
    read_content,
    read_entries,
)

MOST, LONGEST = 1000, 1 << 20
FILES = {"a.txt": b"alpha" * 100, "sub/b.bin": bytes(range(256)), "empty": b""}
END, LISTED, HEADER = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"


def packed(
    files: Mapping[str, bytes] = FILES, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in files.items():
            file.writestr(name, content)
        file.comment = comment
    return buffer.getvalue()


@contextmanager
def opened(content: bytes) -> Iterator[int]:
    with TemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.fileno()


def read_all(content: bytes) -> dict[str, bytes]:
    with opened(content) as fd:
        entries = read_entries(fd, MOST, LONGEST)
        return {entry.name: b"".join(read_content(fd, entry)) for entry in entries}


def entries_of(content: bytes) -> tuple[ZipEntry, ...]:
    with opened(content) as fd:
        return read_entries(fd, MOST, LONGEST)


def change(content: bytes, mark: bytes, offset: int, form: str, value: int) -> bytes:
    """The zip with another number behind the last of these marks."""
    changed = bytearray(content)
    struct.pack_into(form, changed, changed.rfind(mark) + offset, value)
    return bytes(changed)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("comment", [b"", b"a comment", b"x" * 65_535, END + bytes(18) + b"behind"])
def test_every_file_comes_as_it_was_packed(method: int, comment: bytes) -> None:
    assert read_all(packed(method=method, comment=comment)) == FILES


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.text(st.sampled_from("ab/猫é."), min_size=1, max_size=5), st.binary(), max_size=4
    ),
    st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)),
    st.binary(max_size=30),
)
def test_what_zipfile_writes_is_read_the_same(
    files: dict[str, bytes], method: int, before: bytes
) -> None:
    assert read_all(before + packed(files, method)) == files


def test_an_archive_without_files_has_none() -> None:
    assert read_all(packed({})) == {}


def test_bytes_before_a_zip_are_a_program_that_unpacks_it() -> None:
    assert read_all(b"#!/bin/sh\nexit\n" * 50 + packed()) == FILES


def test_large_contents_come_in_pieces() -> None:
    noise = random.Random(1).randbytes(2 * READ_BYTES + 7)
    files = {"zeros": bytes(3 * CHUNK_BYTES + 1), "noise": noise}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with opened(packed(files, method)) as fd:
            for entry in read_entries(fd, MOST, LONGEST):
                pieces = list(read_content(fd, entry))
                assert b"".join(pieces) == files[entry.name]
                assert len(pieces) > 1
                assert max(map(len, pieces)) <= CHUNK_BYTES


def test_streamed_zips_tell_sizes_behind_each_file() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in FILES.items():
            file.writestr(name, content)
    assert read_all(pipe.getvalue()) == FILES


def test_numbers_that_do_not_fit_stand_in_zip64s_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 30)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    content = packed(method=zipfile.ZIP_STORED)
    assert b"PK\x06\x06" in content
    assert read_all(content) == FILES
    assert read_all(b"before" * 9 + content) == FILES


@pytest.mark.parametrize(
    ("name", "flags", "mode", "locked", "readable", "folder"),
    [
        ("a", 0, 0o100644, False, True, False),
        ("a/", 0, 0o40755, False, True, True),
        ("a", 0x1, 0o100600, True, True, False),
        ("a", 0x40, 0o100600, True, True, False),
        ("a", 0x20, 0o120777, False, False, False),
    ],
)
def test_an_entry_tells_what_its_flags_say(
    name: str, flags: int, mode: int, locked: bool, readable: bool, folder: bool
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        info = zipfile.ZipInfo(name, (2024, 1, 2, 3, 4, 6))
        info.external_attr = mode << 16
        file.writestr(info, "")
        file.filelist[-1].flag_bits |= flags
    (entry,) = entries_of(buffer.getvalue())
    assert (entry.is_locked, entry.is_readable, entry.is_folder) == (locked, readable, folder)
    assert entry.mode == mode


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_named_and_not_read(method: int) -> None:
    assert not any(entry.is_readable for entry in entries_of(packed(method=method)))


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"no zip at all" * 100, END, END + bytes(17), HEADER + bytes(100), packed()[:-1]],
)
def test_what_has_no_end_is_no_zip(content: bytes) -> None:
    with pytest.raises(BadArchive):
        entries_of(content)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (change(packed(), END, 12, "<L", 2**31 - 1), "at most"),
        (change(packed(), END, 12, "<L", 100_000), "its end is damaged"),
        (change(packed(), END, 12, "<L", 10), "its list of files is damaged"),
        (change(packed(), LISTED, 0, "<L", 0), "its list of files is damaged"),
    ],
)
def test_a_damaged_list_of_files_is_refused_as_a_whole(broken: bytes, words: str) -> None:
    with pytest.raises((BadArchive, TooMuch), match=words):
        entries_of(broken)


def test_an_archive_that_lists_too_many_is_refused_before_its_list_is_read() -> None:
    content = packed({f"{number}": b"" for number in range(30)})
    with opened(content) as fd:
        assert len(read_entries(fd, 30, LONGEST)) == 30
        with pytest.raises(TooMuch, match="lists 30 files; at most 29"):
            read_entries(fd, 29, LONGEST)
        with pytest.raises(TooMuch):
            read_entries(fd, 30, 100)
    lying = change(content, END, 10, "<H", 3)
    with opened(lying) as fd, pytest.raises(TooMuch, match="More than 29"):
        read_entries(fd, 29, LONGEST)


@pytest.mark.parametrize(
    ("offset", "form", "value", "words"),
    [
        (16, "<L", 0, "its checksum is another one"),
        (20, "<L", 3, "ends too early|cannot be unpacked"),
        (24, "<L", 10, "holds more than the archive says"),
        (24, "<L", 501, "ends too early"),
        (42, "<L", 7, "not where the archive says"),
        (42, "<L", 2**31, "not where the archive says"),
    ],
)
def test_a_damaged_entry_fails_alone(offset: int, form: str, value: int, words: str) -> None:
    content = packed({"good": b"good", "a.txt": FILES["a.txt"]})
    with opened(change(content, LISTED, offset, form, value)) as fd:
        good, bad = read_entries(fd, MOST, LONGEST)
        assert b"".join(read_content(fd, good)) == b"good"
        with pytest.raises(DamagedEntry, match=words):
            list(read_content(fd, bad))


def test_bytes_that_are_no_deflate_are_damage() -> None:
    content = packed({"a": os.urandom(50)})
    start = content.index(b"a", 30) + 1
    with pytest.raises(DamagedEntry, match=r"cannot be unpacked|checksum|early|more"):
        read_all(content[:start] + b"\xff" * 20 + content[start + 20 :])


def test_a_file_cut_off_under_its_list_is_damage(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(packed({"a": bytes(1000)}, zipfile.ZIP_STORED))
    fd = os.open(tmp_path / "a.zip", os.O_RDONLY)
    try:
        (entry,) = read_entries(fd, MOST, LONGEST)
        os.truncate(tmp_path / "a.zip", 500)
        with pytest.raises(DamagedEntry, match="ends too early"):
            list(read_content(fd, entry))
    finally:
        os.close(fd)


def test_bytes_behind_the_end_of_deflated_ones_are_not_unpacked() -> None:
    """Two files' worth of packed bytes under one entry: the first stream is all there is."""
    content = packed({"a": b"x" * 50, "b": b"y" * 50})
    first, second = entries_of(content)
    with opened(content) as fd:
        longer = replace(first, packed=second.offset - first.offset)
        assert b"".join(read_content(fd, longer)) == b"x" * 50


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("gbk", ["新建文件夹/说明.txt", "图片.png"]),
        ("cp932", ["日本語.txt", "テスト.txt"]),
        ("cp437", ["Müller.txt", "résumé.txt"]),
    ],
)
def test_names_without_a_flag_are_guessed_from_all_of_them(encoding: str, names: list[str]) -> None:
    placeholder = {
        f"{number}" * len(name.encode(encoding)): b"x" for number, name in enumerate(names)
    }
    content = packed(placeholder, zipfile.ZIP_STORED)
    for stand_in, name in zip(placeholder, names, strict=True):
        content = content.replace(stand_in.encode(), name.encode(encoding))
    assert [entry.name for entry in entries_of(content)] == names
    assert set(read_all(content)) == set(names)


def test_a_name_that_claims_to_be_utf_8_and_is_not_is_guessed() -> None:
    content = packed({"é": b"x"}, zipfile.ZIP_STORED).replace("é".encode(), b"\x82a")
    (entry,) = entries_of(content)
    assert entry.flags & 0x800
    assert entry.name == "éa"


def test_a_zip_with_no_zip64_number_in_its_field_keeps_what_it_says() -> None:
    """A field that is too short for the number it should tell."""
    content = change(packed({"a": b"x"}, zipfile.ZIP_STORED), LISTED, 24, "<L", 0xFFFFFFFF)
    (entry,) = entries_of(content)
    assert entry.size == 0xFFFFFFFF
    with pytest.raises(DamagedEntry):
        read_all(content)


@settings(max_examples=150)
@given(st.data())
def test_whatever_is_damaged_no_other_error_escapes(data: st.DataObject) -> None:
    content = bytearray(packed(comment=b"end"))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=2)))
    for start, end in list(pairwise(cut)):
        del content[start:end]
    with opened(bytes(content)) as fd:
        try:
            for entry in read_entries(fd, MOST, LONGEST):
                sum(map(len, read_content(fd, entry)))
        except (BadArchive, TooMuch):
            return
