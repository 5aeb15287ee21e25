"""The main job, as a newcomer does it: words, a button, a picture."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest
from easel_process import JOBS, eventually
from page_pictures import share_of, shown_picture
from playwright.sync_api import Browser, Page, Route, expect

pytestmark = pytest.mark.browser


def number(page: Page, name: str, value: int) -> None:
    page.fill(f"#txt2img_{name}", str(value))
    page.keyboard.press("Tab")


def draw(page: Page, prompt: str, steps: int, seed: int) -> None:
    page.fill("#prompt", prompt)
    page.fill("#txt2img_seed", str(seed))
    number(page, "steps", steps)
    page.click("#txt2img_generate")
    expect(page.locator("#txt2img_interrupt")).to_be_visible()
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)


def test_the_picture_has_the_named_colours_in_their_places(page: Page) -> None:
    draw(page, "a red house on green grass at night", steps=12, seed=1)
    picture = shown_picture(page)
    pixels = np.asarray(picture.convert("RGB"), dtype=np.int16)  # (h, w, 3)
    upper, lower = np.array_split(pixels, 2)
    assert share_of(pixels, "red") > 0.03
    assert share_of(lower, "green") > 0.2
    assert share_of(lower, "green") > 2 * share_of(upper, "green")
    assert upper[: len(upper) // 2].mean() < 80  # a night sky
    assert picture.info["parameters"] == page.inner_text("#html_info_txt2img")


def test_settings_come_back_from_the_picture(page: Page) -> None:
    draw(page, "a blue boat", steps=3, seed=5)
    page.fill("#prompt", "something else")
    number(page, "steps", 9)
    page.get_by_role("button", name="Draw a new seed each time").click()
    page.get_by_role("button", name="Use these settings").click()
    expect(page.locator("#prompt")).to_have_value("a blue boat")
    assert page.input_value("#txt2img_steps") == "3"
    assert page.input_value("#txt2img_seed") == "5"


def test_several_pictures_can_be_looked_through_and_downloaded(page: Page) -> None:
    number(page, "batch_size", 2)
    draw(page, "a yellow star", steps=2, seed=40)
    thumbnails = page.locator("#txt2img_gallery button")
    expect(thumbnails).to_have_count(2)
    page.locator("body").press("ArrowRight")
    expect(thumbnails.nth(1)).to_have_attribute("aria-current", "true")
    expect(page.locator("#html_info_txt2img")).to_contain_text("Seed: 41")
    with page.expect_download() as download:
        page.get_by_text("Download").click()
    assert download.value.suggested_filename == "a-yellow-star-41.png"
    page.locator("figure .large").click()
    expect(page.locator(".pswp__img").first).to_be_visible()


def test_small_pictures_stand_in_sight_and_buttons_by_the_picture(page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    number(page, "batch_size", 2)
    draw(page, "a yellow star", steps=1, seed=40)
    strip = page.locator("#txt2img_gallery").bounding_box()
    assert strip
    assert strip["y"] + strip["height"] <= 900
    for name, pixels in (("width", 512), ("height", 64), ("batch_size", 1)):
        number(page, name, pixels)
    draw(page, "a yellow star", steps=1, seed=40)
    expect(page.locator("figure .large img")).to_have_js_property("naturalWidth", 512)
    rows = [page.locator("figure > div").nth(at).bounding_box() for at in range(2)]
    for upper, lower in pairwise(row for row in rows if row):
        assert lower["y"] - upper["y"] - upper["height"] < 20


def test_escape_interrupts(page: Page) -> None:
    page.fill("#prompt", "a green tree")
    number(page, "steps", 150)
    number(page, "batch_count", 16)
    page.locator("body").press("Control+Enter")
    eventually(expect(page.locator(".figures")).to_have_text, re.compile(r"\d+ %"))
    page.locator("body").press("Escape")
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)


def test_a_preview_is_shown_while_drawing(page: Page) -> None:
    page.fill("#prompt", "a red heart on a pink background")
    number(page, "steps", 100)
    page.click("#txt2img_generate")
    eventually(expect(page.get_by_alt_text("Preview of the picture in work")).to_be_visible)
    page.click("#txt2img_interrupt")
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)


KEEP_BATCH = """() => {
  window.kept = { before: false, first: null }
  const look = () => { kept.before ||= !!document.querySelector('.working .before') }
  new MutationObserver(look).observe(document, { childList: true, subtree: true })
  document.addEventListener('load', ({ target }) => {
    if (kept.first || !target.matches?.('ol.sheet .drawn')) return
    const count = (what) => document.querySelectorAll(what).length
    const works = document.querySelector('#txt2img_interrupt').checkVisibility()
    const cells = count('ol.sheet li')
    kept.first = { drawn: count('ol.sheet .drawn'), cells, width: target.naturalWidth, works }
  }, true)
}"""  # what comes and goes on a busy machine before a test looks


def test_a_batch_is_shown_picture_by_picture(page: Page) -> None:
    draw(page, "a red house", steps=2, seed=1)
    earlier = page.locator("#html_info_txt2img")
    expect(earlier).to_contain_text("Steps: 2")
    page.fill("#prompt", "a blue boat")
    number(page, "steps", 16)
    number(page, "batch_count", 4)
    page.evaluate(KEEP_BATCH)
    page.click("#txt2img_generate")
    eventually(expect(page.locator("#txt2img_gallery button")).to_have_count, 5)
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)
    expect(page.get_by_role("list", name="Pictures of the batch")).to_have_count(0)
    kept = page.evaluate("kept")
    assert kept["before"]  # the earlier picture stayed until there was a preview
    assert kept["first"] == {"drawn": 1, "cells": 4, "width": 256, "works": True}


def test_a_lost_connection_is_told_and_the_picture_is_fetched_later(page: Page) -> None:
    page.fill("#prompt", "a red house")
    number(page, "steps", 30)
    page.click("#txt2img_generate")
    eventually(expect(page.locator(".figures")).to_have_text, re.compile(r"\d+ %"))
    page.context.set_offline(True)
    expect(page.locator(".working")).to_contain_text("The connection is lost")
    expect(page.locator(".figures")).not_to_contain_text("left")
    expect(page.get_by_role("status").filter(has_text="Connection lost")).to_be_visible()
    page.context.set_offline(False)
    eventually(expect(page.locator("#html_info_txt2img")).to_contain_text, "Steps: 30")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_text("Connection lost")).to_have_count(0)


def test_a_refusal_names_the_field(page: Page) -> None:
    detail = [{"loc": ["body", "steps"], "msg": "must be at most 150", "type": "less_than"}]
    page.route(JOBS, lambda route: route.fulfill(status=422, json={"detail": detail}))
    page.click("#txt2img_generate")
    expect(page.locator(".stage").get_by_role("alert")).to_contain_text(
        "Steps: must be at most 150"
    )
    expect(page.locator(".field.wrong .error")).to_have_text("must be at most 150")


def begin(page: Page, words: str) -> None:
    page.fill("#prompt", words)
    for name, value in (("steps", 150), ("batch_count", 16), ("width", 64), ("height", 64)):
        number(page, name, value)
    page.click("#txt2img_generate")
    expect(page.locator("#txt2img_interrupt")).to_be_visible()


def ask_for_the_same_bits(route: Route) -> None:
    """Let a job be drawn alone, so that it waits for those that run."""
    job = route.request.post_data_json
    job["body"]["deterministic"] = True
    route.continue_(post_data=json.dumps(job))


def test_two_browsers_draw_side_by_side_and_one_is_stopped(page: Page, browser: Browser) -> None:
    other = browser.new_context(locale="en-US", viewport=page.viewport_size).new_page()
    other.goto(page.url)
    expect(other.locator("#prompt")).to_have_value("")  # nothing of the first
    for window, words in ((page, "a red house"), (other, "a blue boat")):
        begin(window, words)
    for window in (page, other):
        eventually(expect(window.locator(".figures")).to_have_text, re.compile(r"[1-9]\d* %"))
    page.click("#txt2img_interrupt")
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)
    expect(other.locator("#txt2img_interrupt")).to_be_visible()
    other.click("#txt2img_interrupt")
    eventually(expect(other.locator("#txt2img_interrupt")).to_be_hidden)
    other.context.close()


def test_a_window_stops_its_own_picture_alone(page: Page) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    other.route(JOBS, ask_for_the_same_bits)
    begin(page, "a red house")
    eventually(expect(page.locator(".figures")).to_have_text, re.compile(r"\d+ %"))
    begin(other, "a blue boat")
    expect(other.locator(".working")).to_contain_text("In line")
    with other.expect_request("**/interrupt?id_task=*") as asked:
        other.click("#txt2img_interrupt")
    expect(other.locator("#txt2img_interrupt")).to_be_hidden()  # it waits for nobody
    expect(other.get_by_role("alert")).to_have_count(0)
    assert "id_task=task(txt2img-" in asked.value.url
    expect(page.locator("#txt2img_interrupt")).to_be_visible()
    with page.expect_request("**/skip?id_task=*"):
        page.click("#txt2img_skip")
    begin(other, "a blue boat")
    page.click("#txt2img_interrupt")
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)
    eventually(expect(other.locator(".figures")).to_have_text, re.compile(r"\d+ %"))
    other.click("#txt2img_interrupt")
    eventually(expect(other.locator("#txt2img_interrupt")).to_be_hidden)
