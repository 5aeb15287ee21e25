"""The queue in the page: one's own jobs with their reasons, quotas, and of others the number."""

import io
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.webapp.conftest import write_checkpoint
from tests.webapp.web_process import WebProcess, web_process
from webapp.accounts_command import run_users

pytestmark = pytest.mark.browser
WORDS = "five wet maps hum"
BODY = {"prompt": "a boat", "width": 64, "height": 64, "steps": 5}


@pytest.fixture(scope="module")
def service(
    page_and_browser: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebProcess]:
    """A service with two members and no worker; one of them has two jobs, the other one."""
    folder = tmp_path_factory.mktemp("queue")
    where = ("--data-dir", str(folder / "data"))
    write_checkpoint(folder / "data/models/Stable-diffusion/painter.safetensors")
    for words in (("add", "ann", "--password-stdin"), ("add", "bob", "--password-stdin"),
                  ("limit", "ann", "pictures_day=8")):  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO(f"{WORDS}\n"))
            assert run_users((*words, *where), {}) == 0
    with web_process(folder / "data", "--accounts", log=folder / "log") as process:
        for name in ("bob", "ann", "ann"):
            session = requests.Session()
            login = {"username": name, "password": WORDS}
            session.post(f"{process.url}/api/v1/login", json=login, timeout=60).raise_for_status()
            job = {"path": "/sdapi/v1/txt2img", "body": BODY}
            session.post(f"{process.url}/api/v1/jobs", json=job, timeout=60).raise_for_status()
        yield process


def test_a_member_sees_why_its_jobs_wait_and_cancels_one(page: Page, service: WebProcess) -> None:
    login = {"username": "ann", "password": WORDS}
    page.request.post(f"{service.url}/api/v1/login", data=login)
    page.goto(service.url)
    page.get_by_role("button", name="Queue", exact=True).click()
    tab = page.locator("#tab_queue")
    expect(tab.get_by_role("status")).to_have_text("3 waiting, 0 being drawn, 0 workers")
    jobs = tab.locator("ol li")
    expect(jobs).to_have_count(2)
    expect(jobs.first).to_contain_text("No worker takes jobs now")
    expect(tab).to_contain_text("Of others 1 waiting and 0 being drawn.")
    expect(tab).not_to_contain_text("bob")
    expect(tab.locator("[data-section=quotas]")).to_contain_text("Pictures today")
    expect(tab.locator("[data-section=quotas]")).to_contain_text("2 / 8")
    jobs.first.get_by_role("button", name="Cancel this job").click()
    expect(jobs).to_have_count(1)
    page.locator("#language").click()
    expect(tab.get_by_role("heading", name="队列")).to_be_visible()
    expect(jobs.first).to_contain_text("目前没有工作进程接收任务")
    expect(tab.locator("[data-section=quotas]")).to_contain_text("今日图片")
