"""What strangers see of a share, and that nothing which users bring runs in a browser."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from easel_process import Easel
from playwright.sync_api import Browser, Page

from tests.wait import TIMEOUT

pytestmark = pytest.mark.browser
SCRIPT = "<script>document.documentElement.setAttribute('data-ran', '1')</script>"
FILES = {
    "drawing.svg": f"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>{SCRIPT}</svg>",
    "page.html": f"<html><body>{SCRIPT}</body></html>",
    "notes.md": f"[x](javascript:alert(1)) {SCRIPT}",
}
NASTY = "<img src=x onerror=document.documentElement.setAttribute('data-ran',1)>.txt"


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Page]:
    """Somebody without a credential, who reads Chinese."""
    context = browser.new_context(locale="zh-CN")
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def folder(easel: Easel) -> Path:
    made = easel.data_dir / "outputs" / "shared"
    made.mkdir(parents=True)
    for name, text in FILES.items():
        (made / name).write_text(text)
    (made / NASTY).write_text("x")
    return made


def share(easel: Easel, path: str, **more: object) -> str:
    answer = requests.post(
        f"{easel.url}/api/files/shares", json={"path": path, **more}, timeout=TIMEOUT
    )
    assert answer.ok, answer.text
    return easel.url + str(answer.json()["url"])


@pytest.mark.parametrize("name", FILES)
def test_43_what_users_bring_does_not_run(
    easel: Easel, folder: Path, stranger: Page, name: str
) -> None:
    stranger.goto(f"{easel.url}/api/files/content?path=/data/outputs/shared/{name}&inline=1")
    assert stranger.locator(":root").get_attribute("data-ran") is None
    stranger.goto("about:blank")
    stranger.set_content(SCRIPT)  # the same words do run where scripts may
    assert stranger.locator(":root").get_attribute("data-ran") == "1"


def test_44_names_are_text_on_the_page_of_a_share(
    easel: Easel, folder: Path, stranger: Page
) -> None:
    stranger.goto(share(easel, "/data/outputs/shared"))
    assert stranger.get_by_text(NASTY, exact=True).is_visible()
    assert stranger.get_by_text("全部下载为 .zip").is_visible()
    assert stranger.locator(":root").get_attribute("data-ran") is None


def test_a_password_opens_a_share_and_its_files_are_saved(
    easel: Easel, folder: Path, stranger: Page
) -> None:
    stranger.goto(share(easel, "/data/outputs/shared", password="open sesame"))
    assert stranger.get_by_text("notes.md").count() == 0
    for password in ("wrong", "open sesame"):
        stranger.locator("input[type=password]").fill(password)
        stranger.get_by_role("button", name="打开").click()
        if password == "wrong":
            assert stranger.get_by_role("alert").inner_text() == "密码不正确。"
    with stranger.expect_download() as saved:
        stranger.get_by_role("link", name="notes.md").click()
    assert saved.value.suggested_filename == "notes.md"
    assert Path(saved.value.path()).read_text() == FILES["notes.md"]
    with stranger.expect_download() as whole:
        stranger.get_by_role("link", name="全部下载为 .zip").click()
    assert whole.value.suggested_filename == quote("shared") + ".zip"
