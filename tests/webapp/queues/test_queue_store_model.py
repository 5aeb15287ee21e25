"""The store against a model of it, over random histories."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.queue_server import QueueServer
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.redis.store import RedisStore
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

IDS = st.sampled_from("abcdef")
WORKERS = st.sampled_from([WorkerId("one"), WorkerId("two")])
MAX_DELIVERY = 3


class Model(RuleBasedStateMachine):
    """What must hold whatever happens: nothing is lost, nothing is done twice."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="easel-model-"))
        self.store = self.open_store()
        self.waiting: dict[str, int] = {}  # id: deliveries so far
        self.held: dict[str, Lease] = {}
        self.old: list[Lease] = []  # leases that are over
        self.answered: dict[str, int] = {}  # id: status

    def open_store(self) -> QueueStore:
        """An empty store."""
        return SqliteStore(self.folder / "queue.db", max_delivery=MAX_DELIVERY)

    def teardown(self) -> None:
        """Close it, and remove its file."""
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(name=IDS, owner=st.sampled_from("xy"), priority=st.integers(0, 2))
    def put(self, name: str, owner: str, priority: int) -> None:
        """A known id changes nothing."""
        self.store.put(Frame(name, "generate", b"", owner=owner, priority=priority))
        if name not in self.held and name not in self.answered:
            self.waiting.setdefault(name, 0)

    @rule(worker=WORKERS)
    def take(self, worker: WorkerId) -> None:
        """Something comes if and only if something waits."""
        lease = self.store.take(worker, (), 0)
        assert (lease is None) == (not self.waiting)
        if lease is not None:
            assert lease.frame.deliveries == self.waiting.pop(lease.frame.id) + 1
            self.held[lease.frame.id] = lease

    @precondition(lambda self: self.held)
    @rule(data=st.data(), status=st.sampled_from([200, 500]))
    def answer(self, data: st.DataObject, status: int) -> None:
        """Who holds the lease is heard."""
        lease = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        assert self.store.renew(lease)
        assert self.store.answer(lease, Answer(status, b""), 1.0)
        self.answered[lease.frame.id] = status
        self.old.append(lease)

    @precondition(lambda self: self.old)
    @rule(data=st.data())
    def answer_too_late(self, data: st.DataObject) -> None:
        """Who held it once is not."""
        lease = data.draw(st.sampled_from(self.old))
        assert not self.store.renew(lease)
        assert not self.store.answer(lease, Answer(418, b""), 1.0)
        self.store.release(lease)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """A frame given back waits as if it had not been taken."""
        lease = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        self.store.release(lease)
        self.waiting[lease.frame.id] = lease.frame.deliveries - 1
        self.old.append(lease)

    @rule(worker=WORKERS)
    def die(self, worker: WorkerId) -> None:
        """A dead worker's frames wait again, or are answered when that was once too often."""
        lost = [lease for lease in self.held.values() if lease.worker == worker]
        assert self.store.release_worker(worker) == len(lost)
        for lease in lost:
            del self.held[lease.frame.id]
            self.old.append(lease)
            if lease.frame.deliveries == MAX_DELIVERY:
                self.answered[lease.frame.id] = 500
            else:
                self.waiting[lease.frame.id] = lease.frame.deliveries

    @rule(name=IDS)
    def cancel(self, name: str) -> None:
        """Only what waits can be cancelled."""
        assert self.store.cancel(name) == (self.waiting.pop(name, None) is not None)

    @rule(name=IDS)
    def forget(self, name: str) -> None:
        """A forgotten answer frees its id."""
        self.store.delete_answer(name)
        self.answered.pop(name, None)

    @invariant()
    def all_is_accounted_for(self) -> None:
        """Waiting, held or answered; nothing else, nothing less."""
        assert {f.id for f in self.store.list_frames()} == self.waiting.keys() | self.held.keys()
        assert all(self.store.is_queued(name) for name in self.waiting.keys() | self.held.keys())
        for name in "abcdef":
            answer = self.store.wait(name, 0)
            assert (answer and answer.status) == self.answered.get(name)


class RedisModel(Model):
    """The same of the other engine."""

    server: QueueServer

    def open_store(self) -> QueueStore:
        """A store in an empty server."""
        self.server.flush()
        return RedisStore(self.server.address, max_delivery=MAX_DELIVERY)


@pytest.fixture(scope="module")
def server_of_model(queue_server: QueueServer) -> None:
    """Tells the model where the server is."""
    RedisModel.server = queue_server


Model.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestModel = Model.TestCase
RedisModel.TestCase.settings = Model.TestCase.settings
TestRedisModel = pytest.mark.usefixtures("server_of_model")(RedisModel.TestCase)
