"""Memory that requests share: in order, bounded in time and in number."""

import io
import threading

import pytest
from PIL import Image

from filebrowser.errors import Overloaded
from filebrowser.pictures.decoded_size import decoded_bytes
from filebrowser.pictures.memory_budget import MemoryBudget
from tests.wait import join_thread, wait_until


def start_taking(budget: MemoryBudget, size: int, done: list[int]) -> threading.Thread:
    """A thread that takes ``size`` and keeps it, once it stands in line."""
    waiting = len(budget._queue)

    def take() -> None:
        budget.acquire(size, patiently=True)
        done.append(size)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    wait_until(lambda: len(budget._queue) > waiting)
    return thread


def test_who_does_not_fit_waits_and_nobody_overtakes() -> None:
    budget, done = MemoryBudget(10), []
    budget.acquire(8)
    threads = [start_taking(budget, size, done) for size in (7, 1, 2)]
    assert done == []  # 1 and 2 would fit, but 7 came first
    budget.release(8)
    for thread in threads:
        join_thread(thread)
    assert done == [7, 1, 2]
    assert budget.used_bytes == 10


def test_waiting_ends_and_takes_nothing_along() -> None:
    times = iter([0.0, 5.0])
    budget = MemoryBudget(10, timeout=4.0, clock=lambda: next(times))
    budget.acquire(10, patiently=True)
    with pytest.raises(Overloaded, match="did not get free in 4 seconds"):
        budget.acquire(1)
    assert budget.used_bytes == 10
    budget.release(10)
    budget.acquire(10, patiently=True)


def test_the_line_is_bounded() -> None:
    budget = MemoryBudget(1, max_waiting=1)
    budget.acquire(1)
    thread = start_taking(budget, 1, [])
    with pytest.raises(Overloaded, match="Too many"):
        budget.acquire(1)
    budget.release(1)
    join_thread(thread)


def test_more_than_there_is_counts_as_all() -> None:
    budget = MemoryBudget(10)
    with budget.hold(50):
        assert budget.used_bytes == 10
    assert budget.used_bytes == 0


@pytest.mark.parametrize(
    ("format", "mode", "options", "each"),
    [
        ("PNG", "L", {}, 1), ("PNG", "I;16", {}, 2), ("PNG", "RGB", {}, 4), ("GIF", "P", {}, 1),
        ("JPEG", "RGB", {}, 4), ("JPEG", "RGB", {"progressive": True}, 10), ("TIFF", "F", {}, 4),
        ("WEBP", "RGB", {}, 16), ("AVIF", "RGB", {}, 16), ("PNG", "1", {}, 1),
    ],
)  # fmt: skip
def test_sizes_are_told_by_headers(
    format: str, mode: str, options: dict[str, bool], each: int
) -> None:
    file = io.BytesIO()
    Image.new(mode, (20, 10)).save(file, format, **options)
    file.seek(0)
    with Image.open(file) as image:
        assert decoded_bytes(image) == 200 * each
        assert decoded_bytes(image, copies=1) == 200 * (each + 4)
