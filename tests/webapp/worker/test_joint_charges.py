"""What jobs of several users are charged whose calls of the network the real engine joins."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from generator import default_checkpoint
from generator.engine import Engine
from generator.models.registry import Registry
from generator.request import GenerationRequest, Sampling, Seeds, Stop
from tests.wait import wait_until
from tests.webapp.conftest import configuration
from tests.webapp.worker.worker_bench import WORKER
from webapp.ledger.drain import drain
from webapp.ledger.handle import LedgerHandle
from webapp.ledger.report import make_report
from webapp.ledger.usage_query import Query, this_month
from webapp.plugins.model_registry import folders_of
from webapp.queues.contracts.charges import Charge, Outcome
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import TREE_TAG, QueuedGeneration, encode_job
from webapp.queues.joint_jobs import JOIN_TAG
from webapp.queues.sqlite.store import SqliteStore
from webapp.worker.loop import Worker, WorkerSettings
from webapp.worker.user_workspaces import UserWorkspaces

DEFAULT = Path(default_checkpoint.__file__).with_name("easel-default.safetensors")
MOST_OFF = 0.005  # of what the worker has measured
SMALL = GenerationRequest(
    "a red circle", Seeds(7), sampling=Sampling("Euler", steps=9), width=64, height=64
)
ENDLESS = replace(SMALL, batches=100)
NAN = replace(SMALL, sampling=Sampling("Euler", steps=9, guidance=float("inf")))


class House:
    """A store, and a worker with the real engine that runs four jobs side by side at most."""

    def __init__(self, folder: Path) -> None:
        config = configuration(folder, accounts=True)
        self.store = SqliteStore(folder / ".easel" / "queue.db")
        registry = Registry(folders_of(config))
        self.engine = Engine(registry, step_batching=True)
        settings = WorkerSettings(
            folder,
            max_joint_jobs=4,
            turn=self.engine.turn,
            find_workspace=UserWorkspaces(config, registry, self.engine).find,
        )
        self.worker = Worker(WORKER, self.store, self.engine, settings)

    def put(self, name: str, request: GenerationRequest, user: str = "", *, joins: bool) -> None:
        """A request of a user with a tree of their own, or of the owner."""
        body = encode_job(QueuedGeneration(request, "txt2img", {}))
        tags = ({TREE_TAG: user} if user else {}) | ({JOIN_TAG: "one"} if joins else {})
        self.store.put(Frame(name, "generate", body, owner=user, tags=tags))

    def run_until(self, *names: str) -> None:
        """Work until these are answered, and end."""
        for _ in range(1000):
            if all(self.store.wait(name, 0) for name in names):
                break
            self.worker.run_once()
        self.worker.joint_jobs.wait_for_all()
        self.worker.leave_list()

    def charges(self) -> dict[str, Charge]:
        """Those that wait for the ledger, by job."""
        kept = (each.facts for each in self.store.read_charges(100))
        return {each.job: each for each in kept if isinstance(each, Charge)}


@pytest.fixture
def house(memory_folder: Path) -> Iterator[House]:
    torch.set_num_threads(1)
    for path in ("models/Stable-diffusion", "users/ann/models/Stable-diffusion"):
        (memory_folder / path).mkdir(parents=True, exist_ok=True)
    shutil.copy2(DEFAULT, memory_folder / "models/Stable-diffusion/all.safetensors")
    made = House(memory_folder)
    yield made
    made.store.close()


def test_the_charges_of_mixed_company_are_what_the_device_measured(
    house: House, memory_folder: Path
) -> None:
    house.put("small", SMALL, "ann", joins=True)
    house.put("four", replace(SMALL, batch_size=4), "bob", joins=True)
    house.put("stopped", ENDLESS, joins=True)
    house.put("nan", NAN, "ann", joins=True)
    house.put("wide", replace(SMALL, width=96, batch_size=2), "bob", joins=True)
    house.put("alone", replace(SMALL, deterministic=True), joins=False)
    house.store.request_stop("stopped", Stop.INTERRUPT)
    house.run_until("small", "four", "stopped", "nan", "wide", "alone")
    told = house.charges()
    assert {name: told[name].outcome for name in told} == {
        "small": Outcome.DONE, "four": Outcome.DONE, "wide": Outcome.DONE, "alone": Outcome.DONE,
        "stopped": Outcome.STOPPED, "nan": Outcome.FAILED,
    }  # fmt: skip
    assert house.engine.call_counts.shared > 0
    done = [each for each in told.values() if each.outcome is Outcome.DONE]
    assert all(0 < each.drawing_seconds < each.gpu_seconds for each in done)
    handle = LedgerHandle(None, memory_folder)
    assert drain(house.store, handle) == len(told)
    report = make_report(handle.get(), Query(this_month(time.time())))
    handle.close()
    usage, busy = report.total.usage, report.busy_seconds
    assert busy is not None
    assert (usage.jobs, usage.unbilled_jobs) == (5, 1)
    assert usage.gpu_seconds + usage.unbilled_seconds == pytest.approx(busy, rel=MOST_OFF)


def test_deliveries_that_nothing_came_of_are_marked_with_their_share(house: House) -> None:
    for name in ("a", "b", "c", "d"):
        house.put(name, ENDLESS, joins=True)
    house.worker.run_once()
    wait_until(lambda: house.worker.run_once() or house.worker.joint_jobs.count == 4)
    house.worker.shutdown.abandoned.set()
    house.worker.joint_jobs.wait_for_all()
    told = house.charges().values()
    assert {each.outcome for each in told} == {Outcome.RETURNED}
    assert len(told) == 4
    busy = house.worker.meter.read_busy_seconds()
    assert sum(each.gpu_seconds for each in told) == pytest.approx(busy, rel=MOST_OFF)


def test_users_share_calls_where_their_weights_are_the_same_alone(
    house: House, memory_folder: Path
) -> None:
    own = memory_folder / "users/ann/models/Stable-diffusion"
    shutil.copy2(DEFAULT, own / "mine.safetensors")
    requests = {
        "anns": (replace(SMALL, checkpoint="all.safetensors"), "ann"),
        "bobs": (replace(SMALL, checkpoint="all.safetensors"), "bob"),
    }
    counts = house.engine.call_counts
    for name, (request, user) in requests.items():
        house.put(name, replace(request, batches=3), user, joins=True)
    house.run_until(*requests)
    assert (counts.shared > 0, len(house.engine.loaded_checkpoints)) == (True, 1)
    before = counts.shared
    house.put("other", replace(SMALL, checkpoint="mine.safetensors", batches=3), "ann", joins=True)
    house.put("again", replace(requests["bobs"][0], batches=3), "bob", joins=True)
    house.run_until("other", "again")
    assert counts.shared == before
    statuses = {answer.status for name in ("anns", "bobs", "other", "again")
                if (answer := house.store.wait(name, 0))}  # fmt: skip
    assert statuses == {200}
