"""Generate stays: each press is one more job, with a price before and a stop of its own."""

import json

import pytest
from easel_process import JOBS, Easel, asked_pictures, eventually, until
from playwright.sync_api import Browser, Page, Request, Route, expect

pytestmark = pytest.mark.browser
PRICE = "**/api/v1/jobs?dry_run=1"


def alone(route: Route) -> None:
    """Let a job be drawn alone, so that others wait for it."""
    job = route.request.post_data_json
    job["body"]["deterministic"] = True
    route.continue_(post_data=json.dumps(job))


def test_each_press_is_a_job_and_each_is_stopped_by_itself(page: Page) -> None:
    page.route(JOBS, alone)
    for name, value in (("steps", 150), ("batch_count", 16), ("width", 64), ("height", 64)):
        page.fill(f"#txt2img_{name}", str(value))
    for words in ("the first", "the second", "the third"):
        page.fill("#prompt", words)
        page.click("#txt2img_generate")
    jobs = page.get_by_role("region", name="Jobs of this window")
    eventually(expect(jobs.get_by_role("status")).to_have_text, "1 running, 2 waiting")
    expect(jobs.get_by_role("listitem").nth(1)).to_contain_text("In line")
    with page.expect_request("**/interrupt?id_task=*") as asked:
        jobs.get_by_role("button", name="Stop: the second").click()
    assert "id_task=task(txt2img-" in asked.value.url
    expect(jobs.get_by_text("the second")).to_have_count(0)  # at once
    expect(jobs.get_by_role("status")).to_have_text("1 running, 1 waiting")
    page.reload()  # all that is left is found again
    eventually(expect(jobs.get_by_role("status")).to_have_text, "1 running, 1 waiting")
    jobs.get_by_role("button", name="Stop: the first").click()
    eventually(expect(jobs.get_by_role("status")).to_have_text, "1 running, 0 waiting")
    expect(jobs).to_contain_text("the third")
    page.keyboard.press("Escape")
    eventually(expect(jobs).to_have_count, 0)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_lines_are_jobs_and_forever_goes_on_until_it_is_stopped(page: Page) -> None:
    asked: list[str] = []

    def keep(request: Request) -> None:
        if request.url.endswith("/api/v1/jobs") and request.method == "POST":
            asked.append(asked_pictures(request)["prompt"])

    page.on("request", keep)
    ways = page.get_by_role("button", name="Other ways to generate")
    for name, value in (("steps", 1), ("width", 64), ("height", 64)):
        page.fill(f"#txt2img_{name}", str(value))
    page.fill("#prompt", "a cat\n\na dog")
    ways.click()
    page.get_by_role("menuitem", name="Generate 2 prompts, one a line").click()
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)
    expect(page.locator("#txt2img_gallery button")).to_have_count(2)
    assert asked == ["a cat", "a dog"]
    page.fill("#prompt", "again")
    ways.click()
    page.get_by_role("menuitem", name="Generate forever").click()
    eventually(expect(page.locator("#txt2img_gallery button").nth(3)).to_be_visible)
    ways.click()
    page.get_by_role("menuitem", name="Cancel generate forever").click()
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)
    assert asked.count("again") >= 2


def test_the_price_is_told_before_and_is_never_an_error(page: Page, easel: Easel) -> None:
    price = page.locator("#txt2img_price")
    expect(price).to_contain_text("about")
    page.route(PRICE, lambda route: route.fulfill(status=500, json={"errors": "no"}))
    page.fill("#txt2img_steps", "99")
    page.keyboard.press("Tab")
    expect(price).to_have_text("")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_from_the_first_visit_to_the_first_picture_by_keyboard_alone(
    browser: Browser, easel: Easel
) -> None:
    page = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 860}).new_page()
    page.goto(easel.url)
    page.wait_for_selector("#txt2img_prompt .cm-content")
    focused = "document.activeElement.matches('#txt2img_prompt .cm-content')"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate(focused):
            break
    assert page.evaluate(focused)
    page.keyboard.type("a red house")
    page.keyboard.press("Control+Enter")
    eventually(expect(page.locator("#html_info_txt2img")).to_contain_text, "a red house")
    until(page, "() => document.querySelectorAll('#gallery .cell img').length > 0")
    page.context.close()
