"""A put hands its frame to a worker that waits: as that would have taken it, and none is lost."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from generator.request import Progress
from tests.queue_server import QueueServer, require_program, running_server
from tests.wait import TIMEOUT, Clock, result_of, wait_until
from webapp.queues import notifier
from webapp.queues.contracts.entries import INPUT, SINK, Entry, EntryQuery
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.errors import StoreUnavailable
from webapp.queues.joint_jobs import JOIN_TAG
from webapp.queues.redis import leasing
from webapp.queues.redis import queue as redis_queue
from webapp.queues.redis.store import RedisStore
from webapp.queues.sharing import Sharing
from webapp.queues.worker_id import WorkerId

OK = Answer(200, b"drawn")
CPU, OTHER = WorkerId("cpu"), WorkerId("other")
Make = Callable[..., QueueStore]
MakeRedis = Callable[..., RedisStore]
on_redis = pytest.mark.parametrize("engine", ["redis"], indirect=True)


def frame(name: str, **fields: Any) -> Frame:
    return Frame(**{"id": name, "kind": "generate", "body": name.encode(), **fields})


def take(store: QueueStore, worker: WorkerId = OTHER) -> Lease:
    lease = store.take(worker, (), 0)
    assert lease is not None
    return lease


def wait_idly(store: RedisStore, token: str, *loaded: str, worker: WorkerId = CPU) -> Any:
    """What a worker does that waits, and here is never woken."""
    facts = {"worker": str(worker), "loaded": loaded, "channel": "nobody"}
    return store.run("wait_for_work", token=token, facts=json.dumps(facts), seconds=1.5)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a notification wakes."""
    monkeypatch.setattr(notifier, "POLL_SECONDS", TIMEOUT)
    monkeypatch.setattr(leasing, "IDLE_POLL_SECONDS", TIMEOUT)


def start_taking(pool: ThreadPoolExecutor, store: QueueStore, *loaded: str) -> Any:
    """Takes in a thread, and waits there."""
    idle = count_idle(store)
    taking = pool.submit(store.take, CPU, loaded, TIMEOUT)
    wait_until(lambda: count_idle(store) > idle)
    return taking


def count_idle(store: QueueStore) -> int:
    if isinstance(store, RedisStore):
        return int(store.server.client.zcard("easel:idle"))
    return len(getattr(store, "notifier").subscribers._events)  # noqa: B009


def test_what_is_handed_over_is_leased_charged_and_counted_as_what_is_taken(
    make: Make, patient: None
) -> None:
    store, worker = make(), make()
    store.put(frame("b", owner="ann", work=9.0, checkpoint="x"))
    taken = take(store)
    with ThreadPoolExecutor(1) as pool:
        taking = start_taking(pool, worker, "y")
        store.put(frame("c", owner="bob", work=9.0, checkpoint="x", tags={"task": "t"}))
        handed = result_of(taking)
    assert handed is not None
    assert (handed.frame.id, handed.frame.body, handed.frame.deliveries) == ("c", b"c", 1)
    assert dict(handed.frame.tags) == {"task": "t"}
    assert handed.expires - taken.expires < TIMEOUT
    assert store.accounts()[0, "ann"] == store.accounts()[0, "bob"]
    assert store.depth().running == 2
    assert store.renew(handed)
    store.release(handed)
    again = take(store)
    assert (again.frame.id, again.frame.deliveries) == ("c", 1)
    assert not store.renew(handed)
    assert store.answer(again, OK, 1.0)
    assert store.wait("c", 0) == OK


@on_redis
def test_a_put_wakes_one_of_many_workers(make: MakeRedis, patient: None) -> None:
    store, workers = make(), [make() for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        takings = [start_taking(pool, each) for each in workers]
        before = calls(store)
        for n in range(5):
            store.put(frame(f"f{n}"))
            wait_until(lambda: sum(each.done() for each in takings) == n + 1)  # noqa: B023
        # Each put, what it looks at, and the one that comes; each once more where it listens late.
        assert calls(store) - before <= 5 * 4
    leases = [result_of(each) for each in takings]
    assert sorted(each.frame.id for each in leases) == [f"f{n}" for n in range(5)]


@on_redis
def test_a_put_wakes_a_worker_that_others_may_join_where_none_is_idle(
    make: MakeRedis, patient: None
) -> None:
    store, busy, idle = make(), make(), make()
    with ThreadPoolExecutor(2) as pool:
        joining = pool.submit(busy.take, CPU, (), TIMEOUT, "checkpoint a")
        wait_until(lambda: store.server.client.zcard("easel:joining"))
        resting = start_taking(pool, idle)
        for name in "ab":
            store.put(frame(name, tags={JOIN_TAG: "checkpoint a"}))
        leases = [result_of(resting), result_of(joining)]
    assert [each.frame.id for each in leases if each] == ["a", "b"]


def calls(store: RedisStore) -> int:
    """Acts that the server has run."""
    return int(store.server.client.info("commandstats")["cmdstat_evalsha"]["calls"])


@on_redis
def test_a_worker_that_has_the_checkpoint_is_chosen(make: MakeRedis) -> None:
    store = make()
    for token, loaded in (("cold", ()), ("warm", ("b", "a")), ("last", ("b",))):
        assert wait_idly(store, token, *loaded)[1] == 0
    store.put(frame("one", checkpoint="a"))
    assert wait_idly(store, "warm")[1][0] == b"one"
    store.put(frame("two", checkpoint="a"))
    assert wait_idly(store, "last")[1][0] == b"two"


@on_redis
def test_a_worker_that_dies_waiting_costs_a_moment_and_no_delivery(make: MakeRedis) -> None:
    clock = Clock()
    store = make(clock=clock, max_delivery=1)
    wait_idly(store, "dead")
    store.put(frame("a"))
    assert store.depth().running == 1
    assert store.take(OTHER, (), 0) is None
    clock.skip(redis_queue.OFFER_SECONDS + 0.1)
    lease = take(store)
    assert (lease.frame.id, lease.frame.deliveries) == ("a", 1)
    assert store.run("wait_for_work", token="dead", facts="{}", seconds=1.5)[1] == 0  # too late
    assert store.answer(lease, OK, 1.0)


@on_redis
def test_what_a_dead_worker_did_not_come_for_is_given_back_when_its_death_is_known(
    make: MakeRedis,
) -> None:
    store = make(max_delivery=1)
    for token in ("dead", "dead too"):
        wait_idly(store, token)
    store.put(frame("a"))
    assert store.release_worker(CPU) == 1
    assert take(store).frame.deliveries == 1
    store.put(frame("b"))  # nobody waits any more
    assert store.depth().waiting == 1


@on_redis
def test_who_has_not_said_lately_that_it_waits_is_handed_nothing(make: MakeRedis) -> None:
    clock = Clock()
    store = make(clock=clock)
    wait_idly(store, "gone")
    clock.skip(2)
    store.put(frame("a"))
    assert store.depth().waiting == 1


@on_redis
def test_a_frame_waits_where_another_put_was_quicker(
    make: MakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, choose = make(), redis_queue.choose_idle

    def come_late(*words: Any) -> Any:
        monkeypatch.setattr(redis_queue, "choose_idle", choose)
        store.put(frame("quicker"))
        return choose(*words)

    monkeypatch.setattr(redis_queue, "choose_idle", come_late)
    wait_idly(store, "one")
    wait_idly(store, "two")
    store.put(frame("a"))
    assert (store.depth().running, take(store).frame.id) == (1, "a")
    assert wait_idly(store, "one")[1] == 0
    assert wait_idly(store, "two")[1][0] == b"quicker"


@on_redis
def test_who_waits_no_more_gets_what_came_in_the_last_moment(make: MakeRedis) -> None:
    store = make()
    wait_idly(store, "leaving")
    store.put(frame("a"))
    assert store.run("stop_waiting", token="leaving")[1][0] == b"a"
    wait_idly(store, "leaving")
    assert store.run("stop_waiting", token="leaving") is None
    store.put(frame("b"))
    assert store.depth().waiting == 1


@pytest.fixture
def own_server() -> Iterator[QueueServer]:
    """A server that the test may kill."""
    with running_server(require_program()) as server:
        yield server


def test_a_frame_in_nobodys_hands_outlives_kill_9_of_the_server(own_server: QueueServer) -> None:
    store = RedisStore(own_server.address, lease_seconds=1.0)
    wait_idly(store, "lost")
    store.put(frame("a"))
    restart(own_server, store)
    lease = store.take(OTHER, (), TIMEOUT)
    assert lease is not None
    assert (lease.frame.id, lease.frame.deliveries) == ("a", 1)
    store.close()


def test_who_has_come_for_a_frame_goes_on_after_kill_9_of_the_server(
    own_server: QueueServer,
) -> None:
    store = RedisStore(own_server.address)
    wait_idly(store, "token")
    store.put(frame("a"))
    begun = Lease(frame("a"), CPU, "token", 0.0)
    assert wait_idly(store, "token")[1][0] == b"a"
    for _ in range(2):
        restart(own_server, store)
        assert store.take(OTHER, (), 0) is None
        assert store.renew(begun)
    assert store.release_worker(CPU) == 1
    assert take(store).frame.deliveries == 2  # what was begun counts
    store.close()


def restart(server: QueueServer, store: RedisStore) -> None:
    server.kill()
    server.start()
    store.server.client.connection_pool.disconnect()


@on_redis
def test_what_may_be_forgotten_waits_for_no_disk(make: MakeRedis) -> None:
    """Who waits, reads, and holds; how far a job is."""
    store = make()
    sink, entrance = store.entries.queue(SINK), store.entries.queue(INPUT)
    sink.put(Entry("r", b"x"))
    entrance.put(Entry("s", b"x"))
    store.put(frame("a"))
    lease = take(store)
    size = log_size(store)
    wait_idly(store, "token")
    store.record_heartbeat(WorkerState(CPU, "working", "", "a", 0.0))
    store.publish_progress("a", Progress("txt2img", 0, 1, 3, 20), b"png")
    (held,) = sink.get(EntryQuery(hold=60.0))
    assert sink.get(EntryQuery()) == []
    sink.let_go([held.index])
    assert store.entries.intake.take_entry() is not None
    assert log_size(store) == size
    assert store.renew(lease)
    assert log_size(store) > size


def log_size(store: RedisStore) -> int:
    return int(store.server.client.info("persistence")["aof_current_size"])


# -- entries, to a reader of the same process -----------------------------------------------------


def start_reading(pool: ThreadPoolExecutor, store: QueueStore, *passed_over: str) -> Any:
    """Waits for an entry in a thread."""
    reading = pool.submit(store.entries.intake.take_entry, passed_over, TIMEOUT)
    if isinstance(store, RedisStore):
        intake = store.entries.intake
        wait_until(lambda: intake._waiting)
    return reading


def test_an_entry_is_handed_to_a_reader_that_waits_and_to_no_other(make: Make) -> None:
    store, other = make(), make()
    entrance = store.entries.queue(INPUT)
    with ThreadPoolExecutor(1) as pool:
        reading = start_reading(pool, store)
        index = entrance.put(Entry("r", b"data", {"mine": "1"}, path="x", owner="ann"))
        entry = result_of(reading)
    assert entry is not None
    assert (entry.index, entry.data, entry.path, entry.owner) == (index, b"data", "x", "ann")
    assert dict(entry.tags) == {"mine": "1", "requestId": "r"}
    assert entry.put_at > 0
    assert other.entries.intake.take_entry() is None
    store.entries.intake.give_back_entry("r", 0.0)
    assert other.entries.intake.take_entry() is not None


@on_redis
def test_an_entry_behind_others_is_read_in_its_turn(make: MakeRedis) -> None:
    store, other = make(), make()
    with ThreadPoolExecutor(1) as pool:
        reading = start_reading(pool, store, "busy")
        other.entries.queue(INPUT).put(Entry("first", b"", owner="busy"))
        store.entries.queue(INPUT).put(Entry("second", b"", owner="ann"))
        entry = result_of(reading)
    assert entry is not None
    assert entry.request_id == "second"
    again = store.entries.intake.take_entry()
    assert again is not None
    assert again.request_id == "first"


@on_redis
def test_an_entry_whose_put_was_not_answered_is_read_at_once(
    make: MakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    run = store.server.run

    def lose_reply(act: str, *words: Any, **arguments: Any) -> Any:
        reply = run(act, *words, **arguments)
        if act == "entry_put":
            raise StoreUnavailable("away")
        return reply

    with ThreadPoolExecutor(1) as pool:
        reading = start_reading(pool, store)
        monkeypatch.setattr(store.server, "run", lose_reply)
        with pytest.raises(StoreUnavailable):
            store.entries.queue(INPUT).put(Entry("r", b""))
        monkeypatch.setattr(store.server, "run", run)
        entry = store.entries.intake.take_entry()
        assert entry is not None
        assert entry.request_id == "r"
        store.entries.queue(INPUT).put(Entry("s", b""))
        assert result_of(reading).request_id == "s"


def hold_back(store: QueueStore) -> Lease:
    """The lease of a frame beside which another of its owner's may not run."""
    for name in "ab":
        store.put(frame(name, owner="ann", sharing=Sharing(most_running=1)))
    return take(store)


def test_an_answer_that_makes_room_wakes_a_worker_at_once(
    make: Make, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, worker, looks = make(), make(), list[object]()
    taken, kind = hold_back(store), type(store)
    look = getattr(kind, "_take_best")  # noqa: B009

    def noting(self: QueueStore, *words: Any) -> Lease | None:
        lease: Lease | None = look(self, *words)
        looks.append(lease)
        return lease

    monkeypatch.setattr(kind, "_take_best", noting)
    with ThreadPoolExecutor(1) as pool:
        taking = start_taking(pool, worker)
        wait_until(lambda: looks)
        store.answer(taken, OK, 1.0)
        lease = result_of(taking)
    assert looks[0] is None
    assert lease is not None
    assert lease.frame.id == "b"


@on_redis
def test_one_look_tells_that_a_limit_holds_all_frames_back(
    make: MakeRedis, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, looks = make(), []
    hold_back(store)
    look = RedisStore._look

    def noting(self: RedisStore) -> Any:
        looks.append(self)
        return look(self)

    monkeypatch.setattr(RedisStore, "_look", noting)
    assert store.take(OTHER, (), 0) is None
    assert looks == [store]
