"""Both samples of the vendor's guide, started side by side, asked, and ended."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.wait import TIMEOUT, exit_code, wait_until
from tests.webapp.service_files.samples import ASYNC, DATA, STANDARD, write
from tests.webapp.web_process import free_port
from webapp.queues.contracts.entries import INPUT, SINK, EntryQuery
from webapp.queues.sqlite.store import SqliteStore
from webapp.service_files.run_identity import run_processes
from webapp.service_files.service_folder import ServiceFolder, ServiceRecord

NAMES = ("sd_v32", "sd_async")
PICTURE = {"prompt": "a red house", "width": 64, "height": 64, "steps": 1, "seed": 1}
SAVED = {**PICTURE, "alwayson_scripts": {"save_dir": f"{DATA}/outputs/mine", "id_task": "t1"}}


@dataclass
class Services:
    """Services in a folder of their own, by the command line."""

    home: Path

    def command(self, *words: str) -> "subprocess.Popen[str]":
        """``easel`` with these words."""
        environ = {**os.environ, "EASEL_SERVICES_DIR": str(self.home), "OMP_NUM_THREADS": "1"}
        for name in ("COMMANDLINE_ARGS", "EASEL_HOME"):
            environ.pop(name, None)
        return subprocess.Popen(
            [sys.executable, "-m", "webapp", *words], cwd=ROOT, env=environ, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str]:
        """Exit code and what it said."""
        process = self.command(*words)
        output, _ = process.communicate(timeout=TIMEOUT)
        return process.returncode, output

    def start(self, folder: Path, content: Any) -> "subprocess.Popen[str]":
        """``easel up`` of a file."""
        folder.mkdir()
        file = write(folder, content)
        flags = ("--device", "cpu", "--threads", "1")
        return self.command("up", str(file), "--port", str(free_port()), "--", *flags)

    def record(self, name: str) -> ServiceRecord:
        """The record of a service that was started."""
        record = ServiceFolder(self.home / name).read_record()
        assert record is not None
        return record

    def token(self, name: str) -> str:
        """Its owner's token."""
        return ServiceFolder(self.home / name).token_file.read_text().strip()

    def ask(self, name: str, path: str, body: Any = None, *, token: str = "") -> tuple[int, bytes]:
        """Status and body of an answer."""
        url = f"http://127.0.0.1:{self.record(name).port}{path}"
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": token or self.token(name), "Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Services, dict[str, str]]]:
    """Both samples, and what ``easel up`` said of each."""
    folder = tmp_path_factory.mktemp("services")
    services = Services(folder / "home")
    ups = {
        "sd_v32": services.start(folder / "standard", STANDARD),
        "sd_async": services.start(folder / "async", ASYNC),
    }
    said = {name: up.communicate(timeout=TIMEOUT)[0] for name, up in ups.items()}
    try:
        assert [up.returncode for up in ups.values()] == [0, 0], said
        yield services, said
    finally:
        assert services.run("down", *NAMES)[0] == 0


@pytest.fixture
def services(started: tuple[Services, dict[str, str]]) -> Services:
    """The services themselves."""
    return started[0]


def test_what_up_says(started: tuple[Services, dict[str, str]]) -> None:
    services, said = started
    for name, text in said.items():
        assert text.count(services.token(name)) == 1
        assert f"{name} runs at {services.record(name).url}" in text
        assert "cloud.computing.instance_type = 'ml.gu7i.c16m60.1-gu30'" in text
    assert "/api/predict/sd_async/sink" in said["sd_async"]
    assert services.token("sd_v32") != services.token("sd_async")


def test_what_is_kept_is_for_its_user_alone(services: Services) -> None:
    for path in services.home.glob("*/*"):
        if path.name != "mounts":
            assert path.stat().st_mode & 0o077 == 0, path
    assert services.home.stat().st_mode & 0o077 == 0
    for name in NAMES:
        token = services.token(name).encode()
        shown = [services.home / name / "log", services.home / name / "service.json"]
        for pid in run_processes(services.record(name).run):
            shown += [Path(f"/proc/{pid}/cmdline"), Path(f"/proc/{pid}/environ")]
        assert not any(token in path.read_bytes() for path in shown)


def test_a_picture_is_saved_where_the_mount_path_leads(services: Services) -> None:
    status, body = services.ask("sd_v32", "/sdapi/v1/txt2img", SAVED)
    assert status == 200, body
    url = json.loads(body)["parameters"]["image_url"]
    assert url.startswith(f"{DATA}/outputs/mine/txt2img-images/")
    picture = services.home / "sd_v32/mounts/data" / url.removeprefix(f"{DATA}/")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not Path(DATA).exists()
    status, body = services.ask("sd_v32", f"/file={url}")
    assert (status, body) == (200, picture.read_bytes())


@pytest.mark.parametrize("folder", [f"{DATA}/../x", f"{DATA}/models", "/etc", f"{DATA}/.easel"])
def test_no_other_folder_is_reached_by_a_mount_path(services: Services, folder: str) -> None:
    wrong = {**PICTURE, "alwayson_scripts": {"save_dir": folder}}
    status, body = services.ask("sd_v32", "/sdapi/v1/txt2img", wrong)
    assert status == 422
    assert str(services.home).encode() not in body


def test_the_gateway_of_the_vendor_leads_to_the_api(services: Services) -> None:
    path = "/api/predict/sd_v32/sdapi/v1/options"
    assert services.ask("sd_v32", path)[0] == 200
    assert services.ask("sd_v32", path.replace("sd_v32", "other"))[0] == 404


def test_the_page_and_the_token(services: Services) -> None:
    assert services.ask("sd_v32", "/sdapi/v1/options", token="wrong")[0] == 401
    assert services.ask("sd_v32", "/sdapi/v1/options", token=services.token("sd_async"))[0] == 401
    assert b"<html" in services.ask("sd_v32", "/")[1]
    status, told = services.ask("sd_async", "/")
    assert (status, b"API edition" in told) == (200, True)


def test_an_answer_lies_in_the_sink(services: Services) -> None:
    path = "/api/predict/sd_async"
    status, index = services.ask("sd_async", f"{path}/sdapi/v1/txt2img?task_id=job_001", SAVED)
    assert (status, index.isdigit()) == (200, True)

    def read() -> bytes:
        return services.ask("sd_async", f"{path}/sink?_timeout_=4s&_raw_=false&task_id=job_001")[1]

    (entry,) = json.loads(wait_until(read))
    assert entry["tags"]["task_id"] == "job_001"
    assert "lastCode" not in entry["tags"]


def test_status_tells_both(services: Services) -> None:
    code, text = services.run("status")
    rows = [line.split() for line in text.splitlines()[1:]]
    assert code == 0
    assert [row[:2] + row[3:4] for row in rows] == [
        ["sd_async", "running", "api"], ["sd_v32", "running", "standard"],
    ]  # fmt: skip


def test_a_second_one_of_a_name_or_in_a_folder_is_refused(
    services: Services, tmp_path: Path
) -> None:
    file = str(write(tmp_path, STANDARD))
    code, text = services.run("up", file)
    assert (code, "sd_v32 runs already at http://localhost" in text) == (1, True)
    data = services.home / "sd_v32/mounts/data"
    code, text = services.run("up", file, "--name", "other", "--mount", f"{DATA}={data}")
    assert (code, "sd_v32 runs in the same data directory" in text) == (1, True)


def test_one_that_cannot_start_says_why(services: Services, tmp_path: Path) -> None:
    port = str(services.record("sd_v32").port)
    file = str(write(tmp_path, STANDARD))
    code, text = services.run("up", file, "--name", "late", "--port", port)
    assert code == 1
    assert "late did not start. It said:\n" in text
    assert f"Cannot listen on 0.0.0.0 port {port}" in text
    assert services.run("status", "late")[1].splitlines()[1].split() == ["late", "stopped"]


def test_down_ends_the_whole_group_and_logs_end_with_it(services: Services) -> None:
    record = services.record("sd_async")
    assert len(run_processes(record.run)) >= 3
    path = "/api/predict/sd_async/sdapi/v1/txt2img?task_id=job_002"
    assert services.ask("sd_async", path, {**PICTURE, "steps": 12})[0] == 200
    following = services.command("logs", "-f", "-n", "1", "sd_async")
    assert services.run("down", "sd_async") == (0, "sd_async has ended.\n")
    assert run_processes(record.run) == []
    assert exit_code(following) == 0
    with closing(SqliteStore(Path(record.data_dir, ".easel", "queue.db"))) as store:
        left = store.entries.queue(INPUT).get(EntryQuery()) or (
            store.entries.queue(SINK).get(EntryQuery())
        )
    assert [entry.tags["task_id"] for entry in left] == ["job_002"]  # it waits, or was answered
    assert services.run("down", "sd_async") == (0, "sd_async does not run.\n")
    assert "Easel is ready at" in services.run("logs", "sd_async")[1]


def test_one_that_was_killed_is_dead(services: Services) -> None:
    record = services.record("sd_v32")
    os.kill(record.pid, signal.SIGKILL)
    wait_until(lambda: not record.identity.is_alive)
    code, text = services.run("status", "sd_v32")
    assert (code, text.splitlines()[1].split()[:2]) == (3, ["sd_v32", "dead"])
    assert "sd_v32 was dead" in services.run("down", "sd_v32")[1]
    assert run_processes(record.run) == []
