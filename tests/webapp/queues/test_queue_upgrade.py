"""A file that a service of an earlier version left with waiting jobs: the service answers them."""

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.wait import TIMEOUT, wait_until
from tests.webapp.processes.drained_service import DrainedService
from webapp.queues.sqlite.database import SCHEMA_VERSION

HERE = Path(__file__).parent
OWNER, ANN = "owner-token-1", "anns-token-2"
TASKS = {"task(held)": OWNER, "task(owners)": OWNER, "task(anns)": ANN}
FLAGS = ("--nowebui", "--async", "--token", OWNER, "--generate-token", f"ann={ANN}")


@contextmanager
def upgraded_service(folder: Path, version: int) -> Iterator[str]:
    """The address of a service that was started over the file that another version left."""
    path = folder / "data/.easel/queue.db"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as rows:
        rows.execute("PRAGMA journal_mode=WAL")
        script = (HERE / f"written_by_version_{version}.sql").read_text(encoding="utf-8")
        rows.executescript(script)
        assert rows.execute("PRAGMA user_version").fetchone() == (version,)
    service = DrainedService(folder / "data", *FLAGS)
    try:
        yield f"http://127.0.0.1:{service.port}"
    finally:
        service.end()
    with closing(sqlite3.connect(path)) as rows:
        assert rows.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert rows.execute("SELECT COUNT(*) FROM frames").fetchone() == (0,)
    assert path.with_name(f"queue.db.version-{version}").is_file()


def ask(url: str, token: str, **body: Any) -> requests.Response:
    return requests.post(url, json=body, headers={"Authorization": token}, timeout=TIMEOUT)


def check_tasks(url: str) -> None:
    """Every job's answer is found by whose task it is, once."""
    for task, token in TASKS.items():
        wait_until(
            lambda t=task, c=token: ask(f"{url}/internal/progress", c, id_task=t).json()[
                "completed"
            ],
            message=f"{task} was not answered",
        )
        answer = ask(f"{url}/internal/answer", token, id_task=task)
        assert answer.status_code == 200
        assert answer.json()["images"]
        assert ask(f"{url}/internal/answer", token, id_task=task).status_code == 404


def test_jobs_that_version_1_left_are_answered(tmp_path: Path) -> None:
    with upgraded_service(tmp_path, 1) as url:
        check_tasks(url)


def test_jobs_entries_and_results_that_version_2_left_are_answered(tmp_path: Path) -> None:
    with upgraded_service(tmp_path, 2) as url:
        check_tasks(url)
        found = {}
        for task, token in {"before": OWNER, "job_0": OWNER, "job_1": ANN, "job_2": OWNER}.items():
            query = f"_raw_=false&_timeout_=20s&task_id={task}"
            answer = requests.get(
                f"{url}/api/predict/easel/sink?{query}",
                headers={"Authorization": token},
                timeout=TIMEOUT,
            )
            assert answer.status_code == 200, task
            (entry,) = answer.json()
            assert "lastCode" not in entry["tags"]
            found[task] = base64.b64decode(entry["data"])
        assert found.pop("before") == b"a result of before"
        assert all(json.loads(data)["images"] for data in found.values())
        rest = requests.get(
            f"{url}/api/predict/easel/sink?_count_=true",
            headers={"Authorization": OWNER},
            timeout=TIMEOUT,
        )
        assert rest.text == "0"
