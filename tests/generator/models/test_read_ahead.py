"""A file is brought into the page cache, as far as memory allows, until told to end."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.read_ahead import BLOCK_BYTES, read_ahead
from tests.wait import wait_until

SIZE = 3 * BLOCK_BYTES + 4096


@pytest.fixture
def file(tmp_path: Path) -> ModelFile:
    """A file of which the kernel holds nothing."""
    path = tmp_path / "x.safetensors"
    with path.open("wb") as out:
        out.write(os.urandom(SIZE))
        out.flush()
        os.fsync(out.fileno())
        os.posix_fadvise(out.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return ModelFile(ModelKind.CHECKPOINT, path.name, path, SIZE, 0, 0)


def is_cached(file: ModelFile, start: int) -> bool:
    """Whether reading there needs no disk."""
    descriptor = os.open(file.path, os.O_RDONLY)
    try:
        return os.preadv(descriptor, [bytearray(4096)], start, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    except OSError as error:
        pytest.skip(f"this file system does not tell: {error}")
    finally:
        os.close(descriptor)


def test_all_of_a_file_comes_near(file: ModelFile) -> None:
    assert read_ahead(file, lambda: SIZE, lambda: False)
    for start in (0, BLOCK_BYTES, SIZE - 4096):
        wait_until(lambda start=start: is_cached(file, start))


def test_what_memory_does_not_hold_is_left_where_it_is(file: ModelFile) -> None:
    assert not read_ahead(file, lambda: SIZE - 1, lambda: pytest.fail("it began"))


def test_it_ends_when_another_is_next_and_waits_between_blocks(file: ModelFile) -> None:
    answers, pauses = iter([False, False, True]), []
    assert not read_ahead(file, lambda: SIZE, lambda: next(answers), pauses.append)
    assert len(pauses) == 2


def test_a_file_that_is_gone_is_an_error(file: ModelFile) -> None:
    with pytest.raises(FileNotFoundError):
        read_ahead(replace(file, path=file.path.with_name("y")), lambda: SIZE, lambda: False)
