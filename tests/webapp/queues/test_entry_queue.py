"""What every engine of entry queues promises; see ``webapp/queues/contracts/entries.py``."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests.wait import Clock, result_of, wait_until
from webapp.queues import entry_terms
from webapp.queues.contracts.entries import (
    INPUT,
    REAR,
    SINK,
    ConsumerName,
    Entry,
    EntryFilter,
    EntryPosition,
    EntryQuery,
    EntryQueue,
    EntryQueueClosed,
    EntryQueueFull,
    EntryShareFull,
    Watch,
    WatchEnded,
    WatchTerms,
    name_group,
)
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.errors import TooManyGroups
from webapp.queues.worker_id import WorkerId

MAX_ENTRIES, MAX_DELIVERY = 40, 3
AUTO, MANUAL = WatchTerms(auto_commit=True), WatchTerms(window=2)
LONG = 60.0  # seconds: longer than any consumer is waited for


@pytest.fixture
def make(open_store: Callable[..., QueueStore]) -> Iterator[Callable[..., QueueStore]]:
    """Opens the one store of this test, as often as it likes."""
    opened: list[QueueStore] = []

    def open_it(**options: Any) -> QueueStore:
        limits = {"max_entries": MAX_ENTRIES, "max_delivery": MAX_DELIVERY}
        opened.append(open_store(**limits, **options))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def clock() -> Clock:
    """The store's clock."""
    return Clock()


@pytest.fixture
def store(make: Callable[..., QueueStore], clock: Clock) -> QueueStore:
    """A store whose clock stands still."""
    return make(clock=clock)


@pytest.fixture
def sink(store: QueueStore) -> EntryQueue:
    """A queue that nobody works off."""
    return store.entries.queue(SINK)


def entry(name: str, **fields: Any) -> Entry:
    """An entry whose request id and data are its name."""
    return Entry(name, name.encode(), **fields)


def put(queue: EntryQueue, names: str, **fields: Any) -> list[int]:
    """Put an entry for each letter; their indexes."""
    return [queue.put(entry(name, **fields)) for name in names]


def names(entries: Sequence[Entry]) -> str:
    """The data of entries."""
    return b"".join(each.data for each in entries).decode()


def drain(watch: Watch) -> str:
    """Everything that comes at once, confirmed as sent."""
    seen = ""
    while entries := watch.take(0):
        watch.confirm([each.index for each in entries])
        seen += names(entries)
    return seen


def consumer(name: str, group: str = "eas") -> ConsumerName:
    """A consumer of a group."""
    return ConsumerName(group, name)


def test_indexes_grow_from_one_and_entries_bear_their_request_id(sink: EntryQueue) -> None:
    first, second = put(sink, "ab", tags={"task_id": "job", "requestId": "not this"})
    assert 0 < first < second
    (found,) = sink.get(EntryQuery(EntryFilter(tags={"requestId": "b"})))
    assert (found.index, found.data) == (second, b"b")
    assert dict(found.tags) == {"task_id": "job", "requestId": "b"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "a"),
        ({"length": 2}, "ab"),
        ({"length": 9}, "abc"),
        ({"index": -1, "length": 9}, "c"),
        ({"filter": EntryFilter(tags={"kind": "x"}), "length": 9}, "b"),
        ({"filter": EntryFilter(tags={"kind": "x", "odd'\"$": "1"})}, "b"),
        ({"filter": EntryFilter(tags={"kind": "y"})}, ""),
        ({"filter": EntryFilter("ann"), "length": 9}, "b"),
        ({"filter": EntryFilter("bob"), "length": 9}, ""),
    ],
)
def test_get_finds_by_index_tags_and_owner(
    sink: EntryQueue, query: dict[str, Any], found: str
) -> None:
    put(sink, "a")
    put(sink, "b", tags={"kind": "x", "odd'\"$": "1"}, owner="ann")
    put(sink, "c")
    assert names(sink.get(EntryQuery(**query))) == found


def test_get_by_index_begins_there(sink: EntryQueue) -> None:
    indexes = put(sink, "abc")
    assert names(sink.get(EntryQuery(index=indexes[1]))) == "b"
    sink.delete(indexes[1:2])
    assert names(sink.get(EntryQuery(index=indexes[1]))) == "c"


def test_what_one_get_holds_no_other_gets_until_it_is_let_go(
    sink: EntryQueue, clock: Clock
) -> None:
    put(sink, "ab")
    held = sink.get(EntryQuery(hold=10.0))
    assert (names(held), names(sink.get(EntryQuery(length=9, hold=10.0)))) == ("a", "b")
    assert sink.count(EntryFilter()) == 0
    sink.let_go([held[0].index])
    assert names(sink.get(EntryQuery(length=9))) == "a"
    clock.skip(11)
    assert names(sink.get(EntryQuery(length=9))) == "ab"


def test_get_waits_for_what_comes(make: Callable[..., QueueStore]) -> None:
    reader, writer = make().entries.queue(SINK), make().entries.queue(SINK)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(reader.get, EntryQuery(EntryFilter(tags={"n": "1"})), 60.0)
        put(writer, "a")
        put(writer, "b", tags={"n": "1"})
        assert names(result_of(waiting)) == "b"
    assert reader.get(EntryQuery(EntryFilter(tags={"n": "2"})), 0.01) == []


def test_get_that_waits_gets_what_another_lets_go(make: Callable[..., QueueStore]) -> None:
    sink = make().entries.queue(SINK)
    put(sink, "a")
    (held,) = sink.get(EntryQuery(hold=3600.0))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sink.get, EntryQuery(), 60.0)
        sink.let_go([held.index])
        assert names(result_of(waiting)) == "a"


def test_delete_and_truncate_touch_their_owner_s_alone(sink: EntryQueue) -> None:
    a, b, c = put(sink, "a", owner="ann") + put(sink, "b", owner="bob") + put(sink, "c")
    assert sink.delete([a, b, 99], "bob") == ["b"]
    assert sink.truncate(c + 1, "ann") == ["a"]
    put(sink, "d")
    assert sink.truncate(c) == []
    assert sink.truncate(c + 1) == ["c"]
    assert names(sink.get(EntryQuery(length=9))) == "d"


def test_full_queue_and_full_sink_refuse_without_a_side_effect(store: QueueStore) -> None:
    sink, entrance = store.entries.queue(SINK), store.entries.queue(INPUT)
    for n in range(MAX_ENTRIES):
        sink.put(entry(f"{n}"))
    for queue in (sink, entrance):
        with pytest.raises(EntryQueueFull, match=SINK):
            queue.put(entry("more"))
    assert (sink.count(EntryFilter()), entrance.count(EntryFilter())) == (MAX_ENTRIES, 0)
    sink.delete([sink.status().first])
    assert entrance.put(entry("now"))


def test_one_owner_fills_neither_the_input_nor_the_sink_for_others(store: QueueStore) -> None:
    sink, entrance = store.entries.queue(SINK), store.entries.queue(INPUT)
    for n in range(3):
        entrance.put(entry(f"i{n}", owner="ann"), 3)
    with pytest.raises(EntryShareFull) as refused:
        entrance.put(entry("more", owner="ann"), 3)
    assert (refused.value.queue, refused.value.count) == (INPUT, 3)
    assert entrance.put(entry("b", owner="bob"), 3)
    assert entrance.put(entry("owner's"))
    for _ in range(2):  # unread results close the input, too
        done = store.entries.intake.take_entry()
        assert done is not None
        store.entries.intake.finish_entry(done.request_id, 200, b"drawn")
    assert entrance.put(entry("i3", owner="ann"), 3)
    sink.put(entry("s", owner="ann"), 3)
    with pytest.raises(EntryShareFull, match=SINK):
        entrance.put(entry("i4", owner="ann"), 3)
    assert (sink.count(EntryFilter("ann")), entrance.count(EntryFilter("ann"))) == (3, 2)
    sink.delete([sink.status("ann").first])
    assert entrance.put(entry("i4", owner="ann"), 3)


def test_dead_letters_no_longer_count_for_their_owner(store: QueueStore) -> None:
    sink = store.entries.queue(SINK)
    index = sink.put(entry("a", owner="ann"), 1)
    for _ in range(MAX_DELIVERY):
        watch = sink.watch(consumer("w"), MANUAL)
        watch.confirm([each.index for each in watch.take(0)])
        sink.reject(consumer("w"), [index], "Failed", "")
    sink.watch(consumer("w"), MANUAL).take(0)
    assert store.entries.queue(SINK + REAR).count(EntryFilter("ann")) == 1
    assert sink.put(entry("b", owner="ann"), 1)


@pytest.mark.parametrize("notes", ["watch", "commit"])
def test_a_group_too_many_is_refused_and_changes_nothing(
    store: QueueStore, monkeypatch: pytest.MonkeyPatch, notes: str
) -> None:
    monkeypatch.setattr(entry_terms, "MAX_GROUPS", 4)
    monkeypatch.setattr(entry_terms, "MAX_OWN_GROUPS", 2)
    sink = store.entries.queue(SINK)
    (index,) = put(sink, "a", owner="ann")
    sink.watch(ConsumerName("first", "w"), MANUAL)  # waits for the entry: notes of others stay

    def come(group: str, owner: str | None = None) -> None:
        if notes == "watch":
            terms = replace(MANUAL, filter=EntryFilter(owner))
            sink.watch(ConsumerName(name_group(owner, group), "w"), terms)
        else:
            sink.commit(name_group(owner, group), [index], owner)

    for group in "aabb":
        come(group, "ann")
    with pytest.raises(TooManyGroups, match="You have 2 groups here"):
        come("c", "ann")
    come("owners")
    with pytest.raises(TooManyGroups, match="This queue has 4 groups"):
        come("more")
    with pytest.raises(TooManyGroups, match="This queue has 4 groups"):
        come("a", "bob")
    come("a", "ann")
    assert sink.commit("first", [index]) == ([] if notes == "watch" else ["a"])
    assert sink.count(EntryFilter()) == (1 if notes == "watch" else 0)


def test_closed_queue_takes_nothing_and_ends_watches_when_it_is_empty(sink: EntryQueue) -> None:
    put(sink, "a")
    watch = sink.watch(consumer("w"), AUTO)
    sink.set_closed(True)
    with pytest.raises(EntryQueueClosed):
        sink.put(entry("b"))
    entries = watch.take(0)
    assert names(entries) == "a"
    watch.confirm([entries[0].index])
    with pytest.raises(WatchEnded):
        watch.take(60.0)
    sink.set_closed(False)
    assert put(sink, "c")


def test_counts_and_figures(sink: EntryQueue) -> None:
    assert (sink.status().length, sink.status().first, sink.status().last) == (0, 0, 0)
    put(sink, "ab", owner="ann", tags={"k": "v"})
    indexes = put(sink, "c", priority=2)
    status = sink.status()
    assert (status.length, status.last, status.closed) == (3, indexes[0], False)
    assert sink.status("ann").length == 2
    assert sink.count(EntryFilter(tags={"k": "v"})) == 2
    assert (sink.count(EntryFilter(), 2), sink.count(EntryFilter(), 0)) == (1, 2)


def test_priority_goes_first_in_a_watch_and_in_the_search(sink: EntryQueue) -> None:
    a, _, urgent = put(sink, "ab") + put(sink, "u", priority=1)
    assert sink.search(a) == EntryPosition(is_pending=False, ahead=1)
    assert sink.search(urgent) == EntryPosition(is_pending=False, ahead=0)
    assert sink.search(999) is None
    assert sink.search(a, "somebody") is None
    watch = sink.watch(consumer("w"), WatchTerms(window=1))
    assert names(watch.take(0)) == "u"
    assert sink.search(urgent) == EntryPosition(is_pending=True, ahead=0)
    assert sink.search(a) == EntryPosition(is_pending=False, ahead=0)


def test_watch_that_commits_by_itself_gets_all_in_order_and_leaves_nothing(
    sink: EntryQueue,
) -> None:
    put(sink, "abcdefghij")
    assert drain(sink.watch(consumer("w"), AUTO)) == "abcdefghij"
    assert sink.status().length == 0


@pytest.mark.parametrize(("terms", "rest"), [(AUTO, "bc"), (WatchTerms(window=9), "bc")])
def test_what_was_taken_and_not_sent_goes_to_others_at_once(
    sink: EntryQueue, terms: WatchTerms, rest: str
) -> None:
    put(sink, "abc")
    watch = sink.watch(consumer("w"), terms)
    watch.confirm([watch.take(0)[0].index])
    watch.leave()
    assert drain(sink.watch(consumer("other"), AUTO)) == rest


def test_window_limits_what_is_uncommitted_and_commits_give_credit(sink: EntryQueue) -> None:
    indexes = put(sink, "abcd")
    watch = sink.watch(consumer("w"), MANUAL)
    assert (names(watch.take(0)), names(watch.take(0))) == ("ab", "")
    assert sink.commit("eas", indexes[:1]) == ["a"]
    assert names(watch.take(0)) == "c"
    assert sink.commit("eas", indexes[:3]) == ["b", "c"]
    assert names(watch.take(0)) == "d"
    assert sink.status().consumers[0].pending == 1


def test_commit_wakes_a_watch_whose_window_was_full(make: Callable[..., QueueStore]) -> None:
    sink = make().entries.queue(SINK)
    indexes = put(sink, "ab")
    watch = sink.watch(consumer("w"), WatchTerms(window=1))
    watch.take(0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(watch.take, 60.0)
        sink.commit("eas", indexes[:1])
        assert names(result_of(waiting)) == "b"


def test_consumers_of_a_group_share_and_groups_get_all(sink: EntryQueue) -> None:
    indexes = put(sink, "abcd")
    one, two = (sink.watch(consumer(name), MANUAL) for name in ("one", "two"))
    other = sink.watch(consumer("one", "others"), AUTO)
    assert names(one.take(0)) + names(two.take(0)) == "abcd"
    assert sink.commit("eas", indexes) == []  # the other group has not had them
    assert drain(other) == "abcd"
    assert sink.status().length == 0


def test_group_waits_for_no_entry_that_its_filter_leaves_out(sink: EntryQueue) -> None:
    sink.watch(consumer("f", "filtered"), WatchTerms(EntryFilter(tags={"k": "v"})))
    sink.watch(consumer("l", "later"), WatchTerms(index=-1))
    before = put(sink, "a", tags={"k": "v"})
    sink.watch(consumer("n", "newest"), WatchTerms(index=-1))
    after = put(sink, "b")
    assert sink.commit("filtered", before) == []
    assert sink.commit("later", [*before, *after]) == ["a"]
    assert sink.commit("newest", after) == ["b"]


def test_watch_of_the_newest_leaves_out_what_was_there(sink: EntryQueue) -> None:
    put(sink, "ab")
    watch = sink.watch(consumer("w"), WatchTerms(index=-1, auto_commit=True))
    put(sink, "c")
    assert drain(watch) == "c"


def test_watch_by_tags_owner_index_and_without_data(sink: EntryQueue) -> None:
    put(sink, "a", tags={"k": "v"}, owner="ann")
    (start,) = put(sink, "b", tags={"k": "w"}, owner="ann")
    put(sink, "c", owner="bob")
    terms = {"t": EntryFilter(tags={"k": "w"}), "o": EntryFilter("bob")}
    for group, wanted in terms.items():
        watch = sink.watch(consumer("w", group), WatchTerms(wanted, window=9))
        assert names(watch.take(0)) == {"t": "b", "o": "c"}[group]
    later = sink.watch(consumer("w", "later"), WatchTerms(index=start, window=9, index_only=True))
    assert [(each.index, each.data) for each in later.take(0)] == [(start, b""), (start + 1, b"")]


def test_consumer_that_comes_back_gets_again_what_it_had(sink: EntryQueue) -> None:
    put(sink, "abc")
    first = sink.watch(consumer("w"), MANUAL)
    first.take(0)
    again = sink.watch(consumer("w"), MANUAL)
    assert names(again.take(0)) == "ab"
    with pytest.raises(WatchEnded):
        first.take(0)
    first.leave()  # of the old connection: the new one goes on
    assert sink.status().consumers[0].state == "Running"


def test_others_get_what_a_consumer_had_that_stays_away(sink: EntryQueue, clock: Clock) -> None:
    put(sink, "abc")
    gone = sink.watch(consumer("gone"), MANUAL)
    gone.confirm([each.index for each in gone.take(0)])
    stays = sink.watch(consumer("stays"), WatchTerms(window=9))
    assert names(stays.take(0)) == "c"
    gone.leave()
    assert (names(stays.take(0)), sink.status().consumers[0].state) == ("", "Leaving")
    clock.skip(LONG)
    assert names(stays.take(0)) == "ab"


def test_others_get_what_a_consumer_had_whose_process_died(sink: EntryQueue, clock: Clock) -> None:
    put(sink, "ab")
    sink.watch(consumer("dead"), MANUAL).take(0)
    clock.skip(LONG)
    assert sink.status().consumers[0].state == "Exit"
    assert names(sink.watch(consumer("heir"), MANUAL).take(0)) == "ab"


def test_negative_commit_delivers_again_and_at_last_to_the_rear(store: QueueStore) -> None:
    sink = store.entries.queue(SINK)
    (index,) = put(sink, "a", tags={"task_id": "t"})
    watch = sink.watch(consumer("w"), MANUAL)
    for _ in range(MAX_DELIVERY):
        assert names(watch.take(0)) == "a"
        sink.reject(consumer("w"), [index], "Busy", "no room")
    assert watch.take(0) == []
    (dead,) = store.entries.queue(SINK + REAR).get(EntryQuery())
    assert (dead.data, dead.tags["task_id"]) == (b"a", "t")
    assert "3 times" in dead.message
    assert "Busy: no room" in dead.message
    assert sink.status().length == 0


def test_consumer_that_shuts_down_gets_no_more(sink: EntryQueue) -> None:
    indexes = put(sink, "abc")
    ending = sink.watch(consumer("ending"), MANUAL)
    ending.take(0)
    sink.reject(consumer("ending"), indexes[:1], "Shutdown", "")
    assert ending.take(0) == []
    assert names(sink.watch(consumer("other"), WatchTerms(window=9)).take(0)) == "abc"


def test_entries_taken_into_the_queue_once_and_answered_into_the_sink(
    store: QueueStore, clock: Clock
) -> None:
    entrance, intake = store.entries.queue(INPUT), store.entries.intake
    entrance.put(entry("r", path="sdapi/v1/txt2img", tags={"mine": "1"}, owner="ann", scope="user"))
    taken = intake.take_entry()
    assert taken is not None
    assert (taken.path, taken.owner, taken.scope) == ("sdapi/v1/txt2img", "ann", "user")
    assert intake.take_entry() is None
    frame = Frame("r", "generate", b"", tags={"requestId": "r"})
    store.put(frame, {"task_id": "t", "mine": "2"})
    clock.skip(600)
    assert intake.take_entry() is None  # the frame stands for it
    lease = store.take(WorkerId("cpu"), (), 0)
    assert lease is not None
    assert store.answer(lease, Answer(422, b"no"), 1.0)
    assert entrance.status().length == 0
    (result,) = store.entries.queue(SINK).get(EntryQuery())
    assert (result.request_id, result.data, result.owner) == ("r", b"no", "ann")
    expected = {"requestId": "r", "task_id": "t", "mine": "1", "lastCode": "422"}
    assert dict(result.tags) == expected
    assert store.wait("r", 0) is None  # nobody waits for it here


def test_answer_of_an_entry_that_was_deleted_stays_out_of_the_sink(store: QueueStore) -> None:
    entrance = store.entries.queue(INPUT)
    index = entrance.put(entry("r"))
    store.put(Frame("r", "generate", b""))
    lease = store.take(WorkerId("cpu"), (), 0)
    assert lease is not None
    entrance.delete([index])
    store.answer(lease, Answer(200, b"drawn"), 1.0)
    assert store.entries.queue(SINK).status().length == 0


def test_entry_whose_reader_dies_is_taken_again_and_at_last_a_dead_letter(
    store: QueueStore, clock: Clock
) -> None:
    store.entries.queue(INPUT).put(entry("r"))
    for _ in range(MAX_DELIVERY):
        assert store.entries.intake.take_entry() is not None
        clock.skip(600)
    assert store.entries.intake.take_entry() is None
    (dead,) = store.entries.queue(INPUT + REAR).get(EntryQuery())
    assert dead.data == b"r"
    assert f"{MAX_DELIVERY} times" in dead.message
    assert store.entries.queue(SINK).get(EntryQuery())[0].tags["lastCode"] == "500"


def test_frame_that_kills_its_workers_is_a_dead_letter_and_a_failure(store: QueueStore) -> None:
    store.entries.queue(INPUT).put(entry("r"))
    store.entries.intake.take_entry()
    store.put(Frame("r", "generate", b""), {})
    for n in range(MAX_DELIVERY):
        assert store.take(WorkerId(f"w{n}"), (), 0) is not None
        store.release_worker(WorkerId(f"w{n}"), "was killed by SIGSEGV")
    (dead,) = store.entries.queue(INPUT + REAR).get(EntryQuery())
    assert "SIGSEGV" in dead.message
    assert dead.data == b"r"
    assert store.entries.queue(SINK).get(EntryQuery())[0].tags["lastCode"] == "500"


def test_entry_without_room_in_the_queue_waits_and_holds_up_nobody(
    store: QueueStore, clock: Clock
) -> None:
    entrance, intake = store.entries.queue(INPUT), store.entries.intake
    put(entrance, "ab", owner="ann")
    put(entrance, "c", owner="bob")
    assert intake.take_entry() is not None
    intake.give_back_entry("a", 5.0)
    taken = intake.take_entry(passed_over=("ann",))
    assert taken is not None
    assert taken.request_id == "c"
    clock.skip(6)
    again = intake.take_entry()
    assert again is not None
    assert again.request_id == "a"


def test_results_that_are_made_at_once(store: QueueStore) -> None:
    put(store.entries.queue(INPUT), "ab")
    assert store.entries.intake.finish_entry("a", 404, b"where?")
    assert store.entries.intake.finish_entry("b", 200, b"")  # delivered elsewhere
    assert not store.entries.intake.finish_entry("a", 200, b"twice")
    results = store.entries.queue(SINK).get(EntryQuery(length=9))
    assert [(each.request_id, each.tags.get("lastCode")) for each in results] == [("a", "404")]


def test_recovery_takes_what_has_no_frame(store: QueueStore) -> None:
    put(store.entries.queue(INPUT), "abc")
    for name in "abc":
        store.entries.intake.take_entry()
        if name != "c":
            store.put(Frame(name, "generate", b""), {})
    assert store.cancel("b")
    store.entries.intake.recover()
    taken = [store.entries.intake.take_entry() for _ in range(3)]
    assert [each and each.request_id for each in taken] == ["b", "c", None]


def test_many_putters_and_watchers_lose_and_double_nothing(
    make: Callable[..., QueueStore],
) -> None:
    total, seen = 30, []
    sink = make().entries.queue(SINK)
    watches = [sink.watch(consumer(f"w{n}"), terms) for n, terms in enumerate((AUTO, MANUAL))]

    def consume(watch: Watch) -> None:
        while len(seen) < total:
            for each in watch.take(0.05):
                seen.append(each.request_id)
                sink.commit("eas", [each.index])

    with ThreadPoolExecutor(6) as pool:
        for watch in watches:
            pool.submit(consume, watch)
        list(pool.map(lambda n: sink.put(entry(f"r{n}")), range(total)))
        wait_until(lambda: len(seen) >= total)
    assert sorted(seen) == sorted(f"r{n}" for n in range(total))
    assert sink.status().length == 0


def test_consumers_that_left_are_listed_for_a_while_and_groups_wait_longer(
    sink: EntryQueue, clock: Clock
) -> None:
    indexes = put(sink, "a")
    for name in ("one", "two"):
        sink.watch(consumer(name, "gone"), AUTO).leave()
        clock.skip(LONG * 2)
    sink.watch(consumer("here"), AUTO)
    assert [each.name.name for each in sink.status().consumers] == ["here", "two"]
    assert sink.commit("eas", indexes) == []  # "gone" may come back
    clock.skip(LONG * LONG * 2)
    sink.watch(consumer("here"), AUTO)
    assert sink.status().length == 0
