"""A real web process brings charges into PostgreSQL, also after ``kill -9``, and reports them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import ROOT
from tests.wait import exit_code, wait_until
from tests.webapp.accounts.postgres_server import PostgresServer
from tests.webapp.web_process import WebProcess, web_process
from webapp.queues.contracts.charges import JobOutput
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

OWNER = {"Authorization": "Bearer token-of-the-owner"}
OUTPUT = JobOutput(pictures=2, stored_bytes=10, drawing_seconds=3.0)


@pytest.fixture(scope="module")
def service(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebProcess]:
    """A web process with accounts, in one database with the ledger."""
    folder = tmp_path_factory.mktemp("usage")
    prices = folder / "prices.json"
    prices.write_text('{"currency": "EUR", "prices": [{"per_second": 0.5}]}')
    flags = (
        "--accounts", f"--database-url={postgres.new_database()}", "--price-file", str(prices),
        "--bill=drawing", "--token=token-of-the-owner",
    )  # fmt: skip
    with web_process(folder / "data", *flags, log=folder / "log") as process:
        yield process


def ask(service: WebProcess, **query: str) -> Any:
    """The report of this month."""
    address = f"{service.url}/api/v1/usage"
    answer = requests.get(address, params=query, headers=OWNER, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def work(service: WebProcess, *jobs: str) -> None:
    """Jobs of ann's, as a worker answers them."""
    store = SqliteStore(service.data_dir / ".easel/queue.db")
    for job in jobs:
        store.put(Frame(job, "generate", b"", owner="ann"))
        lease = store.take(WorkerId("cuda:0", "h"), (), 0)
        assert lease is not None
        store.answer(lease, Answer(200, b"", output=OUTPUT), 4.0, "painter")
    store.close()


def test_charges_reach_the_ledger_once_and_outlive_process_and_user(service: WebProcess) -> None:
    users = f"{service.url}/api/v1/users"
    body = {"name": "ann", "role": "member", "password": "five wet maps hum"}
    requests.post(users, json=body, headers=OWNER, timeout=60).raise_for_status()
    work(service, "1", "2")
    wait_until(lambda: ask(service)["total"]["jobs"] == 2)
    service.kill_serving()
    work(service, "3")
    service.wait()
    wait_until(lambda: ask(service)["total"]["jobs"] == 3)
    requests.delete(f"{users}/ann", headers=OWNER, timeout=60).raise_for_status()
    (row,) = ask(service, by="user,device")["rows"]
    assert (row["user"], row["device"], row["gpu_seconds"]) == ("ann", "cuda:0@h", 12.0)
    assert (row["drawing_seconds"], row["cost"], row["pictures"]) == (9.0, 4.5, 6)
    words = ["usage", "report", "--data-dir", str(service.data_dir), service.flags[1], "--csv"]
    told = subprocess.run(
        [sys.executable, "-m", "webapp", *words], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert told.stdout.splitlines()[1].startswith("ann,3,12.0,9.0,")


def test_prices_that_cannot_be_read_end_the_start_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data/.easel").mkdir(parents=True)
    prices, log = tmp_path / "prices.json", tmp_path / "log"
    prices.write_text("{}")
    words = ["web", f"--data-dir={tmp_path}/data", "--price-file", str(prices), "--watch=off"]
    with log.open("wb") as out:
        command = [sys.executable, "-m", "webapp", *words]
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
    assert exit_code(process) == 3
    assert "--price-file prices.json: prices: Field required" in log.read_text()
    assert "Traceback" not in log.read_text()
