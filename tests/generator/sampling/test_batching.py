"""Jobs side by side share calls of a network, and what goes wrong stays with whose it is."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from generator.sampling.batching import NetworkCall, Seat, StepBatcher
from tests.wait import Clock, wait_until

Job = Callable[[Seat], object]


def network(x: Tensor, t: Tensor, context: Tensor, vectors: Tensor | None) -> Tensor:
    """Each row's answer is of that row alone; contexts are attended to."""
    scores = torch.softmax(context.sum(-1), dim=-1)  # (n,L)
    read = (scores[..., None] * context).sum((1, 2))
    return x * 2 + (t + read)[:, None, None, None]


def call(
    rows: int,
    length: int = 1,
    value: float = 1.0,
    key: object = "a",
    evaluate: Callable[..., Tensor] = network,
) -> NetworkCall:
    context = torch.linspace(0, value, length)[None, :, None].repeat(rows, 1, 2)
    x, t = torch.full((rows, 1, 1, 1), value), torch.arange(rows).float() * value
    return NetworkCall(key, evaluate, x, t, context)


def together(batcher: StepBatcher, jobs: Sequence[Job]) -> list[object]:
    """Run jobs side by side, all of which have come before the first begins."""

    def run(job: Job) -> object:
        with batcher.seat() as seat:
            return job(seat)

    with ThreadPoolExecutor(len(jobs)) as threads:
        with batcher.seat():
            running = []
            for job in jobs:
                running.append(threads.submit(run, job))
                wait_until(lambda: len(batcher._ready) == len(running), every=0.001)
        return [each.exception() or each.result() for each in running]


def predicts(*calls: NetworkCall) -> Job:
    return lambda seat: torch.cat([seat.predict(each) for each in calls])


def assert_lone(answer: object, *calls: NetworkCall) -> None:
    assert isinstance(answer, Tensor), answer
    torch.testing.assert_close(answer, torch.cat([each.run() for each in calls]))


def test_calls_of_one_key_are_one_and_each_job_gets_its_rows() -> None:
    batcher = StepBatcher(joins=True)
    calls = [call(1, 77), call(4, 154, 0.5), call(2, 77, 3.0), call(2, key="b")]
    answers = together(batcher, [predicts(each) for each in calls])
    for answer, own in zip(answers, calls, strict=True):
        assert_lone(answer, own)
    assert (batcher.counts.calls, batcher.counts.shared, batcher.counts.rows) == (2, 1, 9)


def test_contexts_that_do_not_divide_one_another_are_apart() -> None:
    batcher = StepBatcher(joins=True)
    calls = [call(1, 154), call(1, 231), call(1, 77)]
    for answer, own in zip(together(batcher, [*map(predicts, calls)]), calls, strict=True):
        assert_lone(answer, own)
    assert (batcher.counts.calls, batcher.counts.shared) == (2, 1)


def test_jobs_join_and_leave_between_steps() -> None:
    batcher = StepBatcher(joins=True)
    together(batcher, [predicts(*[call(1)] * steps) for steps in (5, 2, 3)])
    assert (batcher.counts.calls, batcher.counts.shared, batcher.counts.rows) == (5, 3, 10)


def test_a_call_has_so_many_rows_at_most() -> None:
    seen: list[int] = []

    def counting(x: Tensor, *rest: Tensor) -> Tensor:
        seen.append(len(x))
        return x

    jobs = [predicts(call(n, evaluate=counting)) for n in (3, 2, 1, 9)]
    together(StepBatcher(joins=True, max_rows=4), jobs)
    assert seen == [4, 2, 9]  # 3 + 1, 2, and the one that is larger by itself


def test_one_that_is_alone_shares_no_call() -> None:
    batcher = StepBatcher(joins=True)

    def alone(seat: Seat) -> object:
        seat.alone = True
        return seat.predict(call(2))

    answers = together(batcher, [predicts(call(1), call(1)), alone, predicts(call(1))])
    assert_lone(answers[1], call(2))
    assert (batcher.counts.calls, batcher.counts.rows) == (2, 3)


def test_without_joining_jobs_run_one_after_another() -> None:
    batcher, order = StepBatcher(), list[int]()

    def job(number: int) -> Job:
        def run(seat: Seat) -> None:
            for _ in range(3):
                order.append(number)
                seat.predict(call(1))

        return run

    together(batcher, [job(0), job(1)])
    assert order == [0, 0, 0, 1, 1, 1]


def test_memory_that_runs_out_splits_the_call_and_charges_nobody() -> None:
    tried: list[int] = []

    def small(x: Tensor, *rest: Tensor) -> Tensor:
        tried.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return x + 1

    jobs = [predicts(*[call(1, value=n, evaluate=small)] * 2) for n in range(4)]
    answers = together(StepBatcher(joins=True), jobs)
    assert [answer.flatten().tolist() for answer in answers if isinstance(answer, Tensor)] == [
        [n + 1] * 2 for n in range(4)
    ]
    assert tried == [4, 2, 2, 2, 2]  # from then on no more than fitted


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("out of memory"), KeyError("odd")])
def test_an_error_is_of_the_rows_that_it_comes_of(error: Exception) -> None:
    def fails(x: Tensor, *rest: Tensor) -> Tensor:
        if 13 in x:
            raise error
        return x + 1

    jobs = [predicts(call(1, value=n, evaluate=fails)) for n in (1, 2, 13, 4, 5)]
    answers = together(StepBatcher(joins=True), jobs)
    assert answers[2] is error
    assert [float(each) for each in answers if isinstance(each, Tensor)] == [2, 3, 5, 6]


def test_a_job_is_told_what_it_holds_of_the_device_and_what_it_waited() -> None:
    clock = Clock()
    batcher = StepBatcher(joins=True, clock=clock)
    told, seats = dict[int, list[float]](), dict[int, Seat]()

    def slow(x: Tensor, *rest: Tensor) -> Tensor:
        clock.skip(4)
        return x

    def run(rows: int) -> None:
        told[rows] = []
        with batcher.seat(told[rows].append) as seat:
            seats[rows] = seat
            clock.skip(1)
            seat.predict(call(rows, evaluate=slow))
            clock.skip(1)

    with ThreadPoolExecutor(2) as threads:
        with batcher.seat():
            running = []
            for rows in (1, 3):
                running.append(threads.submit(run, rows))
                wait_until(lambda: len(batcher._ready) == len(running), every=0.001)
        for each in running:
            each.result()
    assert told == {1: [1, 0, 1, 0, 1, 0], 3: [1, 0, 3, 0, 1, 0]}
    # Turns at 0, 1, 6 and 7 s, the call from 2 to 6: of its 5 s the one has 1, the other 3.
    assert {rows: seat.waited for rows, seat in seats.items()} == pytest.approx({1: 4, 3: 2})
