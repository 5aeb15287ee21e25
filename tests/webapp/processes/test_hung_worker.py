"""A worker that gets no further is ended and started again; one that rests is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.hooks import Watch
from generator.request import Generation, GenerationRequest, Progress
from generator.run_timer import MAX_COUNTED_SECONDS
from tests.wait import Clock, result_of, wait_until
from tests.webapp.processes.fake_easel import HANG
from tests.webapp.processes.running_service import RunningService, group_of
from tests.webapp.worker.worker_bench import WorkerThread, generation
from webapp.process_tree import is_running
from webapp.processes.hang_watch import KILL_GRACE, HangAction, HangWatch
from webapp.worker.expected_pace import (
    LOADING_FACTOR,
    SLOW_STEP_FACTOR,
    UNSTEPPED_FACTOR,
    ExpectedPace,
)
from webapp.worker.progress_mark import NO_LIMIT, ProgressMark


@pytest.fixture
def watch() -> HangWatch:
    """A watch of a worker that was just started and may be still for ten seconds."""
    made = HangWatch(ProgressMark.create())
    made.begin(10.0)
    return made


def verdicts(watch: HangWatch, seconds: float) -> list[HangAction]:
    """What is said in so many seconds of looks."""
    looks = [watch.check(0.25) for _ in range(int(seconds * 4))]
    return [verdict for verdict in looks if verdict is not HangAction.LET_BE]


def test_a_still_worker_is_asked_killed_and_left(watch: HangWatch) -> None:
    assert verdicts(watch, 10.25) == []
    assert verdicts(watch, KILL_GRACE) == [HangAction.ASK]
    assert verdicts(watch, KILL_GRACE) == [HangAction.KILL]
    assert verdicts(watch, 100) == [HangAction.LEAVE]
    watch.begin(10.0)  # the next one
    assert verdicts(watch, 10.25) == []


def test_progress_begins_the_count_anew(watch: HangWatch) -> None:
    for _ in range(5):
        assert verdicts(watch, 8) == []
        watch.mark.beat(10.0)
    assert verdicts(watch, 11) == [HangAction.ASK]
    watch.mark.beat(10.0)  # it comes to after all
    assert verdicts(watch, 9) == []
    watch.mark.beat(NO_LIMIT)
    assert verdicts(watch, 1000) == []


def test_a_machine_that_stood_still_counts_for_nothing(watch: HangWatch) -> None:
    assert [watch.check(3600.0) for _ in range(int(10 / MAX_COUNTED_SECONDS))] == [
        HangAction.LET_BE
    ] * 20


def test_what_is_allowed_follows_the_work() -> None:
    clock = Clock(0.0)
    mark = ProgressMark.create()
    pace = ExpectedPace(mark, 60, clock)

    def read_allowance() -> float:
        return ProgressMark(mark.descriptor).read()[1]

    pace.rest()
    assert read_allowance() == 60
    pace.begin(1.0)
    assert read_allowance() == 60 * LOADING_FACTOR
    for _ in range(3):
        pace.step()
        clock.skip(2.0)
    assert read_allowance() == 60  # 20 times 2 seconds is less
    pace.begin(16.0)
    clock.skip(1000.0)  # loading teaches nothing of steps
    pace.step()
    assert read_allowance() == pytest.approx(SLOW_STEP_FACTOR * 2.0 * 16)
    pace.finish()
    assert read_allowance() == 60 * LOADING_FACTOR
    pace.begin(stepped=False)
    pace.step()
    assert read_allowance() == 60 * UNSTEPPED_FACTOR
    ExpectedPace(mark, 0, clock).rest()
    assert read_allowance() == NO_LIMIT


def test_every_turn_and_step_of_a_worker_is_told(tmp_path: Path) -> None:
    mark = ProgressMark.create()
    bench = WorkerThread(tmp_path, pace=ExpectedPace(mark, 60))
    bench.thread.start()
    before = mark.read()[0]
    wait_until(lambda: mark.read()[0] > before + 1)  # nothing to do is no hang
    told: list[float] = []

    def run(request: GenerationRequest, watch: Watch) -> Generation:
        told.append(mark.read()[1])
        watch(Progress("a", 0, 1, 1, 4), None)
        told.append(mark.read()[1])
        return generation(request)

    bench.engine.act = run
    bench.put("house")
    assert bench.answer("house")[0] == 200
    assert told == [60 * LOADING_FACTOR, 60]
    bench.end()


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningService]:
    """A service whose workers may be still for three seconds, once they have started."""
    monkeypatch.setenv(HANG, "3")
    service = RunningService(tmp_path / "data")
    yield service
    service.end()


def test_a_worker_that_hangs_in_c_is_ended_with_its_children(
    hasty: RunningService, tmp_path: Path
) -> None:
    """It holds Python's lock, so nothing of the worker runs; the job is drawn by the next one."""
    noted = tmp_path / "pids"
    drawn = hasty.later(f"hang {noted}")
    wait_until(lambda: noted.exists() and noted.read_text())
    worker, child = map(int, noted.read_text().split())
    assert result_of(drawn)[0] == 200
    wait_until(lambda: not is_running(worker) and not is_running(child))
    assert "makes no progress" in hasty.log()
    assert "and was ended with a job" in hasty.log()
    assert "taken up again" in hasty.log()
    assert group_of(hasty.worker()) == hasty.process.pid
    assert hasty.draw("quick")[0] == 200
