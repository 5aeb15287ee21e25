"""What a worker's jobs are charged, and that the sum is what the worker has measured."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.errors import NotANumber
from generator.hooks import Watch
from generator.request import Generation, GenerationRequest, Progress, Stop
from tests.wait import MAX_POLLS, POLL_SECONDS, wait_until
from tests.webapp.worker.worker_bench import WorkerThread, generation, stepping
from webapp.ledger.drain import drain
from webapp.ledger.handle import LedgerHandle
from webapp.ledger.report import make_report
from webapp.ledger.usage_query import Query, this_month
from webapp.queues.contracts.charges import BusyTime, Charge, Outcome
from webapp.queues.job_codec import SaveOptions

MOST_OFF = 0.005  # of what a worker has measured


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[WorkerThread]:
    """A worker at rest."""
    made = WorkerThread(tmp_path)
    yield made
    made.end()


def charges(bench: WorkerThread) -> dict[str, Charge]:
    """The charges that wait, by their job."""
    kept = (each.facts for each in bench.store.read_charges(100))
    return {each.job: each for each in kept if isinstance(each, Charge)}


def act(request: GenerationRequest, watch: Watch) -> Generation:
    """A picture, or a failure, or half of a job that is stopped, as the prompt says."""
    time.sleep(0.05)
    if request.prompt == "fails":
        raise NotANumber("all NaN")
    for _ in range(MAX_POLLS if request.prompt == "stopped" else 1):
        if watch(Progress("a", 0, 1, 2, 4), None) is Stop.INTERRUPT:
            return generation(request, stopped=True)
        time.sleep(POLL_SECONDS if request.prompt == "stopped" else 0)
    return generation(request)


def test_the_sum_of_the_parts_is_what_the_worker_measured(
    bench: WorkerThread, tmp_path: Path
) -> None:
    bench.engine.act = act
    for name in ("a", "b", "fails", "stopped"):
        bench.put(name, save=SaveOptions("outputs/a", "outputs/b"))
    bench.store.request_stop("stopped", Stop.INTERRUPT)
    for name in ("a", "b", "fails", "stopped"):
        bench.answer(name)
    bench.worker.shutdown.draining.set()
    bench.thread.join()
    told = charges(bench)
    assert {name: told[name].outcome for name in told} == {
        "a": Outcome.DONE, "b": Outcome.DONE, "fails": Outcome.FAILED, "stopped": Outcome.STOPPED,
    }  # fmt: skip
    size = sum(path.stat().st_size for path in (tmp_path / "outputs").rglob("*-7.png")) / 3
    assert (told["a"].pictures, told["a"].stored_bytes) == (1, pytest.approx(size, abs=50))
    assert told["a"].device == "cpu@test"
    assert 0.05 <= told["a"].drawing_seconds <= told["a"].gpu_seconds
    handle = LedgerHandle(None, tmp_path)
    assert drain(bench.store, handle) == 4
    report = make_report(handle.get(), Query(this_month(time.time())))
    handle.close()
    usage, busy = report.total.usage, report.busy_seconds
    assert (usage.jobs, usage.unbilled_jobs) == (3, 1)
    assert busy is not None
    assert busy >= 0.2
    assert usage.gpu_seconds + usage.unbilled_seconds == pytest.approx(busy, rel=MOST_OFF)


def test_a_stopped_job_has_the_work_that_was_done(bench: WorkerThread) -> None:
    bench.engine.act = act
    bench.put("stopped", work=8.0)
    bench.store.request_stop("stopped", Stop.INTERRUPT)
    bench.answer("stopped")
    assert charges(bench)["stopped"].megapixel_steps == pytest.approx(4.0)


def test_a_job_that_is_given_back_is_marked_and_charged_when_it_is_done(
    bench: WorkerThread, tmp_path: Path
) -> None:
    bench.engine.act = stepping(bench, [])
    bench.begin("a")
    bench.worker.shutdown.end_after_job(0)
    bench.worker.shutdown.abandoned.set()
    bench.thread.join()
    (returned,) = charges(bench).values()
    assert (returned.outcome, returned.status) == (Outcome.RETURNED, 0)
    kept = [each.facts for each in bench.store.read_charges(9)]
    (busy,) = (each for each in kept if isinstance(each, BusyTime))
    assert busy.seconds == pytest.approx(returned.gpu_seconds, abs=0.25)
    second = WorkerThread(tmp_path)
    second.answer("a")
    wait_until(lambda: len(second.store.read_charges(9)) >= 3)
    assert [each.outcome for each in charges(second).values()] == [Outcome.DONE]
    second.end()
