"""Bytes on their way to the disk: past the cache or through it, every byte where it belongs."""

import errno
import io
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filebrowser.errors import TooBig
from filebrowser.uploads import blocks, write_pipeline
from filebrowser.uploads.blocks import ALIGNMENT, MAX_BLOCK_BYTES, MIB, DirectWriter, allocate_block
from filebrowser.uploads.write_pipeline import UploadWriter, write_source

CONTENT = random.Random(5).randbytes(9 * MIB + 1234)


class Seen:
    """A digest that remembers what it saw."""

    def __init__(self) -> None:
        self.content = bytearray()

    def update(self, data: memoryview) -> None:
        self.content += data

    def digest(self) -> bytes:
        return bytes(self.content)

    def copy(self) -> "Seen":
        return self


@pytest.fixture
def data(tmp_path: Path) -> Iterator[int]:
    found = os.open(tmp_path / "data", os.O_RDWR | os.O_CREAT)
    yield found
    os.close(found)


def read_whole(data: int) -> bytes:
    return os.pread(data, len(CONTENT) + 1, 0)


def in_steps(content: bytes, steps: random.Random) -> Callable[[memoryview], int]:
    """A source that gives as little or as much as it likes."""
    waiting = io.BytesIO(content)
    return lambda room: waiting.readinto(
        room[: steps.choice((1, 777, ALIGNMENT, 300_000, MAX_BLOCK_BYTES))]
    )


@pytest.mark.parametrize("start", [0, 1, ALIGNMENT - 1, ALIGNMENT, 100_000])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_byte_lies_where_it_belongs(data: int, start: int, seed: int) -> None:
    os.pwrite(data, CONTENT[:start], 0)
    writer, seen = UploadWriter(data, start, lambda offset: None), Seen()
    source = in_steps(CONTENT[start:], random.Random(seed))
    write_source(source, writer, len(CONTENT) - start, lambda: None, [seen])
    assert writer.offset == len(CONTENT)
    assert read_whole(data) == CONTENT
    assert seen.content == CONTENT[start:]


def test_much_at_once_goes_past_the_cache_and_little_through_it(data: int) -> None:
    if not goes_direct(data):
        pytest.skip("this file system writes through its cache only")
    road, filled = DirectWriter(data), allocate_block(MIB + 1)
    filled.fill(io.BytesIO(CONTENT).readinto, 0, MIB + 1)
    assert road.write(filled.content, 0) == MIB
    assert road.direct
    assert road.write(filled.content[MIB:], MIB) == 1
    assert not road.direct
    assert read_whole(data) == CONTENT[: MIB + 1]


def goes_direct(data: int) -> bool:
    filled = allocate_block(MIB)
    filled.fill(io.BytesIO(bytes(MIB)).readinto, 0, MIB)
    road = DirectWriter(data)
    road.write(filled.content, 0)
    road.write(memoryview(b"1"), 0)  # and back
    os.ftruncate(data, 0)
    return road.supports_direct


@pytest.mark.parametrize("refused", ["the flag", "the bytes"])
def test_where_the_file_system_knows_no_way_past_its_cache(
    data: int, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    real_write, real_control = os.pwrite, blocks.fcntl.fcntl

    def write(file: int, content: Any, offset: int) -> int:
        if real_control(file, blocks.fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real_write(file, content, offset)

    def control(file: int, verb: int, flags: int = 0) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real_control(file, verb, flags)

    if refused == "the flag":
        monkeypatch.setattr(blocks.fcntl, "fcntl", control)
    else:
        monkeypatch.setattr(blocks.os, "pwrite", write)
    writer = UploadWriter(data, 0, lambda offset: None)
    write_source(io.BytesIO(CONTENT).readinto, writer, len(CONTENT), lambda: None)
    assert not writer.direct_writer.supports_direct
    assert read_whole(data) == CONTENT


def test_a_disk_that_fills_while_blocks_come(data: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, room = os.pwrite, 3 * MIB + 512

    def write(file: int, content: Any, offset: int) -> int:
        if offset >= room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, content[: room - offset], offset)

    monkeypatch.setattr(blocks.os, "pwrite", write)
    writer = UploadWriter(data, 0, lambda offset: None)
    with pytest.raises(OSError, match="No space"):
        write_source(io.BytesIO(CONTENT).readinto, writer, len(CONTENT), lambda: None)
    assert writer.offset == room
    assert os.fstat(data).st_size == room
    assert read_whole(data) == CONTENT[:room]


def test_what_is_told_to_be_safe_was_waited_for(data: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_pipeline, "SYNC_EVERY", 2 * MIB)
    waited: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(
        write_pipeline.os,
        "fdatasync",
        lambda file: (waited.append(os.fstat(file).st_size), real(file)),
    )
    told: list[int] = []
    writer = UploadWriter(data, 0, told.append)
    write_source(io.BytesIO(CONTENT).readinto, writer, len(CONTENT), lambda: None)
    assert told
    assert told == waited


@pytest.mark.parametrize("size", [MIB, len(CONTENT)], ids=["one by one", "in lanes"])
def test_all_that_came_is_written_when_the_caller_says_stop(data: int, size: int) -> None:
    content, calls = CONTENT[:size], 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise PermissionError("no more")

    source = io.BytesIO(content)
    writer = UploadWriter(data, 0, lambda offset: None)
    with pytest.raises(PermissionError):
        write_source(lambda room: source.readinto(room[: 100 * 1024]), writer, size, stop)
    assert writer.offset == 300 * 1024
    assert read_whole(data) == content[: 300 * 1024]
    assert not [each for each in threading.enumerate() if each.name == "upload-lane"]


def test_an_error_of_a_digest_is_no_silence(data: int) -> None:
    class Broken(Seen):
        def update(self, data: memoryview) -> None:
            raise ArithmeticError("cannot count")

    writer = UploadWriter(data, 0, lambda offset: None)
    with pytest.raises(ArithmeticError):
        write_source(io.BytesIO(CONTENT).readinto, writer, len(CONTENT), lambda: None, [Broken()])


@pytest.mark.parametrize("size", [1000, len(CONTENT) - 1])
def test_more_than_there_is_room_for(data: int, size: int) -> None:
    with pytest.raises(TooBig):
        write_source(
            io.BytesIO(CONTENT).readinto, UploadWriter(data, 0, lambda x: None), size, lambda: None
        )
    assert read_whole(data) == CONTENT[:size]
