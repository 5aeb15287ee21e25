"""What every queue store promises; see ``webapp/queues/contracts.py``."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from generator.request import Progress, Stop
from tests.wait import TIMEOUT, Clock, result_of, wait_until
from webapp.queues import notifier
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.contracts.queue import OwnerDepth
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.contracts.service_notices import ServiceNotice
from webapp.queues.contracts.worker_commands import WorkerCommand
from webapp.queues.redis import leasing
from webapp.queues.worker_id import WorkerId

Make = Callable[..., QueueStore]
OK = Answer(200, b"drawn")


@pytest.fixture
def store(make: Make) -> QueueStore:
    """A store with the defaults."""
    return make()


def frame(name: str, **fields: object) -> Frame:
    """A frame named ``name``."""
    return Frame(id=name, kind="generate", body=name.encode(), **fields)  # type: ignore[arg-type]


def take(store: QueueStore, *loaded: str, worker: str = "cpu") -> Lease:
    """The next lease, which must be there."""
    lease = store.take(WorkerId(worker), loaded, 0)
    assert lease is not None
    return lease


def order(store: QueueStore, *loaded: str) -> str:
    """The names of all waiting frames in the order in which they are taken and answered."""
    names = ""
    while (lease := store.take(WorkerId("cpu"), loaded, 0)) is not None:
        names += lease.frame.id
        store.answer(lease, OK, 1.0)
    return names


def test_the_next_checkpoint_is_the_one_that_would_be_taken(store: QueueStore) -> None:
    assert store.next_checkpoint(()) == ""
    for name, checkpoint, priority in (("a", "one", 0), ("b", "two", 0), ("c", "three", 4)):
        store.put(frame(name, checkpoint=checkpoint, priority=priority))
    for loaded in ((), ("two",), ("one", "two")):
        seen = store.next_checkpoint(loaded)
        lease = take(store, *loaded)
        assert seen == lease.frame.checkpoint
        store.answer(lease, OK, 1.0)
    assert store.next_checkpoint(()) == ""


# -- in and out ---------------------------------------------------------------------------------


def test_a_frame_comes_out_as_it_went_in(store: QueueStore) -> None:
    before = time.time()
    given = frame("a", owner="ann", checkpoint="sd", priority=3, tags={"task": "t"})
    assert store.put(given) == 1
    lease = take(store)
    found = lease.frame
    assert (found.id, found.kind, found.body, found.owner) == ("a", "generate", b"a", "ann")
    assert (found.checkpoint, found.priority, found.tags) == ("sd", 3, {"task": "t"})
    assert (found.index, found.deliveries) == (1, 1)
    assert before <= found.put_at <= time.time() < lease.expires


def test_an_answer_reaches_who_waits(store: QueueStore, make: Make) -> None:
    store.put(frame("a"))
    other = make()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(other.wait, "a", TIMEOUT)
        assert store.answer(take(store), Answer(418, b"\0tea", "text/tea"), 1.0)
        assert waiting.result() == Answer(418, b"\0tea", "text/tea")


def test_an_answer_can_be_read_twice_until_it_is_forgotten(store: QueueStore) -> None:
    store.put(frame("a"))
    store.answer(take(store), OK, 1.0)
    assert store.wait("a", 0) == store.wait("a", 0) == OK
    store.delete_answer("a")
    assert store.wait("a", 0) is None


def test_an_answer_is_found_by_a_tag_and_its_owner(store: QueueStore, make: Make) -> None:
    for name, owner in (("a", "ann"), ("b", "bob"), ("c", "ann"), ("d", "ann")):
        store.put(frame(name, owner=owner, tags={"task": "t" if name < "d" else "u"}))
    store.answer_waiting("d", OK)
    while (lease := store.take(WorkerId("cpu"), (), 0)) is not None:
        store.answer(lease, OK, 0.0)
    other = make()
    assert other.find_answered("task", "t") == "c"  # the newest
    assert other.find_answered("task", "t", "bob") == "b"
    assert other.find_answered("task", "u", "ann") == "d"
    assert other.find_answered("task", "u", "bob") is other.find_answered("task", "v") is None
    store.delete_answer("c")
    assert other.find_answered("task", "t", "ann") == "a"


def test_an_answer_tells_its_index_its_request_and_its_tags(store: QueueStore, make: Make) -> None:
    for name in "abc":
        store.put(frame(name, tags={"task": name, 'odd "$.': "1"}))
    store.answer_waiting("c", OK)
    store.answer(take(store), Answer(500, b"bad", "text/x"), 0.0)
    other = make()
    answers = [answer for answer in map(other.wait, "cab", (0, 0, 0)) if answer is not None]
    assert answers == [OK, Answer(500, b"bad", "text/x")]
    assert [(answer.index, answer.request_id) for answer in answers] == [(1, "c"), (2, "a")]
    assert answers[1].tags == {"task": "a", 'odd "$.': "1"}
    store.delete_answer("a")
    store.answer(take(store), OK, 0.0)
    answer = other.wait("b", 0)
    assert answer is not None
    assert answer.index == 3  # the index of an answer that is gone is not given again


def test_waiting_in_vain_ends(store: QueueStore) -> None:
    begun = time.monotonic()
    assert store.wait("nobody", 0.1) is None
    assert store.take(WorkerId("cpu"), [], 0.1) is None
    assert time.monotonic() - begun >= 0.2


def test_a_waiting_worker_wakes_for_a_frame(
    store: QueueStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "POLL_SECONDS", TIMEOUT)  # the bell wakes it, or nobody
    monkeypatch.setattr(leasing, "IDLE_POLL_SECONDS", TIMEOUT)
    other = make()
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(other.take, WorkerId("cpu"), [], TIMEOUT)
        wait_until(lambda: getattr(other, "work_notifier", other.notifier).subscribers)
        store.put(frame("a"))
        lease = result_of(taking)
    assert lease is not None
    assert lease.frame.id == "a"


def test_an_id_is_stored_once_waiting_leased_or_answered(store: QueueStore) -> None:
    assert store.put(frame("a")) == 1
    assert store.put(frame("b")) == 2
    assert store.put(frame("a")) == 1
    lease = take(store)
    assert store.put(frame("a")) == 1
    store.answer(lease, OK, 1.0)
    assert store.put(frame("a")) == 1
    assert order(store) == "b"


def test_waiting_lists_in_order_of_arrival_without_bodies(store: QueueStore) -> None:
    for name, owner in (("a", "ann"), ("b", "bob"), ("c", "ann")):
        store.put(frame(name, owner=owner, priority=ord(name)))
    take(store)
    assert [f.id for f in store.list_frames()] == ["a", "b", "c"]
    assert [f.id for f in store.list_frames("ann")] == ["a", "c"]
    assert [store.is_queued(name) for name in ("a", "b", "c", "d")] == [True, True, True, False]
    assert [f.deliveries for f in store.list_frames()] == [0, 0, 1]
    assert {f.body for f in store.list_frames()} == {b""}


def test_an_owners_frames_count_by_kind_and_its_bodies_by_bytes(store: QueueStore) -> None:
    assert store.owner_depth("ann", "generate") == OwnerDepth(0, 0)
    for name, kind, size in (("a", "generate", 70_000), ("b", "extras", 2), ("c", "generate", 3)):
        store.put(replace(frame(name, owner="ann"), kind=kind, body=b"x" * size))
    store.put(frame("d", owner="bob"))
    take(store)  # a running one counts, too
    assert store.owner_depth("ann", "generate") == OwnerDepth(2, 70_005)
    assert store.owner_depth("ann", "extras") == OwnerDepth(1, 70_005)


def test_only_a_waiting_frame_can_be_cancelled(store: QueueStore) -> None:
    store.put(frame("a"))
    store.put(frame("b"))
    take(store)
    assert not store.cancel("a")
    assert store.cancel("b")
    assert not store.cancel("b")
    assert not store.cancel("never")


# -- who is next --------------------------------------------------------------------------------


def test_only_a_waiting_frame_can_be_settled(store: QueueStore) -> None:
    for name in "ab":
        store.put(frame(name))
    assert take(store).frame.id == "a"
    waiting = store.read_waiting_frame("b")
    assert waiting is not None
    assert waiting.body == b"b"
    assert [store.read_waiting_frame(name) for name in "ac"] == [None, None]
    assert [store.answer_waiting(name, OK) for name in "abbc"] == [False, True, False, False]
    assert store.wait("b", 0) == OK
    assert store.take(WorkerId("cpu"), (), 0) is None


def test_priority_then_arrival(store: QueueStore) -> None:
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1)):
        store.put(frame(name, priority=priority))
    assert order(store) == "bdace"


def test_owners_take_turns_by_gpu_seconds(store: QueueStore) -> None:
    for name in "abcd":
        store.put(frame(name, owner="ann"))
    for name in "xy":
        store.put(frame(name, owner="bob"))
    assert order(store) == "axbycd"


def test_a_heavy_job_gives_others_more_turns(store: QueueStore) -> None:
    store.put(frame("a", owner="ann"))
    store.answer(take(store), OK, 2.5)
    for name in "bc":
        store.put(frame(name, owner="ann"))
    for name in "wxyz":
        store.put(frame(name, owner="bob"))
    assert order(store) == "wxybzc"


def test_running_frames_count_before_they_are_answered(make: Make) -> None:
    clock = Clock()
    store = make(clock=clock)
    for name, owner in (("a", "ann"), ("b", "ann"), ("x", "bob")):
        store.put(frame(name, owner=owner))
    first = take(store)
    clock.skip(0.01)
    assert (first.frame.id, take(store).frame.id) == ("a", "x")


def test_a_loaded_checkpoint_goes_first_within_an_owner(store: QueueStore) -> None:
    for name, checkpoint in (("a", "one"), ("b", "two"), ("c", "one"), ("d", "two"), ("e", "")):
        store.put(frame(name, checkpoint=checkpoint))
    assert order(store, "two") == "bdeac"


def test_fairness_comes_before_affinity(store: QueueStore) -> None:
    store.put(frame("a", owner="ann", checkpoint="two"))
    store.answer(take(store), OK, 60.0)
    store.put(frame("b", owner="ann", checkpoint="two"))
    store.put(frame("x", owner="bob", checkpoint="one"))
    assert order(store, "two") == "xb"


def test_age_overrides_priority_and_affinity_once_in_a_while(make: Make) -> None:
    clock = Clock()
    store = make(age_cap=0.2, clock=clock)
    store.put(frame("a", owner="ann", checkpoint="cold"))
    store.put(frame("b", owner="ann", checkpoint="cold"))
    clock.skip(0.25)
    store.put(frame("x", owner="bob", checkpoint="warm", priority=9))
    store.put(frame("y", owner="ann", checkpoint="warm"))
    # "a" is overdue and goes first; "b" is as old, but its owner has just had that.
    assert order(store, "warm") == "axyb"


# -- leases -------------------------------------------------------------------------------------


def look_for_seconds(
    store: QueueStore, clock: Clock, seconds: float, worker: str = "other"
) -> None:
    """Time passes for somebody who looks twice a second and finds nothing.

    Leases of tests end between two looks: Redis knows their ages to a millisecond or two only.
    """
    for _ in range(round(2 * seconds)):
        assert store.take(WorkerId(worker), [], 0) is None
        clock.skip(0.5)


def test_a_lease_that_ran_out_is_taken_again(make: Make) -> None:
    clock = Clock()
    store = make(lease_seconds=4.25, clock=clock)
    store.put(frame("a"))
    lost = take(store)
    look_for_seconds(store, clock, 4.5)
    found = take(store, worker="other")
    assert (found.frame.id, found.frame.deliveries) == ("a", 2)
    assert not store.renew(lost)
    assert not store.answer(lost, Answer(500, b"late"), 1.0)
    assert store.answer(found, OK, 1.0)
    assert store.wait("a", 0) == OK


@pytest.mark.parametrize("jump", [100, -100])
def test_a_machine_that_stood_still_takes_no_job_from_who_lives(make: Make, jump: int) -> None:
    """All stop for longer than a lease; he who goes on first leaves the others time to renew."""
    clock = Clock()
    store, other = make(clock=clock), make(clock=clock)
    store.put(frame("a"))
    lease = take(store)
    look_for_seconds(other, clock, 2)
    clock.skip(jump)
    look_for_seconds(other, clock, 4)
    assert store.renew(lease)
    look_for_seconds(other, clock, 9)
    assert store.answer(lease, OK, 1.0)
    assert [store.wait("a", 0), store.list_frames()] == [OK, []]


def test_who_does_not_go_on_after_a_standstill_loses_the_job(make: Make) -> None:
    clock = Clock()
    store = make(clock=clock)
    store.put(frame("a"))
    lease = take(store)
    clock.skip(100)
    look_for_seconds(store, clock, 5)
    assert take(store, worker="other").frame.deliveries == 2
    assert not store.renew(lease)


def test_an_idle_worker_notices_a_lease_that_runs_out(make: Make) -> None:
    store = make(lease_seconds=0.2)
    store.put(frame("a"))
    take(store)
    lease = store.take(WorkerId("other"), [], TIMEOUT)
    assert lease is not None
    assert lease.frame.deliveries == 2


def test_a_renewed_lease_holds(make: Make) -> None:
    clock = Clock()
    store = make(lease_seconds=4, clock=clock)
    store.put(frame("a"))
    lease = take(store)
    for _ in range(4):
        look_for_seconds(store, clock, 3)
        assert store.renew(lease)
    assert store.answer(lease, OK, 1.0)


def test_a_lease_that_ran_out_unnoticed_is_still_good(make: Make) -> None:
    clock = Clock()
    store = make(clock=clock)
    store.put(frame("a"))
    lease = take(store)
    clock.skip(20)
    assert store.answer(lease, OK, 1.0)


def test_release_gives_back_uncounted(store: QueueStore) -> None:
    store.put(frame("a"))
    store.release(take(store))
    assert [f.deliveries for f in store.list_frames()] == [0]
    assert take(store).frame.deliveries == 1


def test_a_dead_workers_frames_are_free_at_once(store: QueueStore) -> None:
    for name in "abc":
        store.put(frame(name))
    take(store, worker="dead")
    take(store, worker="alive")
    store.record_heartbeat(WorkerState(WorkerId("dead"), "working", "", "a", time.time()))
    assert store.release_worker(WorkerId("dead")) == 1
    assert store.workers() == []
    assert take(store).frame.deliveries == 2
    assert take(store).frame.id == "c"


def test_a_frame_that_waits_again_is_not_leased(store: QueueStore) -> None:
    store.put(frame("a"))
    assert [(f.is_leased, f.deliveries) for f in store.list_frames()] == [(False, 0)]
    assert take(store, worker="dead").frame.is_leased
    assert [(f.is_leased, f.deliveries) for f in store.list_frames("")] == [(True, 1)]
    store.release_worker(WorkerId("dead"))
    assert [(f.is_leased, f.deliveries) for f in store.list_frames()] == [(False, 1)]
    waiting = store.read_waiting_frame("a")
    assert waiting is not None
    assert not waiting.is_leased


def test_a_frame_that_kills_every_worker_is_answered(make: Make) -> None:
    store = make(max_delivery=3)
    store.put(frame("a"))
    for delivery in (1, 2, 3):
        assert take(store, worker=f"w{delivery}").frame.deliveries == delivery
        assert store.wait("a", 0) is None
        store.release_worker(WorkerId(f"w{delivery}"))
    answer = store.wait("a", 0)
    assert answer is not None
    assert answer.status == 500
    assert b"lost 3 times" in answer.body
    assert store.list_frames() == []


def test_a_frame_that_two_workers_died_of_goes_last(store: QueueStore) -> None:
    store.put(frame("deadly", priority=9))
    for worker in ("w1", "w2"):
        take(store, worker=worker)
        store.release_worker(WorkerId(worker), "was killed by SIGSEGV")
        store.put(frame(f"after {worker}", owner="ann"))
        taken = take(store, worker="other")
        assert taken.frame.id == ("deadly" if worker == "w1" else "after w1")
        store.release(taken)
    assert order(store) == "after w1after w2deadly"


def test_the_answer_of_a_deadly_frame_tells_how_workers_ended(make: Make) -> None:
    store = make(max_delivery=1)
    store.put(frame("a"))
    take(store, worker="w")
    store.release_worker(WorkerId("w"), "was killed by SIGSEGV")
    answer = store.wait("a", 0)
    assert answer is not None
    assert b"lost once" in answer.body
    assert b"The last one was killed by SIGSEGV." in answer.body


def test_without_a_limit_no_frame_is_given_up(make: Make) -> None:
    store = make(max_delivery=0)
    store.put(frame("a"))
    for delivery in range(1, 8):
        assert take(store, worker="w").frame.deliveries == delivery
        store.release_worker(WorkerId("w"))
    assert store.is_queued("a")


def test_expired_leases_count_as_deliveries(make: Make) -> None:
    clock = Clock()
    store = make(max_delivery=2, lease_seconds=2.25, clock=clock)
    store.put(frame("a"))
    for _ in range(2):
        take(store)
        look_for_seconds(store, clock, 2.5)
    assert store.take(WorkerId("cpu"), [], 0) is None
    answer = store.wait("a", 0)
    assert answer is not None
    assert answer.status == 500


def test_a_second_answer_changes_nothing(store: QueueStore) -> None:
    store.put(frame("a"))
    lease = take(store)
    assert store.answer(lease, OK, 1.0)
    assert not store.answer(lease, Answer(500, b"again"), 1.0)
    assert store.wait("a", 0) == OK


def test_answers_expire(make: Make) -> None:
    clock = Clock()
    store = make(answer_seconds=0.1, clock=clock)
    store.put(frame("a"))
    store.answer(take(store), OK, 1.0)
    clock.skip(0.15)
    assert store.wait("a", 0) is None
    assert store.put(frame("a")) == 2  # forgotten: the id is free again


# -- the board ----------------------------------------------------------------------------------

STEP = Progress("scripts_txt2img", 0, 1, 3, 20)


def test_progress_is_seen_until_the_answer(store: QueueStore, make: Make) -> None:
    other = make()
    store.put(frame("a"))
    lease = take(store)
    assert other.read_progress("a") is None
    store.publish_progress("a", STEP, None)
    seen = other.read_progress("a")
    assert seen is not None
    assert (seen.progress, seen.preview, seen.preview_id) == (STEP, None, 0)
    store.publish_progress("a", STEP, b"png")
    later = Progress("scripts_txt2img", 0, 1, 4, 20, "Decoding")
    store.publish_progress("a", later, None)
    seen = other.read_progress("a")
    assert seen is not None
    assert (seen.progress, seen.preview, seen.preview_id) == (later, b"png", 1)
    assert seen.started_at <= seen.updated_at
    store.answer(lease, OK, 1.0)
    store.publish_progress("a", STEP, None)  # too late
    assert other.read_progress("a") is None


def test_skip_is_read_once_interrupt_stays(store: QueueStore, make: Make) -> None:
    other = make()
    store.put(frame("a"))
    lease = take(store)
    assert store.take_stop_request("a") is Stop.NO
    other.request_stop("a", Stop.SKIP)
    assert [store.take_stop_request("a"), store.take_stop_request("a")] == [Stop.SKIP, Stop.NO]
    other.request_stop("a", Stop.INTERRUPT)
    assert [store.take_stop_request("a"), store.take_stop_request("a")] == [
        Stop.INTERRUPT,
        Stop.INTERRUPT,
    ]
    store.answer(lease, OK, 1.0)
    assert store.take_stop_request("a") is Stop.NO


def test_workers_are_those_seen_lately(store: QueueStore, make: Make) -> None:
    now = time.time()
    fresh = WorkerState(
        WorkerId.parse("cpu@x:1"),
        "idle",
        "sd [0123456789]",
        "",
        now + TIMEOUT,
        {"rss": 5},
        ("xl [abcdef0123]",),
    )
    stale = WorkerState(WorkerId.parse("cpu@x:2"), "idle", "", "", now - 16)
    store.record_heartbeat(fresh)
    store.record_heartbeat(stale)
    assert shown(make()) == timeless(fresh)
    moved = WorkerState(WorkerId.parse("cpu@x:1"), "working", "", "a", now)
    store.record_heartbeat(moved)
    assert shown(make()) == timeless(moved)
    far = WorkerState(
        WorkerId("cuda:0", "far", 1, "0123456789ab"), "idle", "a", "", now, {}, ("b", "c"),
        version="1.2", models_folder="/mnt/models", joined=True,
    )  # fmt: skip
    store.record_heartbeat(far)
    assert shown(make()) == timeless(moved, far)
    store.release_worker(far.id)
    assert shown(make()) == timeless(moved)


def timeless(*workers: WorkerState) -> list[WorkerState]:
    """Workers without when they were seen: a server tells that by its own clock."""
    return [replace(each, seen_at=0.0) for each in workers]


def shown(store: QueueStore) -> list[WorkerState]:
    """The workers that a store shows, each seen lately, or a little ahead."""
    workers = store.workers()
    assert all(abs(each.seen_at - time.time()) < 2 * TIMEOUT for each in workers)
    return timeless(*workers)


# -- many at once, and sudden death ---------------------------------------------------------------


def test_a_command_stays_until_it_is_done(store: QueueStore, make: Make) -> None:
    assert store.pending_command(WorkerId("cpu")) is None
    first, later = WorkerCommand("1", "unload"), WorkerCommand("2", "load", "sd")
    store.send_command(WorkerId("cpu"), first)
    assert make().pending_command(WorkerId("cpu")) == first
    store.send_command(WorkerId("cpu"), later)
    store.complete_command(WorkerId("cpu"), first)
    assert store.pending_command(WorkerId("cpu")) == later
    assert store.pending_command(WorkerId("cuda:0")) is None
    store.complete_command(WorkerId("cpu"), later)
    assert store.pending_command(WorkerId("cpu")) is None


def test_the_last_notice_counts_and_is_no_command(make: Make) -> None:
    store = make(answer_seconds=60)
    assert store.read_notice() is None
    store.publish_notice(ServiceNotice("a", "1", 5.0))
    store.publish_notice(later := ServiceNotice("b", "2", 6.25))
    assert make().read_notice() == later
    assert store.pending_command(WorkerId("service")) is None


def test_the_end_of_a_service_is_told_until_it_is_withdrawn(make: Make) -> None:
    store, other = make(answer_seconds=60), make(answer_seconds=60)
    for service in ("host/m:1", "host/m:2"):
        store.announce_end(service)
    store.withdraw_end("host/m:2")
    store.withdraw_end("host/m:3")
    assert [other.is_ending(f"host/m:{pid}") for pid in (1, 2, 3)] == [True, False, False]
    assert store.pending_command(WorkerId("host/m:1")) is None
    assert store.read_notice() is None


def test_many_threads_lose_nothing(make: Make) -> None:
    """8 threads put 25 frames each and wait; 3 workers answer with the frame's own body."""
    front, back = make(), make()
    done = threading.Event()

    def work(name: str) -> int:
        drawn = 0
        while not done.is_set():
            lease = back.take(WorkerId(name), [], 0.1)
            if lease is not None:
                drawn += back.answer(lease, Answer(200, lease.frame.body), 0.01)
        return drawn

    def ask(number: int) -> list[bytes]:
        bodies = []
        for i in range(25):
            name = f"{number}-{i}"
            front.put(frame(name, owner=str(number)))
            answer = front.wait(name, TIMEOUT)
            assert answer is not None
            bodies.append(answer.body)
        return bodies

    with ThreadPoolExecutor(11) as pool:
        working = [pool.submit(work, f"w{i}") for i in range(3)]
        asking = [pool.submit(ask, number) for number in range(8)]
        try:
            for number, answers in enumerate(asking):
                assert answers.result() == [f"{number}-{i}".encode() for i in range(25)]
        finally:
            done.set()
        assert sum(w.result() for w in working) == 200
    assert front.list_frames() == []


def test_kill_9_between_take_and_answer(make: Make, opening: str) -> None:
    """A frame put before, and a lease taken in, a process that is killed are both kept."""
    store = make(lease_seconds=0.5)
    code = f"""
import time
from webapp.queues.contracts.frame import Frame
from webapp.queues.worker_id import WorkerId
{opening}
store = open_store(lease_seconds=0.5)
store.put(Frame("a", "generate", b"x" * 100_000))
assert store.take(WorkerId("doomed"), [], 1)
print("taken", flush=True)
time.sleep(600)
"""
    doomed = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert doomed.stdout is not None
    with doomed.stdout:
        assert doomed.stdout.readline() == b"taken\n"
        assert store.take(WorkerId("cpu"), [], 0) is None
        os.kill(doomed.pid, signal.SIGKILL)
        doomed.wait()
    lease = store.take(WorkerId("cpu"), [], TIMEOUT)
    assert lease is not None
    assert (lease.frame.deliveries, len(lease.frame.body)) == (2, 100_000)
    assert store.answer(lease, OK, 1.0)
