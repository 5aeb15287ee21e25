"""The vendor's SDK, unchanged, against a whole service of the API edition.

It pins an old protobuf, so that it has a virtual environment of its own; see ``conftest.py``.
"""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.plugin_files import make_plugin
from tests.webapp.routes.queue_service import TOKEN, QueueService, queue_service

HERE = Path(__file__).parent
PUTS = os.environ.get("EASEL_SDK_PUTS", "150")  # in each of four ways; 2000 where time is no matter
SECONDS = 600
ECHO = """
from plugins.api import Reply, Route, Scope

class Plugin:
    def __init__(self, home):
        pass

    @hook
    def routes(self):
        return [Route("/echo", self.echo, methods=("POST",), scope=Scope.CALLERS)]

    def echo(self, ask):
        return Reply([{"query": dict(ask.query), "body": ask.body}])
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueService]:
    """One with a path that answers what it gets."""
    data_dir = tmp_path_factory.mktemp("sdk") / "data"
    make_plugin(data_dir, "echo", web=ECHO, hooks="routes")
    with queue_service(data_dir) as running:
        yield running


def run(python: str, program: str, service: QueueService, *words: str) -> str:
    """What a program with the SDK printed."""
    endpoint = f"127.0.0.1:{service.web.port}"
    done = subprocess.run(
        [python, HERE / program, endpoint, TOKEN, *words],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_sdk_puts_gets_watches_commits_and_truncates(
    sdk_python: str, service: QueueService
) -> None:
    printed = run(sdk_python, "eas_sdk_client.py", service, "easel", PUTS)
    assert printed.count(f"{PUTS} sent, {PUTS} got") == 4


def test_unit_tests_of_the_sdk_pass(sdk_python: str, service: QueueService) -> None:
    printed = run(sdk_python, "eas_sdk_own_tests.py", service, "easel/plugins/echo/echo")
    assert re.search(r"^Ran 9 tests", printed, re.MULTILINE)
    assert printed.count("... ok") == 9


def test_tags_are_the_query_of_the_path(service: QueueService) -> None:
    _, request_id = service.put("easel/plugins/echo/echo?task_id=t&a=b%26c", "[1]")
    result = service.result(request_id)
    (found,) = json.loads(base64.b64decode(result["data"]))
    assert found == {"query": {"task_id": "t", "a": "b&c"}, "body": [1]}
    assert result["tags"] == {"task_id": "t", "a": "b&c", "requestId": request_id}
