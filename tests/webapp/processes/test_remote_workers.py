"""Workers on other machines: they join, draw, drain, leave, die and are cut off.

The machines are Linux namespaces. Their queue is a SQLite file, as containers of one host may share
one, or Redis on a machine of its own.
"""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.wait import exit_code, result_of, wait_until
from tests.webapp.conftest import write_checkpoint
from tests.webapp.namespaces import MISSING, Network, inner_process, needs_namespaces, network
from tests.webapp.processes.remote_site import PAINTER, PASSWORD, Site
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.errors import StoreUnavailable
from webapp.queues.redis.store import RedisStore
from webapp.queues.sqlite.store import SqliteStore
from webapp.settings.data_dir import QUEUE_FILE

pytestmark = needs_namespaces
MODELS = "models/Stable-diffusion"


REDIS = "/usr/bin/redis-server"  # Debian's


def open_queue(engine: str, data_dir: Path, switch: Network) -> tuple[tuple[str, ...], QueueStore]:
    """The flags that name the queue of an engine, and the test's own view of it."""
    (data_dir / ".easel").mkdir(mode=0o700)
    if engine == "sqlite":
        return (), SqliteStore(data_dir / ".easel" / QUEUE_FILE)
    machine = switch.add("queue")
    address = f"redis://:{PASSWORD}@{machine.address}:6379/0"
    (folder := data_dir.with_name("redis")).mkdir()
    settings = ["--bind", machine.address, "--requirepass", PASSWORD, "--appendonly", "yes",
                "--appendfsync", "always", "--save", "", "--dir", str(folder)]  # fmt: skip
    machine.start([REDIS, *settings], data_dir.with_name("redis.log"))
    store = RedisStore(address)
    wait_until(lambda: is_there(store), message="no Redis")
    return ("--queue-url", address), store


def is_there(store: QueueStore) -> bool:
    """Whether the queue answers."""
    try:
        return store.depth().waiting == 0
    except StoreUnavailable:
        return False


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A web process and three workers, each on a machine of its own; tests use them up in turn."""
    if MISSING:
        pytest.skip(MISSING)
    if request.param == "redis" and not shutil.which(REDIS):
        pytest.skip(f"{REDIS} is not installed")
    data_dir = tmp_path_factory.mktemp("site") / "data"
    write_checkpoint(data_dir / MODELS / PAINTER)
    with network() as switch:
        flags, store = open_queue(request.param, data_dir, switch)
        site = Site(switch, data_dir, flags, store, switch.add("web"))
        site.start_web()
        for worker in [site.start_worker() for _ in range(3)]:
            site.wait_for(worker)
        yield site
        site.close()


def test_machines_of_one_name_and_process_id_draw_side_by_side(site: Site) -> None:
    known = {worker.id for worker in site.workers}
    assert {(each.host, each.pid, each.device) for each in known} == {("gpu", 1, "cpu")}
    assert len(known) == 3
    before = len(site.pictures())
    jobs = [site.draw(30) for _ in known]
    wait_until(lambda: site.store.depth().running == 3)
    assert set(site.store.lease_holders()) == known
    for job in jobs:
        status, body = result_of(job)
        assert (status, len(body["images"])) == (200, 1)
    assert len(site.pictures()) == before + 3
    newest = site.pictures()[-1].relative_to(site.data_dir)
    status, picture = site.ask(f"/file={newest}")
    assert (status, picture[:4]) == (200, b"\x89PNG")


def test_progress_and_stops_of_a_far_job_go_through_the_store(site: Site) -> None:
    job = site.draw(400)
    site.holder()
    wait_until(lambda: progress(site)["current_image"])
    assert progress(site)["state"]["sampling_step"] > 0
    assert site.ask("/sdapi/v1/interrupt", {})[0] == 200
    status, body = result_of(job)
    assert (status, len(body["images"])) == (200, 1)


def progress(site: Site) -> Any:
    """What AUTOMATIC1111's route tells of the running job."""
    return site.ask("/sdapi/v1/progress")[1]


def test_a_model_that_comes_is_drawn_with_though_the_worker_watches_nothing(site: Site) -> None:
    write_checkpoint(site.data_dir / MODELS / "newcomer.safetensors", {"v": "2"})

    def is_listed() -> bool:
        models = site.ask("/sdapi/v1/sd-models")[1]
        return any(each["model_name"] == "newcomer" for each in models)

    wait_until(is_listed)
    settings = {"override_settings": {"sd_model_checkpoint": "newcomer"}}
    status, body = result_of(site.draw(2, **settings))
    assert status == 200, body
    assert json.loads(body["info"])["sd_model_name"] == "fake"
    wait_until(lambda: "newcomer" in " ".join(w.checkpoint for w in site.store.workers()))


def test_who_lives_is_listed_with_its_machine_and_no_secret(site: Site) -> None:
    status, body = site.ask("/api/v1/workers")
    shown = {worker["id"]: worker for worker in body["workers"]}
    assert status == 200
    for worker in site.store.workers():
        told = shown[worker.id.handle]
        assert (told["host"], told["device"], told["joined"]) == ("gpu", "cpu", True)
        assert told["models_folder"] == str(site.data_dir / "models")
        assert told["age"] < 15
    for worker in site.workers:
        assert PASSWORD not in worker.log_text()
        if worker.program.poll() is None:
            words = inner_process(worker.program).cmdline()
            assert "--data-dir" in words
            assert PASSWORD not in " ".join(words)


def test_a_worker_whose_cable_is_pulled_gives_its_job_up_and_comes_back(site: Site) -> None:
    if not site.queue:
        pytest.skip("a file has no cable")
    answered, saved = site.answered(), len(site.pictures())
    job = site.draw(60)
    lonely = site.holder()
    lonely.machine.cut()
    try:
        wait_until(lambda: set(site.store.lease_holders()) - {lonely.id})
        status, body = result_of(job)
        assert (status, len(body["images"])) == (200, 1)
    finally:
        lonely.machine.mend()
    since = time.time()
    wait_until(
        lambda: [w for w in site.store.workers() if w.id == lonely.id and w.seen_at > since],
        message=f"it did not come back: {lonely.log_text()}",
    )
    wait_until(lambda: "the lease was lost; another has it" in lonely.log_text())
    assert (site.answered(), len(site.pictures())) == (answered + 1, saved + 1)
    jobs = [site.draw(60) for _ in range(3)]
    wait_until(lambda: lonely.id in site.store.lease_holders())
    assert [result_of(each)[0] for each in jobs] == [200, 200, 200]


def test_a_job_of_a_killed_worker_is_answered_once_by_another(site: Site) -> None:
    answered, saved = site.answered(), len(site.pictures())
    job = site.draw(40)
    dying = site.holder()
    inner_process(dying.program).kill()
    exit_code(dying.program)
    status, body = result_of(job)
    assert (status, len(body["images"])) == (200, 1)
    assert (site.answered(), len(site.pictures())) == (answered + 1, saved + 1)


def test_a_drained_worker_answers_its_job_and_leaves_the_list(site: Site) -> None:
    job = site.draw(40)
    leaving = site.holder()
    status, told = site.ask(f"/api/v1/workers/{leaving.id.handle}/drain", {})
    assert (status, told["state"]) == (202, "draining")
    assert result_of(job)[0] == 200
    assert exit_code(leaving.program) == 0
    assert leaving.id not in {worker.id for worker in site.store.workers()}
    assert site.ask(f"/api/v1/workers/{leaving.id.handle}/drain", {})[0] == 404
    assert "asked to drain" in leaving.log_text()


def test_a_worker_that_is_told_to_end_finishes_its_job_and_leaves(site: Site) -> None:
    job = site.draw(40)
    leaving = site.holder()
    inner_process(leaving.program).terminate()
    assert result_of(job)[0] == 200
    assert exit_code(leaving.program) == 0
    assert leaving.id not in {worker.id for worker in site.store.workers()}
