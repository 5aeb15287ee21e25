"""What one job does when memory runs out: it frees what it can, then takes less at once."""

import logging
import traceback
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from generator.memory_errors import find_memory_error
from generator.models.machine_memory import return_freed_memory

T = TypeVar("T")
Smaller = tuple[str, Callable[[], T]]  # what the caller is told, and what needs less memory


class Compute(Protocol):
    """Runs what it is given and returns what that returned."""

    def __call__(self, act: Callable[[], T], /) -> T: ...


FREED = "Memory ran out: weights that these pictures do not need were put aside."

log = logging.getLogger(__name__)


def run_here(act: Callable[[], T]) -> T:
    """Run ``act`` in the thread of the caller."""
    return act()


def nothing_to_free() -> int:
    """For work that owns no weights: 0 bytes."""
    return 0


class MemoryRelief:
    """The ways out of one job. ``free`` puts aside weights that are not in use; bytes freed.

    ``compute`` runs what may take memory, in the thread that it is for.
    """

    def __init__(
        self, free: Callable[[], int] = nothing_to_free, compute: Compute = run_here
    ) -> None:
        self._free = free
        self._compute = compute
        self.remarks: dict[str, None] = {}
        """What was done, in sentences."""

    def run(
        self,
        act: Callable[[], T],
        *smaller: Smaller[T],
        restore: Callable[[], None] = lambda: None,
        here: bool = False,
    ) -> T:
        """What ``act`` returns; where memory runs out, what the first of these returns that fits:
        ``act`` after freeing some, then each of ``smaller``.

        ``restore`` undoes what an attempt has changed. ``here``: in the thread of the caller, for
        what finds its way to the right one itself. Raises the first error where nothing fits,
        and whatever else an attempt raises.
        """
        compute = run_here if here else self._compute
        first = compute(partial(_attempt, act))
        if isinstance(first, tuple):
            return first[0]
        ways = ((FREED, act), *smaller) if self._free() else smaller
        for remark, attempt in ways:
            restore()
            return_freed_memory()
            outcome = compute(partial(_attempt, attempt))
            if isinstance(outcome, tuple):
                self._note(remark)
                return outcome[0]
        raise first

    def _note(self, remark: str) -> None:
        if remark not in self.remarks:
            log.warning("%s", remark)
        self.remarks[remark] = None


def _attempt(act: Callable[[], T]) -> tuple[T] | Exception:
    """The result of ``act``, or the error where memory ran out; other errors are raised."""
    try:
        return (act(),)
    except Exception as error:
        if find_memory_error(error) is None:
            raise
        traceback.clear_frames(error.__traceback__)  # they hold what it was made of
        return error.with_traceback(None)
