"""Two windows of one person: each stops its own picture, running or waiting, and no other's."""

import re

import pytest
from playwright.sync_api import Page, expect
from running import eventually

pytestmark = pytest.mark.browser


def begin(page: Page, words: str) -> None:
    page.fill("#prompt", words)
    for name, value in (("steps", 150), ("batch_count", 16), ("width", 64), ("height", 64)):
        page.fill(f"#txt2img_{name}", str(value))
        page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    expect(page.locator("#txt2img_interrupt")).to_be_visible()


def test_a_window_stops_its_own_picture_alone(page: Page) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    begin(page, "a red house")
    eventually(expect(page.locator(".figures")).to_have_text, re.compile(r"\d+ %"))
    begin(other, "a blue boat")
    expect(other.get_by_text(re.compile("In line"))).to_be_visible()
    with other.expect_request("**/interrupt?id_task=*") as asked:
        other.click("#txt2img_interrupt")
    expect(other.locator("#txt2img_generate")).to_be_visible()  # it waits for nobody
    expect(other.get_by_role("alert")).to_have_count(0)
    assert "id_task=task(txt2img-" in asked.value.url
    expect(page.locator("#txt2img_interrupt")).to_be_visible()
    with page.expect_request("**/skip?id_task=*"):
        page.click("#txt2img_skip")
    begin(other, "a blue boat")
    page.click("#txt2img_interrupt")
    eventually(expect(page.locator("#txt2img_generate")).to_be_visible)
    eventually(expect(other.locator(".figures")).to_have_text, re.compile(r"\d+ %"))
    other.click("#txt2img_interrupt")
    eventually(expect(other.locator("#txt2img_generate")).to_be_visible)
