"""Places and times of waiting jobs: the match rule, played forward with its predicted seconds."""

from dataclasses import replace
from pathlib import Path

import pytest

from generator.request import Progress
from webapp.jobs.queue_overview import QueueOverview, QueueView, outlooks_of, seconds_left
from webapp.queues import match_forecast
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.contracts.progress import JobProgress
from webapp.queues.match_forecast import Outlook, WorkerOutlook, forecast_takes
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

NOW = 1000.0


def frame(index: int, seconds: float = 5.0, **changes: object) -> Frame:
    """A waiting drawing of so many predicted seconds."""
    facts: dict[str, object] = {"owner": "ann", "checkpoint": "sd", "put_at": NOW, **changes}
    return Frame(
        f"{index:032x}", "generate", b"", index=index, predicted_seconds=seconds,
        **facts,  # type: ignore[arg-type]
    )  # fmt: skip


def outlook(*workers: WorkerOutlook) -> Outlook:
    """Nobody has taken anything yet."""
    return Outlook({}, workers, NOW)


def takes(frames: list[Frame], *workers: WorkerOutlook) -> list[tuple[int, float]]:
    """Indexes of frames, and when they begin."""
    return [(each.index, at) for each, at in forecast_takes(frames, outlook(*workers))]


def test_a_worker_takes_one_after_the_other_by_priority_and_age() -> None:
    frames = [frame(1), frame(2, priority=-1), frame(3, 20.0)]
    view = QueueView.of_frames(frames, [], outlook(WorkerOutlook(6.0)))
    told = [view.forecast(each) for each in frames]
    assert [(each.position, each.wait, each.seconds) for each in told] == [
        (1, 6.0, 5.0), (3, 31.0, 5.0), (2, 11.0, 20.0),
    ]  # fmt: skip
    new = view.forecast(frame(0, 7.0))
    assert (new.position, new.wait, new.seconds) == (3, 31.0, 7.0)
    assert view.forecast(frame(0, 7.0, priority=-2)).position == 4


def test_a_new_job_of_one_who_has_little_waiting_comes_before_a_long_backlog() -> None:
    backlog = [frame(n, 10.0, owner="heavy") for n in range(1, 21)]
    view = QueueView.of_frames(backlog, [], outlook(WorkerOutlook()))
    assert view.forecast(frame(0, 10.0, owner="light")).position <= 4  # after one quantum
    assert view.forecast(frame(0, 10.0, owner="heavy")).position == 21


def test_each_worker_takes_what_it_has_in_memory() -> None:
    frames = [frame(1, checkpoint="xl"), frame(2, checkpoint="sd"), frame(3, checkpoint="xl")]
    workers = WorkerOutlook(1.0, ["sd"]), WorkerOutlook(2.0, ["xl"])
    assert takes(frames, *workers) == [(2, 1.0), (1, 2.0), (3, 6.0)]


def test_an_idle_worker_begins_at_once_and_without_one_no_time_is_told() -> None:
    busy, idle = WorkerOutlook(9.0), WorkerOutlook()
    assert QueueView.of_frames([], [], outlook(busy, idle)).forecast(frame(0)).wait == 0.0
    none = QueueView.of_frames([frame(1)], [], outlook()).forecast(frame(0))
    assert (none.position, none.wait, none.seconds) == (2, None, 5.0)


def test_the_end_of_a_long_queue_is_told_by_priority_and_age(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(match_forecast, "MAX_COMPARED", 10)
    owners = [frame(n, owner=f"user {n}") for n in range(1, 9)]
    frames = [*owners, frame(9, priority=1), *[frame(n, priority=-1) for n in range(10, 12)]]
    told = takes(frames, WorkerOutlook())
    assert [index for index, _ in told] == [9, *range(1, 9), 10, 11]
    assert [at for _, at in told] == [n * 5.0 for n in range(11)]


def test_the_forecast_is_what_the_store_does(tmp_path: Path) -> None:
    clock = [NOW]
    store = SqliteStore(tmp_path / "queue.db", clock=lambda: clock[0])
    worker = WorkerId("cpu", "test", 1)
    for n in range(40):
        owner, checkpoint = f"user {n % 3}", f"c{n % 4}"
        store.put(replace(frame(n + 1, owner=owner, checkpoint=checkpoint), work=float(n % 7) * 40))
    first = store.take(worker, ["c0"], 0)
    assert first is not None
    store.answer(first, Answer(200, b"{}"), first.frame.predicted_seconds)
    start = Outlook(store.accounts(), [WorkerOutlook(0.0, ["c0"])], NOW)
    foreseen = list(forecast_takes(store.list_frames(), start))
    loaded = ["c0"]
    for expected, wait in foreseen:
        clock[0] = NOW + wait
        lease = store.take(worker, loaded, 0)
        assert lease is not None
        assert lease.frame.id == expected.id
        loaded = [lease.frame.checkpoint]
        store.renew(lease)
        seconds = lease.frame.predicted_seconds
        store.answer(lease, Answer(500, b"{}"), seconds)  # from which no pace is learned
    assert len(foreseen) == 39
    assert store.depth().waiting == 0
    store.close()


def test_workers_are_free_when_their_jobs_end() -> None:
    known, untold = frame(1), frame(2, checkpoint="xl")
    states = [
        WorkerState(WorkerId("cpu", "a", 1), "working", "sd", known.id, NOW),
        WorkerState(WorkerId("cpu", "b", 2), "idle", "sd", "", NOW, also_loaded=("v2",)),
        WorkerState(WorkerId("cpu", "c", 3), "draining", "sd", "", NOW),
        WorkerState(WorkerId("cpu", "d", 4), "idle", "", "", NOW),
    ]
    assert outlooks_of(states, [known, untold], {known.id: 3.0, untold.id: 4.0}) == [
        WorkerOutlook(3.0, ("sd",)),
        WorkerOutlook(4.0, ("xl", "sd")),
        WorkerOutlook(0.0, ()),
    ]


def test_a_running_job_is_judged_by_what_it_has_done() -> None:
    half = JobProgress(Progress("x", 1, 2, 0, 20), 100.0, 110.0)
    assert seconds_left(half, 99.0, 110.0) == pytest.approx(10.0)
    begun = JobProgress(Progress("x", 0, 2, 0, 20), 100.0, 100.0)
    assert seconds_left(begun, 30.0, 110.0) == pytest.approx(20.0)
    assert seconds_left(None, 30.0, 110.0) == 30.0


def test_a_job_whose_worker_died_waits_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "queue.db")
    for n in (1, 2):
        store.put(frame(n))
    died, lives = WorkerId("cpu", "test", 1), WorkerId("cpu", "test", 2)
    for worker in (died, lives):
        assert store.take(worker, (), 0) is not None
    store.release_worker(died)
    view = QueueOverview(store, store, store).view()
    assert [each.index for each in view.waiting.values()] == [1]
    assert [each.index for each in view.running.values()] == [2]
    assert view.forecast(view.waiting[frame(1).id]).position == 1
    store.close()


def test_many_askers_cost_one_look(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "queue.db")
    overview = QueueOverview(store, store, store)
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
