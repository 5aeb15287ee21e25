"""A page that stays open while everything of the service is killed and started again."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from easel_process import eventually, free_port, running_easel
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser


def processes_of(data_dir: Path) -> Iterator[int]:
    """Every process of the service: all know its data directory, by argument or environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            if str(data_dir).encode() in told and int(folder.name) != os.getpid():
                yield int(folder.name)


def test_the_picture_arrives_after_the_restart(browser: Browser, tmp_path: Path) -> None:
    port, data_dir = free_port(), tmp_path / "data"
    page = browser.new_context(locale="en-US").new_page()
    with ExitStack() as killed:
        easel = killed.enter_context(running_easel(data_dir, port=port))
        page.goto(easel.url)
        page.fill("#prompt", "a red house")
        page.fill("#txt2img_steps", "20")
        page.keyboard.press("Tab")
        page.click("#txt2img_generate")
        eventually(expect(page.locator(".figures")).to_have_text, re.compile(r"\d+ %"))
        for process in list(processes_of(data_dir)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        expect(page.locator(".working")).to_contain_text("The connection is lost")
    with running_easel(data_dir, port=port):
        eventually(expect(page.locator("#html_info_txt2img")).to_contain_text, "Steps: 20")
        expect(page.get_by_role("alert")).to_have_count(0)
    page.context.close()
