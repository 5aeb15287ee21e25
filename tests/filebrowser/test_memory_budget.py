"""Memory that requests share: in order, bounded in time and in number."""

import io
import threading

import pytest
from PIL import Image

from filebrowser.errors import Overloaded
from filebrowser.pictures.decoded_size import decoded_bytes
from filebrowser.pictures.memory_budget import MemoryBudget
from tests.waiting import joined, wait_until


def started(budget: MemoryBudget, size: int, done: list[int]) -> threading.Thread:
    """A thread that takes ``size`` and keeps it, once it stands in line."""
    waiting = len(budget._line)

    def take() -> None:
        budget.take(size, patiently=True)
        done.append(size)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    wait_until(lambda: len(budget._line) > waiting)
    return thread


def test_who_does_not_fit_waits_and_nobody_overtakes() -> None:
    budget, done = MemoryBudget(10), []
    budget.take(8)
    threads = [started(budget, size, done) for size in (7, 1, 2)]
    assert done == []  # 1 and 2 would fit, but 7 came first
    budget.give_back(8)
    for thread in threads:
        joined(thread)
    assert done == [7, 1, 2]
    assert budget.held == 10


def test_waiting_ends_and_takes_nothing_along() -> None:
    times = iter([0.0, 5.0])
    budget = MemoryBudget(10, patience=4.0, clock=lambda: next(times))
    budget.take(10, patiently=True)
    with pytest.raises(Overloaded, match="did not get free in 4 seconds"):
        budget.take(1)
    assert budget.held == 10
    budget.give_back(10)
    budget.take(10, patiently=True)


def test_the_line_is_bounded() -> None:
    budget = MemoryBudget(1, most_waiting=1)
    budget.take(1)
    thread = started(budget, 1, [])
    with pytest.raises(Overloaded, match="Too many"):
        budget.take(1)
    budget.give_back(1)
    joined(thread)


def test_more_than_there_is_counts_as_all() -> None:
    budget = MemoryBudget(10)
    with budget.hold(50):
        assert budget.held == 10
    assert budget.held == 0


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
