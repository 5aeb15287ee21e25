"""Reading from a connection: much at once from the fast, little from the slow, all of it."""

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filebrowser.uploads.block_reader import FIRST_READ, LEAST_READ, MOST_READ, BlockReader
from filebrowser.uploads.blocks import ALIGNMENT, MAX_BLOCK_BYTES, allocate_block
from tests.wait import Clock

CONTENT = random.Random(9).randbytes(3 * MOST_READ)


class Connection:
    """Gives what it is asked for, each time after the next of ``delays`` in seconds."""

    def __init__(self, delays: list[float]) -> None:
        self.clock, self.delays = Clock(0.0), delays
        self.asked: list[int] = []
        self.content = io.BytesIO(CONTENT)

    def read(self, size: int) -> bytes:
        self.clock.skip(self.delays[len(self.asked) % len(self.delays)])
        self.asked.append(size)
        return self.content.read(size)

    def reader(self) -> BlockReader:
        return BlockReader(self.read, clock=self.clock)


def test_more_and_more_is_asked_of_the_fast() -> None:
    connection = Connection([0.01])
    reader, room = connection.reader(), memoryview(bytearray(MAX_BLOCK_BYTES))
    while reader(room):
        pass
    assert connection.asked[0] == FIRST_READ
    assert max(connection.asked) == MOST_READ
    assert connection.asked == sorted(connection.asked)


def test_less_and_less_is_asked_of_the_slow_and_never_nothing() -> None:
    connection = Connection([2.0])
    reader, room = connection.reader(), memoryview(bytearray(MAX_BLOCK_BYTES))
    for _ in range(10):
        reader(room)
    assert connection.asked[:3] == [FIRST_READ, FIRST_READ // 2, FIRST_READ // 4]
    assert connection.asked[-1] == LEAST_READ


def test_a_steady_pace_changes_nothing() -> None:
    connection = Connection([0.3])
    reader, room = connection.reader(), memoryview(bytearray(MAX_BLOCK_BYTES))
    for _ in range(5):
        reader(room)
    assert set(connection.asked) == {FIRST_READ}


@given(
    delays=st.lists(st.floats(0, 3), min_size=1, max_size=8),
    rooms=st.lists(st.integers(1, 100_000), min_size=1, max_size=8),
)
def test_what_is_read_is_what_came_in_its_order(delays: list[float], rooms: list[int]) -> None:
    connection = Connection(delays)
    reader, got = connection.reader(), bytearray()
    for size in rooms:
        room = memoryview(bytearray(size))
        count = reader(room)
        assert 0 < count <= size
        got += room[:count]
    assert CONTENT.startswith(bytes(got))
    assert all(size <= MOST_READ for size in connection.asked)


def test_the_end_is_told_as_nothing() -> None:
    assert BlockReader(lambda size: b"")(memoryview(bytearray(10))) == 0


@given(size=st.integers(1, 2 * MAX_BLOCK_BYTES))
def test_a_block_is_bounded_and_holds_what_was_asked_for(size: int) -> None:
    assert min(size, MAX_BLOCK_BYTES - ALIGNMENT) <= len(allocate_block(size).memory)
    assert len(allocate_block(size).memory) <= MAX_BLOCK_BYTES


@given(offset=st.integers(0, 3 * ALIGNMENT), most=st.integers(1, 20_000))
def test_bytes_lie_in_memory_as_they_will_in_the_file(offset: int, most: int) -> None:
    block = allocate_block(20_000)
    count = block.fill(io.BytesIO(CONTENT).readinto, offset, most)
    assert 0 < count <= most
    assert block.content == CONTENT[:count]
    assert block.start == offset % ALIGNMENT


def test_a_source_without_bytes_leaves_an_empty_block() -> None:
    block = allocate_block(100)
    assert block.fill(io.BytesIO(CONTENT).readinto, 5, 50) == 50
    assert block.fill(io.BytesIO().readinto, 55, 50) == 0
    assert bytes(block.content) == b""


def test_an_error_of_the_connection_is_the_callers_to_judge() -> None:
    def fail(_: int) -> bytes:
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        BlockReader(fail)(memoryview(bytearray(10)))
