"""Places and times of waiting jobs, from what workers needed before."""

from pathlib import Path

import pytest

from generator.request import Progress
from webapp.jobs.queue_overview import QueueOverview, QueueView, seconds_left
from webapp.queues.contracts.counters import CounterValue
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.progress import JobProgress
from webapp.queues.job_codec import WORK_TAG
from webapp.queues.job_pace import JobPace, count_pace
from webapp.queues.sqlite.store import SqliteStore


def frame(index: int, work: float = 10.0, **changes: object) -> Frame:
    """A waiting drawing."""
    facts: dict[str, object] = {"checkpoint": "sd", "index": index, **changes}
    return Frame(f"{index:032x}", "generate", b"", tags={WORK_TAG: str(work)}, **facts)  # type: ignore[arg-type]


def pace(seconds: float, amount: float, **labels: str) -> list[CounterValue]:
    """What workers needed."""
    whole = {"kind": "generate", "unit": "megapixel-steps", "model": "sd", **labels}
    return [
        CounterValue("paced_seconds", whole, seconds),
        CounterValue("paced_amount", whole, amount),
    ]


def test_a_drawing_is_predicted_by_its_checkpoint_or_by_any() -> None:
    known = JobPace.of_counters([*pace(10, 20), *pace(90, 30, model="xl")])
    assert known.predict(frame(1)) == pytest.approx(5.0)
    assert known.predict(frame(1, checkpoint="new")) == pytest.approx(20.0)
    assert known.predict(Frame("x", "extras", b"")) is None


def test_work_without_a_measure_is_predicted_by_its_kind(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "queue.db")
    for seconds in (2.0, 4.0):
        count_pace(store, Frame("x", "extras", b""), "", seconds)
    assert JobPace.of_counters(store.counters()).predict(Frame("y", "extras", b"")) == 3.0
    store.close()


def test_who_is_ahead_is_waited_for_by_priority_and_age() -> None:
    view = QueueView.of_frames(
        [frame(1), frame(2, priority=-1), frame(3, work=40.0)],
        [6.0],
        1,
        JobPace.of_counters(pace(10, 20)).predict,
    )
    assert view.forecast(frame(1)).wait == pytest.approx(6.0)
    third = view.forecast(frame(3, work=40.0))
    assert (third.position, third.wait, third.seconds) == (2, pytest.approx(11.0), 20.0)
    last = view.forecast(frame(2, priority=-1))
    assert (last.position, last.wait) == (3, pytest.approx(31.0))
    new = view.forecast(frame(0))  # not queued: behind all of its priority
    assert (new.position, new.wait) == (3, pytest.approx(31.0))


def test_an_idle_worker_begins_at_once_and_what_nobody_knows_is_not_guessed() -> None:
    assert QueueView.of_frames([], [None], 2, JobPace().predict).forecast(frame(0)).wait == 0.0
    busy = QueueView.of_frames([], [None], 1, JobPace().predict).forecast(frame(0))
    assert (busy.position, busy.wait, busy.seconds) == (1, None, None)
    assert QueueView.of_frames([], [], 0, JobPace().predict).forecast(frame(0)).wait is None


def test_a_running_job_is_judged_by_what_it_has_done() -> None:
    half = JobProgress(Progress("x", 1, 2, 0, 20), 100.0, 110.0)
    assert seconds_left(half, 99.0, 110.0) == pytest.approx(10.0)
    begun = JobProgress(Progress("x", 0, 2, 0, 20), 100.0, 100.0)
    assert seconds_left(begun, 30.0, 110.0) == pytest.approx(20.0)
    assert seconds_left(None, 30.0, 110.0) == 30.0


def test_many_askers_cost_one_look(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "queue.db")
    overview = QueueOverview(store, store, store, store)
    looks: list[object] = []
    listing = store.list_frames

    def list_frames(owner: str | None = None) -> object:
        looks.append(owner)
        return listing(owner)

    store.list_frames = list_frames  # type: ignore[method-assign, assignment]
    overview.view()
    overview._good_until = float("inf")
    for _ in range(100):
        overview.view()
    assert len(looks) == 1
    store.close()
