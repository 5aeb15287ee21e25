"""Step-level batching: jobs that run side by side share calls of the network.

Each job runs in a thread of its own, and one of them has the *turn*: it alone computes, so weights
and caches need no locks. It gives the turn up only where it waits for the network. When all wait,
the calls of one key are computed as one, and each job goes on with its own rows: jobs join and
leave between two steps, and their samplers do not know. Rows do not see one another, so that a job
draws what it would draw alone, but for the last bits of a float.

What patches the network keeps the turn instead (:meth:`Seat.compute`), and draws alone.
"""

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from generator.memory_errors import find_memory_error
from generator.models.machine_memory import return_freed_memory
from generator.sampling.device_thread import DeviceThread

T = TypeVar("T")
Evaluate = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
MAX_ROWS = 64  # of one joint call; a single job may bring more


@dataclass(frozen=True, slots=True, eq=False)
class NetworkCall:
    """Rows for the network. Calls of equal ``key`` may be computed by the ``evaluate`` of any.

    The key holds what is the same for a whole batch: the network, the size of its latents, what is
    done to it. Lengths of contexts may differ.
    """

    key: Hashable
    evaluate: Evaluate  # x, t, context, vectors
    x: Tensor  # (n, C, h, w)
    t: Tensor  # (n,)
    context: Tensor  # (n, L, width)
    vectors: Tensor | None = None  # (n, numbers)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def length(self) -> int:
        """Of the contexts, in tokens."""
        return self.context.shape[1]

    def run(self) -> Tensor:
        """The answer to these rows alone, (n, C, h, w)."""
        return self.evaluate(self.x, self.t, self.context, self.vectors)


class Seat:
    """One job among those that run side by side. ``alone``: it shares no call with others."""

    def __init__(
        self, batcher: "StepBatcher", hold: Callable[[float], None] = lambda weight: None
    ) -> None:
        """``hold``: is told the job's share of the device whenever it changes."""
        self.alone = False
        self.waited = 0.0
        """Seconds in calls of the network but for the share of its rows."""
        self.hold = hold
        self._batcher = batcher
        self._has_turn = threading.Event()
        self._called_at: float | None = None  # None: it waits for its first turn
        self._outcome: Tensor | Exception | None = None

    def predict(self, call: NetworkCall) -> Tensor:
        """The network's answer to ``call``, (n, C, h, w), computed with others where that may be.

        Raises what the network raised for these rows.
        """
        if self.alone:
            return self.compute(call.run)
        return self._batcher.predict(self, call)

    def compute(self, act: Callable[[], T]) -> T:
        """What ``act`` returns, run in the thread of the device; the turn is kept."""
        return self._batcher.compute(act)

    def begin_turn(self, now: float) -> None:
        """The turn is this job's from ``now`` on."""
        if self._called_at is not None:
            self.waited += now - self._called_at
        self.hold(1.0)
        self._has_turn.set()

    def end_turn(self, now: float) -> None:
        """The turn is given up."""
        self._has_turn.clear()
        self._called_at = now
        self.hold(0.0)

    def await_turn(self) -> None:
        """Wait until the turn is this job's."""
        self._has_turn.wait()

    def keep(self, outcome: Tensor | Exception, seconds: float) -> None:
        """What became of its call, and the share of the time that it took."""
        self._outcome = outcome
        self.waited -= seconds

    def take_outcome(self) -> Tensor:
        """The answer to its call. Raises what the call raised."""
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, Exception):
            raise outcome
        assert outcome is not None
        return outcome


@dataclass(frozen=True, slots=True)
class _Waiting:
    seat: Seat
    call: NetworkCall


@dataclass(slots=True)
class CallCounts:
    """How the network was called so far."""

    calls: int = 0
    shared: int = 0  # of these, by more than one job
    rows: int = 0


@dataclass(slots=True, eq=False)
class StepBatcher:
    """Hands the turn to jobs and joins their calls. ``joins`` off: jobs run one after another."""

    joins: bool = False
    max_rows: int = MAX_ROWS
    clock: Callable[[], float] = time.perf_counter
    counts: CallCounts = field(default_factory=CallCounts)
    _device: DeviceThread = field(default_factory=DeviceThread)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seats: int = 0  # jobs that have had a turn and have not ended
    _is_taken: bool = False  # by a job or by the network
    _ready: deque[Seat] = field(default_factory=deque)  # jobs that want the turn, in order
    _waiting: list[_Waiting] = field(default_factory=list)  # for the network, the oldest first
    _fitting_rows: dict[Hashable, int] = field(default_factory=dict)  # after memory ran out

    @property
    def is_shared(self) -> bool:
        """Whether more than one job is under way."""
        return self._seats > 1

    @contextmanager
    def seat(self, hold: Callable[[float], None] = lambda weight: None) -> Iterator[Seat]:
        """A job's place; the block begins with the job's first turn. ``hold``: see ``Seat``."""
        seat = Seat(self, hold)
        with self._lock:
            self._ready.append(seat)
            if not self._is_taken:
                self._pass_turn()
        seat.await_turn()
        self._seats += 1
        try:
            yield seat
        finally:
            with self._lock:
                self._seats -= 1
                if self._seats == 0:
                    self._fitting_rows.clear()
                seat.end_turn(self.clock())
                self._pass_turn()

    def compute(self, act: Callable[[], T]) -> T:
        """What ``act`` returns; for who has the turn."""
        return self._device.run(act) if self.joins else act()

    def predict(self, seat: Seat, call: NetworkCall) -> Tensor:
        """See :meth:`Seat.predict`."""
        if not self.joins or self._device.is_current:
            return call.run()
        with self._lock:
            seat.end_turn(self.clock())
            self._waiting.append(_Waiting(seat, call))
            self._pass_turn()
        del call  # its tensors are the network's now
        seat.await_turn()
        return seat.take_outcome()

    def _pass_turn(self) -> None:
        """Give the turn to the next job, to the network when all wait for it, or to nobody."""
        self._is_taken = bool(self._ready or self._waiting)
        if self._ready:
            self._ready.popleft().begin_turn(self.clock())
        elif self._waiting:
            self._device.start(self._call_network)

    def _call_network(self) -> None:
        """Compute the calls of one key; those who waited want the turn again."""
        with self._lock:
            group = self._choose_group()
        for each in group:
            each.seat.hold(float(len(each.call)))
        started = self.clock()
        outcomes = self._evaluate([each.call for each in group])
        seconds, rows = self.clock() - started, sum(len(each.call) for each in group)
        with self._lock:
            self._count(len(group), rows)
            for each, outcome in zip(group, outcomes, strict=True):
                each.seat.keep(outcome, seconds * len(each.call) / rows)
                each.seat.hold(0.0)
                self._ready.append(each.seat)
            self._pass_turn()

    def _count(self, jobs: int, rows: int) -> None:
        self.counts.calls += 1
        self.counts.shared += jobs > 1
        self.counts.rows += rows

    def _choose_group(self) -> list[_Waiting]:
        """Take the call that has waited longest, and those that fit into one with it."""
        first = self._waiting[0].call
        most = min(self.max_rows, self._fitting_rows.get(first.key, self.max_rows))
        group: list[_Waiting] = []
        rows = 0
        for each in self._waiting:
            calls = [other.call for other in group]
            fits = each.call.key == first.key and rows + len(each.call) <= most
            if not group or (fits and have_common_length([*calls, each.call])):
                group.append(each)
                rows += len(each.call)
        self._waiting = [each for each in self._waiting if each not in group]
        return group

    def _evaluate(self, calls: Sequence[NetworkCall]) -> list[Tensor | Exception]:
        """The answer to each call, or what it raised: what fails in company is tried in halves."""
        try:
            return [*join(calls)]
        except Exception as error:  # whatever it is, it belongs to the job whose rows it comes of
            if len(calls) == 1:
                return [error]
            ran_out = find_memory_error(error) is not None
            traceback.clear_frames(error.__traceback__)  # they hold what the call was made of
        half = (len(calls) + 1) // 2
        if ran_out:
            return_freed_memory()
            self._fitting_rows[calls[0].key] = sum(map(len, calls[:half]))
        return [*self._evaluate(calls[:half]), *self._evaluate(calls[half:])]


def have_common_length(calls: Sequence[NetworkCall]) -> bool:
    """Whether the longest context is a multiple of each.

    Attention over tokens that are all repeated as often is attention over the tokens themselves:
    so a shorter context is made as long as the longest without any change to what it says.
    """
    longest = max(call.length for call in calls)
    return all(longest % call.length == 0 for call in calls)


def join(calls: Sequence[NetworkCall]) -> Sequence[Tensor]:
    """The answers to calls of one key, computed as one call. Raises what the network raises."""
    if len(calls) == 1:
        return [calls[0].run()]
    longest = max(call.length for call in calls)
    vectors = [call.vectors for call in calls if call.vectors is not None]
    answer = calls[0].evaluate(
        torch.cat([call.x for call in calls]),
        torch.cat([call.t for call in calls]),
        torch.cat([call.context.repeat(1, longest // call.length, 1) for call in calls]),
        torch.cat(vectors) if vectors else None,
    )
    return answer.split([len(call) for call in calls])
