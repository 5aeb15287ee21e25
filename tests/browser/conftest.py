"""A running Easel and a real Chromium, each started once for a file of tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from easel_process import ACTION, ROOT, Easel, running_easel

try:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        Page,
        Playwright,
        expect,
        sync_playwright,
    )
except ModuleNotFoundError:
    pytest.skip("playwright is not installed", allow_module_level=True)

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

KEEP_TOASTS = """
window.toasts = []
const keep = (node) => node.classList?.contains('el-message') && toasts.push(node.textContent)
new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach(keep)))
  .observe(document, { childList: true, subtree: true })
"""  # a toast goes after three seconds, seen or not; see easel_process.expect_toast


@pytest.fixture(scope="session", autouse=True)
def page_and_browser() -> None:
    """Skip where the page is not built or Chromium is missing, saying how to get them."""
    if not (ROOT / "static" / "dist" / "index.html").is_file():
        pytest.skip("static/dist is not built (npm ci && npm run build in static/)")
    if not Path(CHROMIUM).is_file():
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")


@pytest.fixture(scope="session")
def playwright(page_and_browser: None) -> Iterator[Playwright]:
    """Playwright's driver."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium."""
    expect.set_options(timeout=ACTION)
    launched = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
    opening = launched.new_context

    def patient(**wishes: Any) -> BrowserContext:
        context = opening(**wishes)
        context.set_default_timeout(ACTION)
        context.add_init_script(KEEP_TOASTS)
        return context

    launched.new_context = patient  # type: ignore[method-assign, assignment]
    yield launched
    launched.close()


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel on this machine alone, without credentials."""
    with running_easel(tmp_path_factory.mktemp("easel") / "data") as running:
        yield running


@pytest.fixture
def page(browser: Browser, easel: Easel) -> Iterator[Page]:
    """The page, opened for the first time by an English reader."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 860})
    opened = context.new_page()
    opened.goto(easel.url)
    opened.wait_for_selector("#txt2img_generate")
    yield opened
    context.close()
