"""What only a server has: it goes and comes back, is full, forgets scripts; and is told plainly."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from generator.request import Progress
from tests.queue_server import QueueServer, require_program, running_server
from tests.wait import TIMEOUT, Clock, result_of, wait_until
from webapp.queues.contracts.entries import (
    INPUT,
    SINK,
    ConsumerName,
    Entry,
    EntryFilter,
    EntryQuery,
    WatchTerms,
)
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.service_notices import ServiceNotice
from webapp.queues.errors import QueueBusy, QueueFull, StoreUnavailable
from webapp.queues.redis import entries as entries_module
from webapp.queues.redis import server as server_module
from webapp.queues.redis.address import BadAddress, check_address, describe_address
from webapp.queues.redis.board import NOTICE_KEY
from webapp.queues.redis.durability import ServerUnfit, check_layout, check_version, find_risks
from webapp.queues.redis.script import FOLDER, Script, script_of
from webapp.queues.redis.store import RedisStore
from webapp.queues.worker_id import WorkerId

OK = Answer(200, b"drawn")
CPU = WorkerId("cpu")
PROGRESS = Progress("scripts_txt2img", 0, 1, 3, 20)
Make = Callable[..., RedisStore]


@pytest.fixture
def engine() -> str:
    """This one alone."""
    return "redis"


@pytest.fixture
def own_server() -> Iterator[QueueServer]:
    """A server that the test may kill."""
    with running_server(require_program()) as server:
        yield server


def frame(name: str, **fields: Any) -> Frame:
    return Frame(**{"id": name, "kind": "generate", "body": name.encode(), **fields})


def test_all_that_was_stored_outlives_kill_9_of_the_server(own_server: QueueServer) -> None:
    store = RedisStore(own_server.address)
    for name in "abc":
        store.put(frame(name))
    store.entries.queue(SINK).put(Entry("r", b"result"))
    held = store.take(CPU, (), 0)
    answered = store.take(CPU, (), 0)
    assert held is not None
    assert answered is not None
    store.answer(answered, OK, 1.0)
    own_server.kill()
    with pytest.raises(StoreUnavailable, match=r"cannot be used now.*in a moment"):
        store.put(frame("d"))
    own_server.start()
    assert store.renew(held)  # the same connections, anew
    assert [each.id for each in store.list_frames()] == ["a", "c"]
    assert store.wait("b", 0) == OK
    assert store.entries.queue(SINK).get(EntryQuery())[0].data == b"result"
    store.close()


def test_who_waits_is_woken_after_the_server_came_back(own_server: QueueServer) -> None:
    store, other = RedisStore(own_server.address), RedisStore(own_server.address)
    store.put(frame("a"))
    with ThreadPoolExecutor(1) as pool:
        watch = pool.submit(other.entries.intake.take_entry, (), 60.0)
        wait_until(lambda: other.notifier.subscribers)
        own_server.kill()
        with pytest.raises(StoreUnavailable):  # a look that found no server; the caller's to repeat
            result_of(watch)
        own_server.start()
        waiting = pool.submit(other.wait, "a", 60.0)
        wait_until(lambda: other.notifier.subscribers)
        lease = store.take(CPU, (), 0)
        assert lease is not None
        assert store.answer(lease, OK, 1.0)
        assert result_of(waiting) == OK
    store.close()
    other.close()


def test_a_server_that_stands_still_is_not_waited_for_by_all(
    own_server: QueueServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "ANSWER_SECONDS", 0.3)
    store = RedisStore(own_server.address)
    process = own_server.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable):
            store.depth()
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            store.put(frame("a"))
    finally:
        process.send_signal(signal.SIGCONT)
    wait_until(lambda: works(store))
    store.close()


@pytest.mark.parametrize("when", ["before it tells its time", "after it"])
def test_an_entry_that_the_server_reads_too_late_is_not_stored(
    own_server: QueueServer, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Its client has given up by then, and sends it again."""
    monkeypatch.setattr(entries_module, "PATIENCE_SECONDS", 0.2)
    store, process = RedisStore(own_server.address), own_server.process
    assert process is not None
    sink, now, stopped = store.entries.queue(SINK), store.server.now, threading.Event()

    def tell_time_and_stop() -> float:
        told = now() if when == "after it" else 0.0
        process.send_signal(signal.SIGSTOP)
        stopped.set()
        return told or now()

    monkeypatch.setattr(store.server, "now", tell_time_and_stop)
    with ThreadPoolExecutor(1) as pool:
        putting = pool.submit(sink.put, Entry("late", b""))
        assert stopped.wait(TIMEOUT)
        time.sleep(0.5)
        process.send_signal(signal.SIGCONT)
        with pytest.raises(QueueBusy, match="not stored"):
            result_of(putting)
    monkeypatch.setattr(store.server, "now", now)
    assert sink.count(EntryFilter()) == 0
    assert sink.put(Entry("again", b"")) == 1
    store.close()


def works(store: RedisStore) -> bool:
    try:
        return store.depth().waiting == 0
    except StoreUnavailable:
        return False


def test_a_full_server_refuses_what_is_new_and_gives_out_what_it_has(make: Make) -> None:
    store = make()
    store.put(frame("a"))
    lease = store.take(CPU, (), 0)
    assert lease is not None
    client = store.server.client
    client.config_set("maxmemory", 1)
    try:
        for refused in (
            lambda: store.put(frame("b")),
            lambda: store.entries.queue(INPUT).put(Entry("r", b"x")),
        ):
            with pytest.raises(QueueFull, match="memory"):
                refused()
        assert [each.id for each in store.list_frames()] == ["a"]
        assert store.entries.queue(INPUT).count(EntryFilter()) == 0
        assert store.answer(lease, OK, 1.0)
        assert store.wait("a", 0) == OK
        store.delete_answer("a")
    finally:
        client.config_set("maxmemory", 0)
    assert store.put(frame("b")) == 2


def test_nothing_is_left_of_frames_that_are_gone(make: Make) -> None:
    """But their answers' indexes, counters and the pace, which are bounded otherwise."""
    store = make()
    for name in "abcd":
        store.put(frame(name, owner=name, tags={"task": name}))
    assert store.cancel("a")
    assert store.answer_waiting("b", OK)
    for _ in "cd":
        lease = store.take(CPU, (), 0)
        assert lease is not None
        store.publish_progress(lease.frame.id, PROGRESS, b"png")
        store.answer(lease, OK, 1.0)
    for name in "bcd":
        store.delete_answer(name)
    store.remove_charges([each.key for each in store.read_charges(10)])
    left = {key.decode().split(":")[1] for key in store.server.client.scan_iter("easel:*")}
    kept = {"frames", "frame_index", "answer_index", "paces", "paces_learned", "counters"}
    kept |= {"charges", "layout", "counter_names", "turns", "turns_version", "rounds", "tagged"}
    assert left == kept


@pytest.mark.parametrize("text", ['{"later": 1}', "[]", '{"data_id": "a", "version": "1"}'])
def test_a_notice_of_a_later_easel_has_no_version_known_here(make: Make, text: str) -> None:
    store = make()
    store.server.client.set(NOTICE_KEY, text)
    assert store.read_notice() == ServiceNotice("", "", 0.0)


def test_a_notice_is_forgotten_in_time(make: Make) -> None:
    store = make(answer_seconds=60)
    store.publish_notice(ServiceNotice("a", "1", 5.0))
    assert 0 < store.server.client.ttl(NOTICE_KEY) <= 60


def test_nothing_is_left_of_entries_that_are_gone(make: Make) -> None:
    sink = make().entries.queue(SINK)
    for n in range(3):
        sink.put(Entry(f"r{n}", b"x", {"n": str(n)}, owner="ann"))
    indexes = [each.index for each in sink.get(EntryQuery(length=9, hold=60.0))]
    sink.commit("eas", indexes[:1])
    sink.delete(indexes)
    client = make().server.client
    assert sorted(client.scan_iter("easel:*")) == [b"easel:entry_index", b"easel:layout"]


def test_the_lag_of_the_stream_is_the_number_of_frames_that_wait(make: Make) -> None:
    """What KEDA scales workers by; see deploy/keda."""
    store = make()
    client = store.server.client

    def figures() -> tuple[int, int, int]:
        (group,) = client.xinfo_groups("easel:frames")
        assert group["name"] == b"easel-workers"
        return client.xlen("easel:frames"), group["pending"], group["lag"]

    for name in "abc":
        store.put(frame(name))
    assert figures() == (3, 0, 3)
    first, second = store.take(CPU, (), 0), store.take(CPU, (), 0)
    assert first is not None
    assert second is not None
    assert figures() == (3, 2, 1)
    store.answer(second, OK, 1.0)
    assert figures() == (2, 1, 1)
    store.release(first)
    assert figures() == (2, 0, 2)
    store.cancel("c")
    assert figures() == (1, 0, 1)


def test_workers_that_choose_at_once_get_different_frames(make: Make) -> None:
    store, count = make(), 40
    for n in range(count):
        store.put(frame(f"f{n}", owner=str(n % 3)))
    with ThreadPoolExecutor(5) as pool:
        leases = list(pool.map(lambda _: store.take(CPU, (), 5.0), range(count)))
    assert len({lease.frame.id for lease in leases if lease is not None}) == count


def test_accounts_and_workers_of_long_ago_are_forgotten(make: Make) -> None:
    clock = Clock()
    store = make(clock=clock, quantum=2.0)
    for owner in ("gone", "ann", "ann", "ann"):
        store.put(frame(f"{owner}{clock()}", owner=owner, work=9.0))
        clock.skip(1)
    while (lease := store.take(CPU, (), 0)) is not None:
        store.answer(lease, Answer(500, b""), 2.0)
    clock.skip(200)
    store.purge()
    assert store.server.client.hkeys("easel:turns:0") == [b"ann"]


def test_what_lies_behind_many_others_is_found(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acts look at some entries at a time, here at three."""
    assert "local CHUNK = 400" in (FOLDER / "1_entries.lua").read_text()

    def by_threes(act: str) -> Script:
        return Script.of(script_of(act).text.replace("local CHUNK = 400", "local CHUNK = 3"))

    monkeypatch.setattr(server_module, "script_of", by_threes)
    store = make()
    sink, entrance = store.entries.queue(SINK), store.entries.queue(INPUT)
    for n in range(10):
        sink.put(Entry(f"r{n}", f"{n}".encode(), {"odd": f"{n % 2}"}, owner="ann" if n else "bob"))
        entrance.put(Entry(f"r{n}", b"", owner="ann" if n < 8 else "bob"))
        store.put(frame(f"r{n}"))
    odd = EntryFilter(tags={"odd": "1"})
    assert [each.data for each in sink.get(EntryQuery(odd, length=9))] == b"1 3 5 7 9".split()
    assert len(sink.get(EntryQuery(EntryFilter("ann"), length=99))) == 9
    (newest,) = sink.get(EntryQuery(EntryFilter("bob"), index=-1))
    assert (newest.data, sink.count(odd), sink.count(odd, 0)) == (b"0", 5, 5)
    last = sink.status().last
    watch = sink.watch(ConsumerName("g", "w"), WatchTerms(odd, window=9))
    assert [each.data for each in watch.take(0)] == b"1 3 5 7 9".split()
    later = sink.watch(ConsumerName("other", "w"), WatchTerms(index=last - 2, window=9))
    assert [each.data for each in later.take(0)] == [b"8", b"9"]
    taken = store.entries.intake.take_entry(("ann",))
    assert taken is not None
    assert taken.request_id == "r8"
    store.put(frame("r8"), {})
    store.cancel("r8")
    store.entries.intake.recover()
    again = store.entries.intake.take_entry(("ann",))
    assert again == taken
    assert len(store.list_frames()) == 9
    assert len(sink.truncate(last)) == 9


# -- what is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("redis://host", "redis://host:6379"),
        ("rediss://ann:pass-word@host:7000/3", "rediss://host:7000"),
        ("redis://:pass-word@[::1]:7000/3?x=pass-word", "redis://[::1]:7000"),
        ("unix://:pass-word@/run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
def test_addresses_are_told_without_their_password(address: str, told: str) -> None:
    check_address(address)
    assert describe_address(address) == told


@pytest.mark.parametrize(
    "address", ["", "host:6379", "http://pass-word@host", "redis://", "redis://host/x", "unix://",
                "redis://host:99999", "redis://[::1"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_telling_it(address: str) -> None:
    with pytest.raises(BadAddress) as refused:
        check_address(address)
    assert "pass-word" not in str(refused.value)


def test_a_wrong_password_is_said_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    server = QueueServer(require_program(), password="right-one")
    try:
        server.start()
        with caplog.at_level(logging.ERROR):
            store = RedisStore(server.address.replace("right", "wrong"))
        with pytest.raises(StoreUnavailable, match="password") as refused:
            store.put(frame("a"))
        store.close()
    finally:
        server.close()
    assert "wrong-one" not in f"{refused.value}{caplog.text}"
    assert "Until then nothing can be queued" in caplog.text


def test_the_server_is_checked_at_start(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    client = make().server.client
    for setting, value, told in (
        ("appendfsync", "everysec", "loses the last second"),
        ("maxmemory-policy", "allkeys-lru", "drops requests that wait"),
        ("appendonly", "no", "keeps no log on disk"),
    ):
        caplog.clear()
        usual = client.config_get(setting)[setting]
        client.config_set(setting, value)
        try:
            make()
        finally:
            client.config_set(setting, usual)
        assert told in caplog.text
        assert "Set " in caplog.text
    caplog.clear()
    wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
    make()
    assert caplog.text == ""


def test_versions_and_settings_that_are_not_told() -> None:
    check_version("s", {"redis_version": "7.2.4"})
    check_version("s", {"redis_version": "10.0.0"})
    with pytest.raises(ServerUnfit, match=r"7\.0 or newer"):
        check_version("s", {"redis_version": "6.2.14"})
    assert find_risks({"aof_enabled": 1}, {"appendfsync": "always"}) == []
    check_layout("s", None)
    check_layout("s", b"1")
    with pytest.raises(ServerUnfit, match="layout 2"):
        check_layout("s", b"2")
    (told,) = find_risks({"aof_enabled": 1}, {})
    assert "does not tell" in told
