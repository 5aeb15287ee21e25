"""Asynchronous examples, the guide's and those of docs/queue.md: only address and token are filled
in, and each is run as it stands there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.wait import TIMEOUT
from tests.webapp.conftest import write_checkpoint
from tests.webapp.routes.queue_service import TOKEN, QueueService, queue_service

CHECKPOINT = "models/Stable-diffusion/deliberate_v2.safetensors"
NEEDS_CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
ENVIRON = {**os.environ, "NO_PROXY": "*", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueService]:
    """A service with the checkpoint that the guide names."""
    data_dir = tmp_path_factory.mktemp("examples") / "data"
    (data_dir / CHECKPOINT).parent.mkdir(parents=True)
    write_checkpoint(data_dir / CHECKPOINT)
    with queue_service(data_dir) as service:
        yield service


@pytest.fixture
def service(running: QueueService) -> QueueService:
    """The service with empty queues."""
    running.empty()
    return running


def run(*command: str) -> str:
    """What an example printed."""
    done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def subscribe(python: str, code: str, lines: int) -> str:
    """The first lines of an example that prints results as long as they come."""
    with subprocess.Popen(
        [python, "-c", code],
        env=ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        printed = "".join(process.stdout.readline() for _ in range(lines))
        process.kill()
        assert process.stderr is not None
        assert printed.count("\n") == lines, process.stderr.read()
        return printed


def blocks(kind: str, service: QueueService) -> list[str]:
    """The examples in docs/queue.md in one language, filled in."""
    text = (ROOT / "docs/queue.md").read_text(encoding="utf-8")
    found = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    address = f"127.0.0.1:{service.web.port}"
    return [each.replace("HOST:7861", address).replace("TOKEN", TOKEN) for each in found]


@NEEDS_CURL
def test_examples_of_the_documentation(sdk_python: str, service: QueueService) -> None:
    put, get = blocks("sh", service)
    put_in_python, watch = blocks("python", service)
    assert int(run("sh", "-c", put)) > 0
    assert re.fullmatch(r"queued: \d+\n", run(sys.executable, "-c", put_in_python))
    (entry,) = json.loads(run("sh", "-c", get))
    assert entry["tags"]["task_id"] == "job_001"
    assert "lastCode" not in entry["tags"]
    printed = subscribe(sdk_python, watch, 1)
    assert printed.startswith("task 14837 is done: b'")
    assert "image_url" in printed


@pytest.fixture
def guide(shared: Path) -> str:
    """The vendor's guide."""
    return (shared / "reference/vendor-guide.zh.txt").read_text(encoding="utf-8")


def example(guide: str, service: QueueService, first: str, last: str, address: str) -> str:
    """The guide's text from one line to another, filled in."""
    start = guide.index(first)
    text = guide[start : guide.index(last, start) + len(last)]
    fillings = {
        "<公网输入调用地址>": address,
        "<service_url>": address,
        "<调用地址>": address,
        "<Token>": TOKEN,
        "<token>": TOKEN,
        "<服务名称>": "easel",
    }
    for mark, filling in fillings.items():
        text = text.replace(mark, filling)
    return text


@NEEDS_CURL
def test_examples_of_the_guide(guide: str, sdk_python: str, service: QueueService) -> None:
    host = f"127.0.0.1:{service.web.port}"
    url = f"http://{host}/api/predict/easel"
    asynchronous = guide[guide.index("使用API异步调用\n") :]
    put = example(asynchronous, service, "import requests", 'response.json()}")', url)
    assert re.fullmatch(r"任务已入队: \d+\n", run(sys.executable, "-c", put))
    curl = guide[guide.index("发送异步接口请求示例如下") :]
    assert int(run("sh", "-c", example(curl, service, "curl --location", "}'", url))) > 0
    watch = example(asynchronous, service, "from eas_prediction", 'result.data}")', host)
    printed = subscribe(sdk_python, watch, 4)
    assert "任务 job_001 已完成\n" in printed
    assert "任务 14837 已完成\n" in printed
    assert printed.count("图片地址: b'") == printed.count("image_url") == 2
