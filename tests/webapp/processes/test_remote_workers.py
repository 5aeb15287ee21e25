"""Workers on other machines: they join, draw, drain, leave, die and are cut off.

The machines are Linux namespaces; the queue is a SQLite file that they share, as containers of one
host may.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.wait import exit_code, result_of, wait_until
from tests.webapp.conftest import write_checkpoint
from tests.webapp.namespaces import MISSING, inner_process, needs_namespaces, network
from tests.webapp.processes.remote_site import PAINTER, Site
from webapp.queues.sqlite.store import SqliteStore
from webapp.settings.data_dir import QUEUE_FILE

pytestmark = needs_namespaces
MODELS = "models/Stable-diffusion"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A web process and two workers, each on a machine of its own."""
    if MISSING:
        pytest.skip(MISSING)
    data_dir = tmp_path_factory.mktemp("site") / "data"
    write_checkpoint(data_dir / MODELS / PAINTER)
    with network() as switch:
        (data_dir / ".easel").mkdir(mode=0o700)
        store = SqliteStore(data_dir / ".easel" / QUEUE_FILE)
        site = Site(switch, data_dir, (), store, switch.add("web"))
        site.start_web()
        site.join()
        site.join()
        yield site
        site.close()


def test_two_machines_of_one_name_and_process_id_draw_side_by_side(site: Site) -> None:
    one, two = (worker.id for worker in site.workers[:2])
    assert (one.host, one.pid, one.device) == (two.host, two.pid, two.device) == ("gpu", 1, "cpu")
    assert one != two
    shown = site.store.workers()
    assert {(w.joined, w.version, w.models_folder) for w in shown} == {
        (True, "0.1.0", str(site.data_dir / "models"))
    }
    before = len(site.pictures())
    jobs = [site.draw(30) for _ in range(2)]
    wait_until(lambda: site.store.depth().running == 2)
    assert set(site.store.lease_holders()) == {one, two}
    for job in jobs:
        status, body = result_of(job)
        assert (status, len(body["images"])) == (200, 1)
    assert len(site.pictures()) == before + 2
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


def test_a_job_of_a_killed_worker_is_answered_once_by_another(site: Site) -> None:
    answered, saved = site.answered(), len(site.pictures())
    job = site.draw(60)
    dying = site.holder()
    inner_process(dying.program).kill()
    exit_code(dying.program)
    status, body = result_of(job)
    assert (status, len(body["images"])) == (200, 1)
    assert (site.answered(), len(site.pictures())) == (answered + 1, saved + 1)
    site.join()


def test_a_drained_worker_answers_its_job_and_leaves_the_list(site: Site) -> None:
    job = site.draw(60)
    leaving = site.holder()
    status, told = site.ask(f"/api/v1/workers/{leaving.id.handle}/drain", {})
    assert (status, told["state"]) == (202, "draining")
    assert result_of(job)[0] == 200
    assert exit_code(leaving.program) == 0
    assert leaving.id not in {worker.id for worker in site.store.workers()}
    assert site.ask(f"/api/v1/workers/{leaving.id.handle}/drain", {})[0] == 404
    assert "asked to drain" in leaving.log_text()
    site.join()


def test_a_worker_that_is_told_to_end_finishes_its_job_and_leaves(site: Site) -> None:
    job = site.draw(60)
    leaving = site.holder()
    inner_process(leaving.program).terminate()
    assert result_of(job)[0] == 200
    assert exit_code(leaving.program) == 0
    assert leaving.id not in {worker.id for worker in site.store.workers()}
    site.join()


def test_a_worker_with_another_folder_is_refused(site: Site, tmp_path: Path) -> None:
    lost = site.start_worker(*site.queue, data_dir=tmp_path)
    assert exit_code(lost.program) == 1
    assert "Mount the folder that the web process was started with" in lost.log_text()
