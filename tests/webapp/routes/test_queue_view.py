"""Who waits and why, groups, limits and quotas, over HTTP and the command line."""

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from PIL import Image

from generator.pictures.base64_images import write_base64
from tests.wait import wait_until
from tests.webapp.conftest import write_checkpoint
from tests.webapp.web_process import WebProcess, web_process
from webapp.accounts_command import run_users
from webapp.ledger.handle import LedgerHandle
from webapp.queues.contracts.charges import Charge

WORDS = "five wet maps hum"
JOB = {"path": "/sdapi/v1/txt2img", "body": {"prompt": "a", "width": 64, "height": 64, "steps": 5}}
SECRET_WORDS = ("ann", "studio")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A web process with accounts and no worker."""
    folder = tmp_path_factory.mktemp("quotas")
    write_checkpoint(folder / "data/models/Stable-diffusion/painter.safetensors")
    flags = ("--accounts", "--token", "token-of-the-owner")
    with web_process(folder / "data", *flags, log=folder / "log") as process:
        yield process


@pytest.fixture(scope="module")
def easel(service: WebProcess) -> Any:
    """Runs ``easel users`` beside the service."""

    def run(*words: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO(f"{WORDS}\n"))
            assert run_users((*words, "--data-dir", str(service.data_dir)), {}) == 0

    run("add-group", "studio")
    for name, *more in (("root", "--role", "admin"), ("ann", "--group", "studio"), ("bob",)):
        run("add", name, *more, "--password-stdin")
    return run


def login(service: WebProcess, name: str) -> requests.Session:
    session = requests.Session()
    body = {"username": name, "password": WORDS}
    session.post(f"{service.url}/api/v1/login", json=body, timeout=60).raise_for_status()
    return session


def test_each_sees_their_own_jobs_and_of_others_the_number(service: WebProcess, easel: Any) -> None:
    ann, bob, root = (login(service, name) for name in ("ann", "bob", "root"))
    api = f"{service.url}/api/v1"
    easel("limit", "group:studio", "weight=2", "running_jobs=1", "priority=3")
    put = {"kind": "user", "name": "bob", "limits": {"pictures_day": 3.0, "waiting_jobs": 5.0}}
    limits = root.put(f"{api}/limits/user/bob", json=put["limits"], timeout=60)
    assert limits.json() == put
    for session in (ann, ann, bob):
        assert session.post(f"{api}/jobs", json=JOB, timeout=60).status_code == 202

    def look(session: requests.Session) -> requests.Response | None:
        """The queue once all three jobs are seen: it is looked at once in a while."""
        answer = session.get(f"{api}/queue", timeout=60)
        return answer if answer.json()["waiting"] == 3 else None

    told = wait_until(lambda: look(ann))
    assert told.headers["Cache-Control"] == "no-store"
    mine = told.json()
    assert (mine["workers"], mine["others"]["waiting"]) == (0, 1)
    first, second = mine["jobs"]
    assert (first["user"], first["group"], first["priority"]) == ("ann", "studio", 3)
    assert (first["position"], second["position"]) == (1, 2)
    assert second["reason"]["kind"] == "no_worker"
    assert (second["reason"]["others"], second["reason"]["own"]) == (0, 1)
    assert mine["quotas"] == []

    others = wait_until(lambda: look(bob))
    assert [job["user"] for job in others.json()["jobs"]] == ["bob"]
    assert others.json()["others"] == {"waiting": 2, "running": 0}
    assert others.json()["jobs"][0]["position"] == 3
    pictures = others.json()["quotas"][0]
    assert (pictures["name"], pictures["limit"], pictures["in_queue"]) == ("pictures_day", 3.0, 1)
    assert not [word for word in SECRET_WORDS if word in others.text]
    everything = root.get(f"{api}/queue", timeout=60).json()
    assert [job["user"] for job in everything["jobs"]] == ["ann", "ann", "bob"]


def test_over_quota_says_when_it_resets_and_nothing_is_stored(
    service: WebProcess, easel: Any
) -> None:
    easel("limit", "bob", "pictures_day=3", "job_megapixel_steps=1")
    bob, api = login(service, "bob"), f"{service.url}/api/v1"
    before = bob.get(f"{api}/queue", timeout=60).json()["waiting"]
    body = {**JOB["body"], "n_iter": 3}  # type: ignore[dict-item]
    refused = bob.post(f"{api}/jobs", json={**JOB, "body": body}, timeout=60)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 24 * 3600 + 1
    quota = refused.json()["quota"]
    assert (quota["name"], quota["limit"], quota["resets_at"] % 86400) == ("pictures_day", 3, 0)
    dry = bob.post(f"{api}/jobs?dry_run=1", json={**JOB, "body": body}, timeout=60)
    direct = bob.post(f"{service.url}/sdapi/v1/txt2img", json=body, timeout=60)
    openai = {"prompt": "a", "n": 3, "size": "64x64"}
    as_openai = bob.post(f"{service.url}/v1/images/generations", json=openai, timeout=60)
    for answer in (dry, direct, as_openai):
        assert answer.status_code == 429, answer.text
        assert "Retry-After" in answer.headers
    assert as_openai.json()["error"]["code"] == "rate_limit_exceeded"
    image = {"image": write_base64(Image.new("RGB", (8, 8)))}
    enlarging = {"path": "/sdapi/v1/extra-single-image", "body": image}
    batch = {**enlarging, "path": "/sdapi/v1/extra-batch-images",
             "body": {"imageList": [{"data": image["image"], "name": "a"}] * 4}}  # fmt: skip
    enlarged = bob.post(f"{api}/jobs?dry_run=1", json=enlarging, timeout=60)
    assert enlarged.status_code == 200, enlarged.text
    enlarged = bob.post(f"{api}/jobs", json=batch, timeout=60)
    assert (enlarged.status_code, enlarged.json()["quota"]["name"]) == (429, "pictures_day")
    large = {**JOB["body"], "width": 1024, "height": 1024}  # type: ignore[dict-item]
    answer = bob.post(f"{service.url}/sdapi/v1/txt2img", json=large, timeout=60)
    assert (answer.status_code, "Retry-After" in answer.headers) == (422, False)
    assert "megapixel-steps" in answer.json()["detail"]
    assert bob.get(f"{api}/queue", timeout=60).json()["waiting"] == before


def test_what_the_ledger_knows_counts(service: WebProcess, easel: Any) -> None:
    easel("add", "dora", "--password-stdin", "--group", "studio")
    easel("limit", "dora", "gpu_seconds_month=40")
    dora, api = login(service, "dora"), f"{service.url}/api/v1"
    handle = LedgerHandle(None, service.data_dir / ".easel")
    charge = Charge("0" * 32, "d", "dora", time.time(), 39.0, group="studio")
    handle.get().record(charge)
    assert dora.post(f"{api}/jobs", json=JOB, timeout=60).status_code == 202
    handle.get().record(replace(charge, delivery="e", gpu_seconds=1.5))
    handle.close()
    refused = dora.post(f"{api}/jobs", json=JOB, timeout=60)
    assert refused.status_code == 429
    assert "40.0 GPU seconds a month; 40.5 are used" in refused.json()["detail"]
    (quota,) = dora.get(f"{api}/queue", timeout=60).json()["quotas"]
    assert (quota["name"], quota["used"]) == ("gpu_seconds_month", 40.5)


def test_groups_and_limits_over_the_api(service: WebProcess, easel: Any) -> None:
    root, api = login(service, "root"), f"{service.url}/api/v1"
    assert root.post(f"{api}/groups", json={"name": "Lab"}, timeout=60).status_code == 200
    new = {"name": "carl", "password": WORDS, "group": "lab"}
    assert root.post(f"{api}/users", json=new, timeout=60).json()["group"] == "lab"
    carl = login(service, "carl")
    moved = root.patch(f"{api}/users/carl", json={"group": "studio"}, timeout=60)
    assert moved.json()["group"] == "studio"
    assert carl.get(f"{api}/me", timeout=60).status_code == 200  # another group ends no login
    groups = root.get(f"{api}/groups", timeout=60).json()["groups"]
    assert [(each["name"], each["members"]) for each in groups] == [
        ("lab", []), ("studio", ["ann", "carl", "dora"]),
    ]  # fmt: skip
    for method, path, body, status in (
        ("POST", "groups", {"name": "lab"}, 409), ("POST", "groups", {"name": "../x"}, 422),
        ("PATCH", "users/carl", {"group": "none"}, 404), ("DELETE", "groups/none", None, 404),
        ("PUT", "limits/user/nobody", {}, 404), ("PUT", "limits/planet/mars", {}, 404),
        ("PUT", "limits/user/carl", {"weight": 0}, 422),
        ("PUT", "limits/user/carl", {"colour": 1}, 422),
        ("PUT", "limits/user/carl", {"running_jobs": "many"}, 422),
        ("PUT", "limits/group/lab", {"stored_bytes": 1}, 422),
    ):  # fmt: skip
        answer = root.request(method, f"{api}/{path}", json=body, timeout=60)
        assert answer.status_code == status, (path, body, answer.text)
    assert root.delete(f"{api}/groups/lab", timeout=60).status_code == 200
    assert root.patch(f"{api}/users/carl", json={"group": ""}, timeout=60).json()["group"] is None
    role = {"running_jobs": 2}
    assert root.put(f"{api}/limits/role/member", json=role, timeout=60).status_code == 200
    kinds = [one["kind"] for one in root.get(f"{api}/limits", timeout=60).json()["limits"]]
    assert "role" in kinds
