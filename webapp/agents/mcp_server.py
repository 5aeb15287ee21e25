"""``easel mcp``: a server of the Model Context Protocol over standard input and output.

The package ``mcp`` is none that the service needs: it is installed by hand, see docs/jobs.md.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from webapp.access.secret import Secret
from webapp.access.tokens import BadToken, read_secret_lines
from webapp.agents.job_client import JobClient, ServiceError
from webapp.agents.tools import AgentTools, Outcome
from webapp.version import VERSION

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

DEFAULT_ADDRESS = "http://127.0.0.1:7860"
TOKEN_VARIABLE = "EASEL_TOKEN"
EXIT_DONE, EXIT_FAILED, EXIT_MISUSED = 0, 1, 2
INSTRUCTIONS = (
    "Draws and edits pictures with Stable Diffusion. generate and edit answer with the pictures; "
    "where they answer a job that is still queued or running, ask job_state for its id later."
)
HOW_TO_INSTALL = (
    "easel mcp needs the package mcp, which the service itself does not: "
    ".venv/bin/pip install --require-hashes --no-deps -r requirements-mcp.lock"
)


def main(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Serve an agent until it closes its end; the exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        lines = read_secret_lines(arguments.token or environment.get(TOKEN_VARIABLE, ""))
    except BadToken as error:
        print(f"easel mcp: {error}", file=sys.stderr)
        return EXIT_MISUSED
    client = JobClient(arguments.url.rstrip("/"), Secret(lines[0] if lines else ""))
    try:
        server = build_server(AgentTools(client))
    except ImportError:
        print(HOW_TO_INSTALL, file=sys.stderr)
        return EXIT_FAILED
    server.run()
    return EXIT_DONE


def build_parser() -> argparse.ArgumentParser:
    """What the command understands."""
    parser = argparse.ArgumentParser(
        prog="easel mcp", description="Tools for agents, over a running Easel (docs/jobs.md)."
    )
    parser.add_argument("--url", default=DEFAULT_ADDRESS, help="the service's address")
    parser.add_argument(
        "--token", default="", help=f"its token, or @FILE; else {TOKEN_VARIABLE} of the environment"
    )
    return parser


def build_server(tools: AgentTools) -> "MCPServer":
    """The server with its tools. Raises ``ImportError`` where ``mcp`` is not installed."""
    import anyio.to_thread
    from mcp.server.mcpserver import Image, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    server = MCPServer("easel", version=VERSION, instructions=INSTRUCTIONS)

    async def run(act: Callable[[], Outcome]) -> list[Any]:
        """In a thread: others may ask meanwhile. Facts first, then the pictures."""
        try:
            outcome = await anyio.to_thread.run_sync(act)
        except ServiceError as error:
            raise ToolError(str(error)) from None  # of other errors the agent is told no text
        pictures = [Image(data=data, format="png") for data in outcome.pictures]
        return [json.dumps(outcome.facts, ensure_ascii=False), *pictures]

    add_drawing_tools(server, tools, run)
    add_job_tools(server, tools, run)
    return server


def add_drawing_tools(server: "MCPServer", tools: AgentTools, run: Callable[..., Any]) -> None:
    """Pictures."""

    @server.tool(structured_output=False)
    async def generate(
        prompt: str,
        negative_prompt: str = "",
        width: int | None = None,
        height: int | None = None,
        steps: int = 20,
        cfg_scale: float | None = None,
        seed: int = -1,
        count: int = 1,
        model: str = "",
        sampler_name: str = "",
    ) -> list[Any]:
        """Draw pictures from a prompt. model: a title of list_models; seed -1 is random."""
        terms: dict[str, Any] = {"negative_prompt": negative_prompt, "sampler_name": sampler_name}
        terms |= {"width": width, "height": height, "steps": steps, "cfg_scale": cfg_scale}
        terms |= {"seed": seed, "count": count, "model": model}
        answer: list[Any] = await run(partial(tools.generate, prompt, **terms))
        return answer

    @server.tool(structured_output=False)
    async def edit(
        image: str,
        prompt: str,
        mask: str = "",
        strength: float = 0.6,
        negative_prompt: str = "",
        steps: int = 20,
        seed: int = -1,
        count: int = 1,
        model: str = "",
    ) -> list[Any]:
        """Draw from a picture (file, http(s) address or base64); white parts of mask alone."""
        terms: dict[str, Any] = {"mask": mask, "strength": strength, "count": count}
        terms |= {"negative_prompt": negative_prompt, "steps": steps, "seed": seed, "model": model}
        answer: list[Any] = await run(partial(tools.edit, image, prompt, **terms))
        return answer


def add_job_tools(server: "MCPServer", tools: AgentTools, run: Callable[..., Any]) -> None:
    """Models and jobs."""

    @server.tool(structured_output=False)
    async def list_models() -> list[Any]:
        """The checkpoints that generate and edit may name."""
        answer: list[Any] = await run(tools.list_models)
        return answer

    @server.tool(structured_output=False)
    async def job_state(job: str) -> list[Any]:
        """How a job stands, by its id; with its pictures once it has ended."""
        answer: list[Any] = await run(partial(tools.job_state, job))
        return answer

    @server.tool(structured_output=False)
    async def cancel_job(job: str) -> list[Any]:
        """End a job, also while it runs."""
        answer: list[Any] = await run(partial(tools.cancel, job))
        return answer
