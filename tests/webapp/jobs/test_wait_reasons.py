"""Why jobs wait, and places where limits hold jobs back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from webapp.jobs.cold_start import WORKER_START
from webapp.jobs.queue_overview import QueueView
from webapp.jobs.wait_reasons import WaitKind, WaitReason, find_reasons
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.match_forecast import Outlook, RunningOutlook, WorkerOutlook, forecast_takes
from webapp.queues.sharing import Sharing
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

NOW = 1000.0
ONE = Sharing(most_running=1)


def frame(index: int, owner: str, **changes: Any) -> Frame:
    """A drawing of five predicted seconds."""
    facts = {"owner": owner, "put_at": NOW, "predicted_seconds": 5.0, **changes}
    return Frame(f"{index:032x}", "generate", b"", index=index, **facts)


def look(waiting: list[Frame], running: list[Frame], *workers: WorkerOutlook) -> QueueView:
    """The queue with these, whose running jobs take three seconds more."""
    ends = [RunningOutlook(each.owner, each.sharing, 3.0) for each in running]
    return QueueView.of_frames(waiting, running, Outlook({}, workers, NOW, running=ends))


def test_each_reason_is_told() -> None:
    studio = Sharing("studio", most_running_of_group=1)
    running = [frame(1, "ann", sharing=ONE), frame(2, "bob", sharing=studio)]
    waiting = [
        frame(3, "ann", sharing=ONE), frame(4, "carl", sharing=studio), frame(5, "dora"),
        frame(6, "dora"),
    ]  # fmt: skip
    reasons = find_reasons(look(waiting, running, WorkerOutlook(3.0), WorkerOutlook(9.0)))
    told = [reasons[each.id] for each in waiting]
    assert {each.kind for each in told[:2]} == {WaitKind.OWN_LIMIT, WaitKind.GROUP_LIMIT}
    assert (told[0].limit, told[0].text()) == (1, "Your limit of 1 jobs at once.")
    assert (told[1].limit, told[1].group) == (1, "studio")
    assert told[3].text().endswith("1 of yours go first.")
    alone = find_reasons(look([frame(1, "ann")], [], WorkerOutlook(3.0)))
    assert list(alone.values()) == [WaitReason(WaitKind.WORKERS_BUSY)]
    starting = replace(look(waiting, [], WorkerOutlook()), cold_start=WORKER_START)
    assert {each.kind for each in find_reasons(starting).values()} == {WaitKind.WORKER_STARTS}
    assert [each.kind for each in find_reasons(look(waiting, [])).values()] == [
        WaitKind.NO_WORKER
    ] * 4


def test_a_job_that_a_limit_holds_back_begins_when_its_owners_job_ends() -> None:
    running = [frame(1, "ann", sharing=ONE)]
    waiting = [frame(2, "ann", sharing=ONE), frame(3, "ann", sharing=ONE), frame(4, "bob")]
    view = look(waiting, running, WorkerOutlook(3.0), WorkerOutlook(0.0))
    told = [view.forecast(each) for each in waiting]
    assert [(each.position, each.wait) for each in told] == [(2, 3.0), (3, 8.0), (1, 0.0)]


def test_a_limit_that_nothing_seems_to_fill_ends_no_forecast() -> None:
    waiting = [frame(1, "ann", sharing=ONE)]
    stuck = RunningOutlook("ann", ONE, 0.0)
    view = QueueView.of_frames(
        waiting, [], Outlook({}, [WorkerOutlook()], NOW, running=[stuck, replace(stuck)])
    )
    assert view.forecast(waiting[0]).position == 1


def test_the_forecast_with_limits_is_what_the_store_does(tmp_path: Path) -> None:
    clock = [NOW]
    store = SqliteStore(tmp_path / "queue.db", clock=lambda: clock[0], lease_seconds=1e6)
    workers = [WorkerId("cpu", "test", number) for number in (1, 2)]
    for number in range(16):
        sharing = Sharing("pair", 2.0, 1, 0) if number % 4 else ONE
        store.put(frame(number + 1, f"user {number % 4}", work=float(number % 3), sharing=sharing))
    outlook = Outlook({}, [WorkerOutlook(), WorkerOutlook()], NOW)
    foreseen = [frame.id for frame, _ in forecast_takes(store.list_frames(), outlook)]
    free, taken, ends = dict.fromkeys(workers, 0.0), [], []
    while len(taken) < len(foreseen):
        worker = min(free, key=lambda each: (free[each], each.pid))
        clock[0] = NOW + free[worker]
        for lease, end in [each for each in ends if each[1] <= free[worker]]:
            store.answer(lease, Answer(500, b""), lease.frame.predicted_seconds)
            ends.remove((lease, end))
        lease = store.take(worker, (), 0)
        if lease is None:
            free[worker] = min(end for _, end in ends)
            continue
        taken.append(lease.frame.id)
        free[worker] += lease.frame.predicted_seconds
        ends.append((lease, free[worker]))
    assert taken == foreseen
    store.close()
