"""Easel as a user starts it: a process, a port, a data directory."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.wait import MAX_POLLS, exit_code, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

ROOT = Path(__file__).resolve().parents[2]

ACTION = 120_000  # milliseconds: the longest that one act or expectation of a browser may take
LOOK = 1_000  # milliseconds of one look for what a picture, or another job, is drawn for
LOOKS = 240
PAGE_POLLS = 3 * MAX_POLLS  # of what a drawing has to end for first
JOBS = "**/api/v1/jobs"
RESULT = "**/api/v1/jobs/*/result"
"""Where the page asks for pictures, and where it fetches them."""

WIDTH = """Math.max(...[document.documentElement, document.body,
    ...document.querySelectorAll('.pane, .studio')].filter((e) => e.checkVisibility())
    .map((e) => innerWidth + e.scrollWidth - e.clientWidth))"""
"""What the page is wide, with what one would have to scroll to in any pane."""


@dataclass(frozen=True, slots=True)
class Easel:
    """A running service."""

    url: str
    data_dir: Path

    @property
    def checkpoints(self) -> Path:
        """The folder of its checkpoints."""
        return self.data_dir / "models" / "Stable-diffusion"


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_easel(data_dir: Path, *flags: str, port: int = 0) -> Iterator[Easel]:
    """Easel on this or a free port with the default checkpoint, stopped on leaving."""
    port = port or free_port()
    easel = Easel(f"http://127.0.0.1:{port}", data_dir)
    log = data_dir.parent / f"{data_dir.name}.log"
    command = [sys.executable, "-m", "webapp", "serve", f"--data-dir={data_dir}", "--threads=1"]
    environ = {key: text for key, text in os.environ.items() if not key.startswith("EASEL_")}
    with log.open("w") as out:
        service = subprocess.Popen(
            [*command, "--port", str(port), *flags], cwd=ROOT, env=environ, stdout=out, stderr=out
        )
    try:
        wait_until_up(easel.url, service, log)
        yield easel
    finally:
        service.terminate()
        try:
            exit_code(service)
        finally:
            service.kill()
            service.wait()


def wait_until_up(url: str, service: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the service answers; fail with what it wrote if it does not."""

    def answers_or_ended() -> bool:
        try:
            return requests.get(f"{url}/internal/ping", timeout=5).ok
        except requests.RequestException:
            return service.poll() is not None

    wait_until(answers_or_ended, message="Easel does not answer")
    if service.poll() is not None:
        pytest.fail(f"Easel did not start:\n{log.read_text()}")


def entry_name(name: str, *, folder: bool = False) -> "re.Pattern[str]":
    """The accessible name of a file or "NAME, folder"; in a list, size and date are part of it."""
    stem = name.removesuffix(", folder")
    end = ", folder" if folder or stem != name else ""
    return re.compile(rf"^{re.escape(stem)}( \d.*)?{end}$")


def open_sections(page: "Page") -> None:
    """Show the buttons of the sections where a phone keeps them in a sheet."""
    more = page.locator("nav.phone button[aria-controls=sections]")
    if more.is_visible() and more.get_attribute("aria-expanded") == "false":
        more.click()


def asked_pictures(request: "Request") -> dict[str, Any]:
    """What a request of the page to ``JOBS`` asks for, as it would be sent to ``/sdapi/v1``."""
    body: dict[str, Any] = json.loads(request.post_data or "")["body"]
    return body


def expect_toast(page: "Page", words: str) -> None:
    """Wait until a toast has said this, even if it has gone since."""
    until(page, "words => toasts.some((each) => each.includes(words))", words)


def keep_undo(page: "Page") -> None:
    """Let messages with Undo stay for as long as a busy machine needs to press it."""
    page.evaluate("""() => {
        const real = window.setTimeout
        window.setTimeout = (act, ms, ...given) => real(act, ms === 10_000 ? 1e6 : ms, ...given)
    }""")


def until(page: "Page", condition: str, given: object = None) -> None:
    """Wait until the page finds this true; the page's policy forbids ``wait_for_function``."""
    wait_until(lambda: page.evaluate(condition, given), polls=PAGE_POLLS, message=condition)


def eventually(expected: Callable[..., None], *given: object) -> None:
    """Wait for what only a finished job brings: looks are counted, since a busy machine is slow.

    ``eventually(expect(locator).to_have_text, "words")``.
    """
    for _ in range(LOOKS):
        with suppress(AssertionError):
            return expected(*given, timeout=LOOK)
    return expected(*given, timeout=LOOK)
