"""``easel mcp``: an agent's tools over a real service."""

import base64
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.wait import run_coroutine
from tests.webapp.routes.job_service import HELD, OWNER, JobService, run_job_service
from webapp.access.secret import Secret
from webapp.agents.job_client import JobClient, ServiceError
from webapp.agents.mcp_server import HOW_TO_INSTALL, main
from webapp.agents.tools import AgentTools
from webapp.version import VERSION

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobService]:
    with run_job_service(tmp_path_factory.mktemp("agents")) as running:
        yield running


@pytest.fixture
def tools(service: JobService) -> AgentTools:
    return AgentTools(JobClient(service.process.url, Secret(OWNER)))


def test_an_agent_draws_and_edits(tools: AgentTools, tmp_path: Path) -> None:
    drawn = tools.generate("a boat", count=2, steps=2, width=64, height=64, sampler_name="")
    assert (drawn.facts["state"], len(drawn.pictures)) == ("succeeded", 2)
    assert drawn.pictures[0].startswith(PNG)
    path = tmp_path / "boat.png"
    Image.new("RGB", (64, 64), "blue").save(path)
    edited = tools.edit(str(path), "a red boat", mask=str(path), steps=2, width=64, height=64)
    assert (edited.facts["state"], len(edited.pictures)) == ("succeeded", 1)


def test_what_takes_long_is_asked_for_later(tools: AgentTools, service: JobService) -> None:
    impatient = AgentTools(tools.client, wait_seconds=0)
    job = impatient.generate(HELD, steps=2, width=64, height=64).facts["id"]
    service.wait_for(job, "running")
    assert tools.job_state(job).pictures == ()
    service.gate.places.release()
    service.settle(job)
    assert len(tools.job_state(job).pictures) == 1
    held = impatient.generate(HELD, steps=2, width=64, height=64).facts["id"]
    tools.cancel(held)
    assert service.settle(held)["state"] == "cancelled"


def test_refusals_are_told_in_a_sentence(tools: AgentTools, tmp_path: Path) -> None:
    assert tools.list_models().facts["models"][0].startswith("sd.safetensors")
    with pytest.raises(ServiceError, match=r"422: .*steps"):
        tools.generate("x", steps=0)
    with pytest.raises(ServiceError, match="no 'elsewhere' here"):  # else another would draw
        tools.generate("x", model="elsewhere")
    with pytest.raises(ServiceError, match="count: 9"):
        tools.generate("x", count=9)
    secret = tmp_path / "passwd.png"
    secret.write_text("root:x:0:0")
    with pytest.raises(ServiceError, match=r"passwd\.png is no picture"):
        tools.edit(str(secret), "x")
    with pytest.raises(ServiceError, match="404"):
        tools.job_state("../../sdapi/v1/options")
    with pytest.raises(ServiceError, match="is it started"):
        AgentTools(JobClient("http://127.0.0.1:1", Secret(""))).list_models()


def test_without_the_package_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    assert main([]) == 1
    assert HOW_TO_INSTALL in capsys.readouterr().err
    assert (ROOT / "requirements-mcp.lock").exists()


def test_the_package_s_own_client_lists_and_calls_the_tools(service: JobService) -> None:
    pytest.importorskip("mcp", reason="mcp is not installed (requirements-mcp.lock)")
    answers = run_coroutine(ask_as_agent(service.process.url))
    assert answers["version"] == VERSION
    assert answers["tools"] == {"generate", "edit", "list_models", "job_state", "cancel_job"}
    text, picture = answers["drawn"].content
    assert json.loads(text.text)["state"] == "succeeded"
    assert (picture.type, picture.mime_type) == ("image", "image/png")
    assert base64.b64decode(picture.data).startswith(PNG)
    for name, words in (("steps", "422: steps"), ("model", "no 'elsewhere' here"), ("job", "404")):
        assert answers[name].is_error
        assert words in answers[name].content[0].text


async def ask_as_agent(address: str) -> dict[str, Any]:
    """What an agent's program gets of the server that it starts."""
    from mcp import ClientSession, StdioServerParameters, stdio_client

    command = ["-m", "webapp", "mcp", "--url", address, "--token", OWNER]
    started = StdioServerParameters(
        command=sys.executable, args=command, cwd=ROOT, env=dict(os.environ)
    )
    boat = {"prompt": "a boat", "steps": 2, "width": 64, "height": 64}
    async with stdio_client(started) as ends, ClientSession(*ends) as agent:
        hello = await agent.initialize()
        return {
            "version": hello.server_info.version,
            "tools": {tool.name for tool in (await agent.list_tools()).tools},
            "drawn": await agent.call_tool("generate", boat),
            "steps": await agent.call_tool("generate", {"prompt": "x", "steps": 0}),
            "model": await agent.call_tool("generate", {"prompt": "x", "model": "elsewhere"}),
            "job": await agent.call_tool("job_state", {"job": "none"}),
        }
