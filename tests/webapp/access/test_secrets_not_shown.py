"""No token or password is told: by a route, a log line, a process title, an environment."""

import base64
import copy
import json
import os
import pickle
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pydantic
import pytest
import requests
from flask import Flask
from flask.json.provider import DefaultJSONProvider
from pydantic_core import PydanticSerializationError

from tests.conftest import ROOT
from tests.plugins.plugin_files import make_plugin
from tests.queue_server import QueueServer, require_program
from tests.wait import TIMEOUT, exit_code, wait_until
from tests.webapp.web_process import free_port, web_process
from webapp.access.secret import Secret
from webapp.http.openapi import CONVERTER
from webapp.settings.config import UnknownFlag, parse
from webapp.settings.flags import FLAGS, Flag, environment_variable
from webapp.settings.secret_flags import SECRET

MARK = "canary"
QUEUE_FOLDER = Path(tempfile.gettempdir(), f"easel-canary-{os.getpid()}")
GET_LINES = re.findall(r"^GET (/.*)$", (ROOT / "docs/access.md").read_text(), re.M)
ROUTES = [path for line in GET_LINES for path in line.split()]
SPY = """
import os
from pathlib import Path
from plugins import hook
seen = Path(__file__).parents[2] / f"seen-{os.getpid()}"
here = [Path(f"/proc/{pid}") for pid in ("self", os.getppid())]
names = ("environ", "cmdline")
seen.write_bytes(b"|".join((one / name).read_bytes() for one in here for name in names))
@hook
def tools(): return []
"""


def secret_value(flag: Flag) -> str:
    """A value of a secret flag that its parser takes, with the mark in it."""
    value = f"{MARK}-{flag.name}-0123456789"
    if flag.name == "queue-url":
        return f"unix://:{value}@{QUEUE_FOLDER}/s"
    try:
        parse([f"--{flag.name}", value], {})
    except UnknownFlag:
        return f"user-{flag.name}:{value}"
    return value


@dataclass
class Served:
    """A service with a canary in every secret flag."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path
    data_dir: Path

    def everybody(self) -> Iterator[dict[str, str]]:
        """The headers of each credential, and none."""
        yield {}
        for flag in SECRET:
            value = secret_value(flag)
            if ":" in value:
                value = "Basic " + base64.b64encode(value.encode()).decode()
            yield {"Authorization": value}

    def processes(self) -> list[psutil.Process]:
        """The supervisor and all that it started."""
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]


@pytest.fixture(scope="module")
def secret_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """``easel serve``; a third of the flags each from words, variables and COMMANDLINE_ARGS."""
    program, password = require_program(), f"{MARK}-queue-url-0123456789"
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    make_plugin(data_dir, "spy", web=SPY, hooks="tools")
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    sources: tuple[list[str], list[str]] = ([], [])
    for number, flag in enumerate(SECRET):
        if number % 3 == 2:
            environ[environment_variable(flag)] = secret_value(flag)
        else:
            sources[number % 3].extend([f"--{flag.name}", secret_value(flag)])
    words, line = sources
    environ["COMMANDLINE_ARGS"] = shlex.join([*line, "--api-log"])
    port, log = free_port(), data_dir.parent / "log"
    queue = QueueServer(program, QUEUE_FOLDER, password)
    queue.start()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "webapp", "serve", f"--data-dir={data_dir}", f"--port={port}",
             "--no-default-checkpoint", "--watch=off", "--time-log", *words],
            cwd=ROOT, env=environ, stdout=out, stderr=out,
        )  # fmt: skip
    wait_until(lambda: "ready" in log.read_text() or process.poll() is not None)
    yield Served(f"http://127.0.0.1:{port}", process, log, data_dir)
    process.terminate()
    exit_code(process)
    queue.close()


def test_no_route_tells_a_secret_to_anybody(secret_service: Served) -> None:
    answered = 0
    for headers in secret_service.everybody():
        for route in ROUTES:
            address = secret_service.url + CONVERTER.sub("x", route)
            with requests.get(address, headers=headers, timeout=TIMEOUT, stream=True) as answer:
                stream = answer.headers.get("Content-Type", "").startswith("text/event-stream")
                text = next(answer.iter_content(1 << 16), b"") if stream else answer.content
            assert MARK.encode() not in text, (route, text[:2000])
            assert MARK not in str(answer.headers), route
            answered += answer.ok
    assert answered > 2 * len(ROUTES)
    headers = {"Authorization": secret_value(SECRET[0])}
    told = requests.get(
        f"{secret_service.url}/sdapi/v1/cmd-flags", headers=headers, timeout=TIMEOUT
    ).json()
    assert all(told[flag.name.replace("-", "_")] is None for flag in SECRET)


def test_no_process_shows_a_secret(secret_service: Served) -> None:
    wait_until(
        lambda: list(secret_service.data_dir.glob("seen-*"))
    )  # the plugin was probed, and imported
    shown = [path.read_bytes() for path in secret_service.data_dir.glob("seen-*")]
    processes = secret_service.processes()
    assert len(processes) >= 4  # supervisor, web, its server, worker
    for one in processes:
        shown += [Path(f"/proc/{one.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    assert not [text for text in shown if MARK.encode() in text]
    assert b"--data-dir=" in shown[-2]
    assert MARK not in secret_service.log.read_text()


def test_the_web_process_has_its_secrets_after_a_death(secret_service: Served) -> None:
    children = psutil.Process(secret_service.process.pid).children()
    (web,) = (one for one in children if "web" in one.cmdline())
    web.kill()
    wait_until(lambda: not web.is_running())

    def answers() -> bool:
        try:
            asked = requests.get(
                f"{secret_service.url}/sdapi/v1/samplers",
                headers={"Authorization": secret_value(SECRET[0])}, timeout=5,
            )  # fmt: skip
        except requests.RequestException:
            return False
        return asked.status_code == 200

    wait_until(answers)


def test_a_web_process_by_itself_shows_none_either(tmp_path: Path) -> None:
    with web_process(tmp_path / "data", "--token", secret_value(SECRET[0])) as process:
        assert process.arbiter is not None
        for pid in (process.arbiter.pid, process.serving.pid):
            told = Path(f"/proc/{pid}/cmdline").read_bytes()
            assert b"--data-dir" in told
            assert MARK.encode() not in told


def test_a_secret_cannot_leave_by_accident() -> None:
    secret = Secret(f"{MARK}-text")
    config = parse(["--token", f"{MARK}-text", "--api-auth", f"ann:{MARK}"], {})
    for way in (
        lambda: f"{secret}",
        lambda: str(secret),
        lambda: "%s" % secret,  # noqa: UP031
        lambda: format(secret, ">20"),
        lambda: pickle.dumps(secret),
        lambda: pickle.dumps(config),
        lambda: json.dumps(secret),
        lambda: json.dumps({"a": secret}, default=str),
        lambda: DefaultJSONProvider(Flask("x")).dumps([secret]),
    ):
        with pytest.raises(TypeError):
            way()
    with pytest.raises(pydantic.PydanticSchemaGenerationError):
        pydantic.TypeAdapter(Secret)
    with pytest.raises(PydanticSerializationError):
        pydantic.TypeAdapter(object).dump_json(secret)
    assert MARK not in repr([secret, config, copy.deepcopy(config), vars(type(secret))])
    assert secret == Secret(secret.reveal())
    assert secret != Secret("other")


def test_tokens_and_passwords_are_read_from_files(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("# whose\nann:a:b\n\nbob:c\n")
    assert parse([f"--api-auth=@{file}"], {}).api_auth == (("ann", "a:b"), ("bob", "c"))
    file.write_text("the-owner-s-token\n")
    assert parse([], {"EASEL_TOKEN": f"@{file}"}).token == "the-owner-s-token"
    with pytest.raises(UnknownFlag, match="/nowhere/at/all after the @ cannot be read"):
        parse(["--token", "@/nowhere/at/all"], {})
    with pytest.raises(UnknownFlag) as refused:
        parse(["--token", f"@{MARK}"], {})
    assert MARK not in str(refused.value)
    with pytest.raises(UnknownFlag) as refused:
        parse([f"--tokn={MARK}"], {})
    assert MARK not in str(refused.value)


def test_every_flag_that_sounds_secret_is_marked() -> None:
    sounds = re.compile(r"token|password|secret|(?<!gradio-)auth$|credential|ngrok$|-url$|-dsn$")
    assert {flag.name for flag in FLAGS if sounds.search(flag.name)} <= {
        flag.name for flag in SECRET
    }


COMMANDS = {
    "generate": ("webapp.generate", "main", ("a house", "--sampler", "none such")),
    "models": ("webapp.models_command", "main", ("report",)),
    "users": ("webapp.accounts_command", "run_users", ("list",)),
    "usage": ("webapp.usage_command", "run_usage", ("report", "--by", "day")),
    "mcp": ("webapp.agents.mcp_server", "main", ()),
}
CALL = """
import importlib, sys
from pathlib import Path
sys.modules["mcp"] = None
module, name, *words = sys.argv[1:]
getattr(importlib.import_module(module), name)(words)
print("title", Path("/proc/self/cmdline").read_bytes())
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_shows_a_secret_that_it_was_given(command: str, tmp_path: Path) -> None:
    module, name, words = COMMANDS[command]
    data_dir, secret = f"--data-dir={tmp_path}/data", f"--token={MARK}-0123456789"
    flags = (secret,) if command == "mcp" else (data_dir, "--no-default-checkpoint", secret)
    called = subprocess.run(
        [sys.executable, "-c", CALL, module, name, *words, *flags],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    title = called.stdout[called.stdout.rindex("title") :]
    assert module in title
    assert "***" in title
    assert MARK not in title
