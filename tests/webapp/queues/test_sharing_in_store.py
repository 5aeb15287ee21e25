"""Groups and limits of running jobs: what both engines make of the one rule."""

from collections.abc import Callable
from typing import Any

import pytest

from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.sharing import Sharing, count_running, parse_sharing
from webapp.queues.sqlite.database import QueueDatabase
from webapp.queues.worker_id import WorkerId

OK = Answer(200, b"drawn")
CPU = WorkerId("cpu")
ONE = Sharing(most_running=1)
Make = Callable[..., QueueStore]


@pytest.fixture
def store(make: Make) -> QueueStore:
    return make()


def put(store: QueueStore, name: str, owner: str, **fields: Any) -> None:
    store.put(Frame(name, "generate", b"x", owner=owner, **fields))


def take(store: QueueStore) -> Lease:
    lease = store.take(CPU, (), 0)
    assert lease is not None
    return lease


def names_taken(store: QueueStore) -> str:
    """The names of all that may run now, none of which is answered."""
    names = ""
    while (lease := store.take(CPU, (), 0)) is not None:
        names += lease.frame.id
    return names


def test_an_owner_runs_no_more_than_its_limit_and_others_go_on(store: QueueStore) -> None:
    for name in "abc":
        put(store, name, "ann", sharing=Sharing(most_running=2))
    put(store, "x", "bob")
    first = take(store)
    assert first.frame.sharing.most_running == 2
    assert store.may_take()
    assert names_taken(store) in ("bx", "xb")
    assert store.next_checkpoint(()) == ""
    assert not store.may_take()
    store.answer(first, OK, 1.0)
    assert store.may_take()
    assert names_taken(store) == "c"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_worker_that_may_take_nothing_writes_nothing(
    store: QueueStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "a", "ann", sharing=ONE)
    put(store, "b", "ann", sharing=ONE)
    first = take(store)
    with monkeypatch.context() as held_back:
        held_back.setattr(QueueDatabase, "write_transaction", None)
        assert store.take(CPU, (), 0) is None
    store.answer(first, OK, 1.0)
    assert names_taken(store) == "b"


def test_a_group_runs_no_more_than_its_limit(store: QueueStore) -> None:
    studio = Sharing("studio", most_running_of_group=2)
    for name, owner in (("a", "ann"), ("b", "bob"), ("c", "carl"), ("d", "dora")):
        put(store, name, owner, sharing=studio if owner != "dora" else Sharing("lab"))
    assert names_taken(store) == "abd"
    assert store.release_worker(CPU) == 3
    assert len(names_taken(store)) == 3


def test_every_way_out_of_a_lease_makes_room(make: Make) -> None:
    store = make(max_delivery=2)
    for name in "abcd":
        put(store, name, "ann", sharing=ONE)
    released = take(store)
    assert names_taken(store) == ""
    store.release(released)
    answered = take(store)
    store.answer(answered, OK, 1.0)
    died = take(store)
    store.release_worker(CPU)
    again = take(store)
    assert {again.frame.id, died.frame.id} <= set("bcd")
    store.release_worker(CPU)
    assert len(names_taken(store)) == 1


def test_lower_priorities_go_on_while_all_of_the_highest_are_held_back(store: QueueStore) -> None:
    for name in "ab":
        put(store, name, "ann", priority=5, sharing=ONE)
    for name, priority in (("x", 0), ("y", 3), ("z", -1)):
        put(store, name, "bob", priority=priority)
    assert names_taken(store) == "ayxz"


def test_the_newest_frame_of_an_owner_knows_its_limit(store: QueueStore) -> None:
    put(store, "a", "ann", checkpoint="one", sharing=ONE)
    put(store, "b", "ann", checkpoint="two", sharing=Sharing(most_running=2))
    assert names_taken(store) == "ab"


def test_a_groups_weight_is_for_all_its_members_together(make: Make) -> None:
    store = make(quantum=2.0)
    owners = {"ann": Sharing("pair", 1.0), "bob": Sharing("pair", 1.0), "carl": Sharing()}
    for number in range(16):
        for owner, sharing in owners.items():
            put(store, f"{owner}{number}", owner, work=9.0, sharing=sharing)
    taken = [take(store).frame.owner for _ in range(16)]
    assert taken.count("carl") == 8
    assert taken.count("ann") == taken.count("bob") == 4


def test_members_share_their_groups_weight_by_their_own(make: Make) -> None:
    store = make(quantum=2.0)
    for number in range(24):
        put(store, f"a{number}", "ann", work=9.0, weight=3.0, sharing=Sharing("pair", 2.0))
        put(store, f"b{number}", "bob", work=9.0, weight=1.0, sharing=Sharing("pair", 2.0))
        put(store, f"c{number}", "carl", work=9.0, weight=2.0)
    taken = [take(store).frame.owner for _ in range(16)]
    assert [taken.count(owner) for owner in ("ann", "bob", "carl")] == [6, 2, 8]


def test_what_is_listed_tells_the_sharing(store: QueueStore) -> None:
    sharing = Sharing("studio ü", 0.5, 3, 7)
    put(store, "a", "ann", sharing=sharing)
    put(store, "b", "ann")
    assert [each.sharing for each in store.list_frames()] == [sharing, Sharing()]
    waiting = store.read_waiting_frame("a")
    assert waiting is not None
    assert waiting.sharing == sharing


def test_the_text_of_a_sharing_is_read_again_also_by_other_versions() -> None:
    sharing = Sharing("studio", 2.5, 1, 4)
    assert parse_sharing(sharing.to_text()) == sharing
    assert Sharing().to_text() == ""
    assert parse_sharing("") == Sharing()
    assert parse_sharing('{"group":"g","colour":"red"}') == Sharing("g")


def test_running_jobs_are_counted_by_owner_and_group() -> None:
    running = count_running([("ann", Sharing("g")), ("bob", Sharing("g")), ("ann", Sharing())])
    assert running.and_one("bob", "g").of_group == {"g": 3}
    assert not running.fill("ann", Sharing())
    assert running.fill("ann", Sharing(most_running=2))
    assert running.fill("carl", Sharing("g", most_running_of_group=2))
    assert not running.fill("carl", Sharing("h", most_running_of_group=1))
