"""Painting upon a picture in colours: sketch, and inpaint sketch."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from easel_process import (
    JOBS,
    RESULT,
    WIDTH,
    Easel,
    asked_pictures,
    eventually,
    open_sections,
    until,
)
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
GREY = (120, 120, 120)
SIDE = 128  # pixels of the picture
SHOWN = "document.querySelector('#img2img_sketch canvas')?.offsetHeight > 50"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (SIDE, SIDE), GREY).save(tmp_path / "grey.png")
    return tmp_path / "grey.png"


def begin(page: Page, picture: Path, mode: str) -> None:
    page.get_by_role("button", name="Image to image").click()
    page.set_input_files("#mode_img2img .source input[type=file]", picture)
    page.get_by_role("radio", name=mode, exact=True).click()
    until(page, SHOWN)


def stroke(page: Page, colour: str, height: float) -> None:
    """From left to right over the middle half, at a share of the height."""
    page.fill("#mode_img2img input[type=color]", colour)
    box = page.locator("#img2img_sketch canvas").first.bounding_box()
    assert box is not None
    y = box["y"] + height * box["height"]
    middle, half = box["x"] + box["width"] / 2, box["height"] / 4
    page.mouse.move(middle - half, y)
    page.mouse.down()
    page.mouse.move(middle + half, y, steps=5)
    page.mouse.up()


def pixels(text: str) -> NDArray[np.int16]:
    data = base64.b64decode(text.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int16)  # (h, w, 3)


def capture_request(page: Page) -> Any:
    """What the page asks for; nothing is drawn."""
    with page.expect_request(JOBS) as request:
        page.click("#img2img_generate")
    return asked_pictures(request.value)


def refuse(page: Page) -> None:
    page.route(JOBS, lambda route: route.fulfill(status=422, json={"detail": []}))


def test_a_sketch_is_drawn_from_as_it_is_seen(page: Page, picture: Path) -> None:
    refuse(page)
    begin(page, picture, "Sketch")
    stroke(page, "#ff0000", 0.25)
    stroke(page, "#0000ff", 0.75)
    body = capture_request(page)
    assert "mask" not in body
    sent = pixels(body["init_images"][0])
    assert sent.shape == (SIDE, SIDE, 3)
    assert tuple(sent[SIDE // 4, SIDE // 2]) == (255, 0, 0)
    assert tuple(sent[SIDE * 3 // 4, SIDE // 2]) == (0, 0, 255)
    assert tuple(sent[SIDE // 2, SIDE // 2]) == tuple(sent[2, 2]) == GREY

    page.get_by_role("button", name="Undo").click()
    sent = pixels(capture_request(page)["init_images"][0])
    assert tuple(sent[SIDE * 3 // 4, SIDE // 2]) == GREY
    page.get_by_role("button", name="Clear the paint").click()
    assert (pixels(capture_request(page)["init_images"][0]) == GREY).all()


def test_an_inpaint_sketch_sends_paint_and_mask(page: Page, picture: Path) -> None:
    refuse(page)
    begin(page, picture, "Inpaint sketch")
    page.click("#img2img_generate")
    expect(page.locator("#mode_img2img")).to_be_visible()  # nothing is painted: nothing is asked
    stroke(page, "#00ff00", 0.25)
    page.fill("#img2img_mask_blur", "0")
    page.fill("#img2img_mask_alpha", "40")
    page.keyboard.press("Tab")
    body = capture_request(page)
    mask, sent = pixels(body["mask"]), pixels(body["init_images"][0])
    assert abs(int(mask[SIDE // 4, SIDE // 2, 0]) - 153) <= 1  # 60 % of white
    assert mask[SIDE // 2 :].max() == 0
    expected = np.array(GREY) * 0.4 + np.array((0, 255, 0)) * 0.6
    assert np.abs(sent[SIDE // 4, SIDE // 2] - expected).max() <= 2
    assert (sent[SIDE // 2 :] == GREY).all()

    page.fill("#img2img_mask_blur", "8")
    page.fill("#img2img_mask_alpha", "0")
    page.keyboard.press("Tab")
    column = pixels(capture_request(page)["init_images"][0])[: SIDE // 2, SIDE // 2, 1]
    steps = np.abs(np.diff(column))
    assert 0 < steps.max() < 80  # a soft edge; a hard one is a step of 135


def test_what_is_sketched_is_drawn(page: Page, picture: Path) -> None:
    begin(page, picture, "Inpaint sketch")
    stroke(page, "#ff0000", 0.25)
    page.fill("#prompt", "a red house")
    for name, value in (("steps", "2"), ("denoising_strength", "0.3"), ("width", str(SIDE))):
        page.fill(f"#img2img_{name}", value)
        page.keyboard.press("Tab")
    page.fill("#img2img_height", str(SIDE))
    page.keyboard.press("Tab")
    with page.expect_response(RESULT) as answer:
        page.click("#img2img_generate")
    eventually(expect(page.locator("#img2img_interrupt")).to_be_hidden)
    drawn = pixels("," + answer.value.json()["images"][0])
    assert drawn.shape == (SIDE, SIDE, 3)
    under = drawn[SIDE // 4, SIDE // 2]
    assert under[0] > under[1] + 40  # red
    assert np.abs(drawn[SIDE * 3 // 4 :] - GREY).max() <= 3  # untouched


def test_the_sketch_stays_while_one_looks_elsewhere(page: Page, picture: Path) -> None:
    refuse(page)
    begin(page, picture, "Sketch")
    stroke(page, "#ff0000", 0.5)
    page.get_by_role("radio", name="Inpaint", exact=True).click()
    expect(page.locator("#img2maskimg")).to_be_visible()
    page.get_by_role("radio", name="Inpaint sketch", exact=True).click()
    assert pixels(capture_request(page)["mask"])[SIDE // 2, SIDE // 2, 0] == 255


def test_on_a_phone_a_finger_sketches(browser: Browser, easel: Easel, picture: Path) -> None:
    context = browser.new_context(
        viewport={"width": 320, "height": 720}, has_touch=True, locale="zh-CN", color_scheme="dark"
    )
    page = context.new_page()
    page.goto(easel.url)
    refuse(page)
    open_sections(page)
    page.get_by_role("button", name="图生图").tap()
    page.set_input_files("#mode_img2img .source input[type=file]", picture)
    page.get_by_role("radio", name="涂鸦重绘").tap()
    until(page, SHOWN)
    page.locator("#img2img_sketch canvas").first.tap()
    assert page.evaluate(WIDTH) <= 320
    small = page.evaluate(
        """[...document.querySelectorAll('.source button, .source input[type=color]')]
        .filter((e) => e.checkVisibility())
        .filter((e) => Math.min(e.offsetWidth, e.offsetHeight) < 44).map((e) => e.outerHTML)"""
    )
    assert small == []
    assert pixels(capture_request(page)["mask"]).max() == 255
    context.close()
