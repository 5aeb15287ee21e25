"""What a store knows for the match rule: costs, accounts, and the heads of a backlog."""

from collections.abc import Callable
from typing import Any

import pytest

from generator.request import Stop
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.contracts.queue import OwnerDepth
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.cost_model import DEFAULT_PACE, FIXED_WORK
from webapp.queues.joint_jobs import JOIN_TAG
from webapp.queues.worker_id import WorkerId

OK = Answer(200, b"drawn")
ENDLESS = 600.0
CPU = WorkerId("cpu")
Make = Callable[..., QueueStore]


@pytest.fixture
def store(make: Make) -> QueueStore:
    return make()


def frame(name: str, owner: str = "ann", **fields: Any) -> Frame:
    return Frame(
        **{"id": name, "kind": "generate", "body": name.encode(), "owner": owner, **fields}
    )


def take(store: QueueStore, *loaded: str) -> Lease:
    lease = store.take(CPU, loaded, 0)
    assert lease is not None
    return lease


def predicted(store: QueueStore) -> dict[str, float]:
    return {each.id: each.predicted_seconds for each in store.list_frames()}


# -- costs ----------------------------------------------------------------------------------------


def test_work_and_prediction_are_stored_with_the_frame(store: QueueStore) -> None:
    store.put(frame("a", work=9.0, weight=2.0))
    store.put(frame("b", work=19.0))
    assert predicted(store) == {"a": 10 * DEFAULT_PACE, "b": 20 * DEFAULT_PACE}
    taken = take(store).frame
    assert (taken.work, taken.weight, taken.predicted_seconds) == (9.0, 2.0, 10 * DEFAULT_PACE)


def test_predictions_are_learned_by_kind_and_checkpoint(store: QueueStore) -> None:
    for name, checkpoint, seconds in (("a", "slow", 100.0), ("b", "fast", 1.0)):
        store.put(frame(name, checkpoint=checkpoint, work=9.0))
        store.answer(take(store), OK, seconds)
    assert store.predict_seconds("generate", "slow", 9.0) == pytest.approx(100.0)
    assert store.predict_seconds("generate", "fast", 19.0) == pytest.approx(2.0)
    assert 1.0 < store.predict_seconds("generate", "never seen", 9.0) < 100.0
    assert store.predict_seconds("extras", "", 9.0) == (9 + FIXED_WORK) * DEFAULT_PACE


def test_failed_and_stopped_jobs_teach_nothing(store: QueueStore) -> None:
    before = store.predict_seconds("generate", "", 9.0)
    for name in "ab":
        store.put(frame(name, work=9.0))
    store.answer(take(store), Answer(500, b""), 0.01)
    stopped = take(store)
    store.request_stop(stopped.frame.id, Stop.INTERRUPT)
    store.answer(stopped, OK, 0.01)
    assert store.predict_seconds("generate", "", 9.0) == before


# -- accounts -------------------------------------------------------------------------------------


def names_taken(store: QueueStore, count: int) -> str:
    """The names of the next frames, none of which is answered."""
    return "".join(take(store).frame.id for _ in range(count))


def test_large_jobs_count_as_they_are_predicted_before_they_end(make: Make) -> None:
    store = make(quantum=4.0)
    for name in "abc":
        store.put(frame(name, work=19.0))  # 4 s each
    for name in "wxyz":
        store.put(frame(name, owner="bob", work=9.0))  # 2 s each
    assert names_taken(store, 7) == "awxbyzc"


def test_an_answer_charges_what_was_taken_in_place_of_the_prediction(make: Make) -> None:
    store = make(quantum=2.0)
    for name in "abc":
        store.put(frame(name, work=9.0))
    store.answer(take(store), Answer(500, b""), 6.0)  # 2 were predicted
    for name in "xyz":
        store.put(frame(name, owner="bob", work=9.0))
    assert names_taken(store, 5) == "xyzbc"


def test_a_job_given_back_is_not_charged(make: Make) -> None:
    store = make(quantum=2.0)
    for name, owner in (("a", "ann"), ("x", "bob")):
        store.put(frame(name, owner=owner, work=9.0))
    for _ in range(3):
        given_back = take(store)
        assert given_back.frame.id == "a"
        store.release(given_back)


def test_weights_divide_the_gpu(make: Make) -> None:
    store = make(quantum=2.0)
    for number in range(12):
        store.put(frame(f"a{number}", work=9.0, weight=3.0))
        store.put(frame(f"b{number}", owner="bob", work=9.0))
    taken = [take(store).frame.owner for _ in range(12)]
    assert (taken.count("ann"), taken.count("bob")) == (9, 3)


def test_what_an_owner_holds_follows_every_way_out(make: Make) -> None:
    store = make(max_delivery=1)
    for name in "abcde":
        store.put(frame(name, body=b"x" * 10))
    store.answer(take(store), OK, 1.0)
    assert store.cancel("b")
    assert store.answer_waiting("c", OK)
    take(store)
    store.release_worker(CPU)  # was its only delivery
    assert store.owner_depth("ann", "generate") == OwnerDepth(1, 10)
    assert store.depth().waiting == 1
    assert store.cancel("e")
    assert store.owner_depth("ann", "generate") == OwnerDepth(0, 0)


# -- jobs side by side ----------------------------------------------------------------------------


def joinable(name: str, tag: str = "checkpoint a", **fields: Any) -> Frame:
    return frame(name, tags={JOIN_TAG: tag}, **fields)


def join(store: QueueStore, running: str | None) -> str:
    """The name of the frame that is taken, "" for none; at once, whatever it is."""
    lease = store.take(CPU, (), ENDLESS, running)
    return lease.frame.id if lease else ""


def test_a_frame_joins_jobs_of_its_own_tag_alone(store: QueueStore) -> None:
    store.put(joinable("a"))
    assert join(store, "checkpoint b") == ""
    assert join(store, "checkpoint a") == "a"
    store.put(frame("lone"))
    assert [join(store, running) for running in ("checkpoint a", "", None)] == ["", "", "lone"]


def test_nobody_passes_the_frame_that_is_first_in_order(store: QueueStore) -> None:
    store.put(frame("lone"))
    store.put(joinable("later"))
    before = store.accounts()
    assert [join(store, "checkpoint a") for _ in range(3)] == ["", "", ""]
    assert store.accounts() == before
    assert join(store, None) == "lone"
    assert join(store, "checkpoint a") == "later"


def test_owners_take_turns_where_they_join_too(make: Make) -> None:
    store = make(quantum=2.0)
    for name in "abc":
        store.put(joinable(name, work=9.0))
        store.put(joinable(name.upper(), owner="bob", work=9.0))
    taken = [join(store, "checkpoint a") for _ in range(6)]
    assert taken == ["a", "A", "b", "B", "c", "C"]


def test_what_a_worker_died_of_joins_nobody(store: QueueStore) -> None:
    store.put(joinable("a"))
    released = take(store)
    store.release(released)  # given back, uncounted
    assert join(store, "checkpoint a") == "a"
    store.release_worker(CPU, "was killed")
    assert [join(store, "checkpoint a"), join(store, None)] == ["", "a"]
