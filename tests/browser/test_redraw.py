"""A saved picture, dropped on the page of another browser, is drawn again to the last pixel."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from easel_process import Easel, eventually
from page_pictures import shown_picture
from PIL.ImageFile import ImageFile
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser
SETTINGS = {"steps": "3", "cfg_scale": "5", "seed": "77", "width": "192", "height": "128"}


def draw(page: Page) -> ImageFile:
    page.click("#txt2img_generate")
    expect(page.locator("#txt2img_interrupt")).to_be_visible()
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)
    picture = shown_picture(page)
    assert isinstance(picture, ImageFile)
    return picture


def drop(place: Locator, file: Path) -> None:
    """Drop a file of the disk on it, as a hand does."""
    box = place.bounding_box()
    assert box is not None
    devtools = place.page.context.new_cdp_session(place.page)
    data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        devtools.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})
    devtools.detach()


def test_a_dropped_picture_is_drawn_again_pixel_by_pixel(
    page: Page, browser: Browser, easel: Easel, tmp_path: Path
) -> None:
    page.fill("#prompt", "a red house")
    for name, value in SETTINGS.items():
        page.fill(f"#txt2img_{name}", value)
        page.keyboard.press("Tab")
    first = draw(page)
    file = tmp_path / "dropped.png"
    shutil.copy(first.filename, file)  # a download has no suffix
    other = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 860}).new_page()
    other.goto(easel.url)
    expect(other.locator("#txt2img_prompt .cm-content")).to_be_visible()
    expect(other.locator("#prompt")).to_have_value("")  # it knows nothing of the first
    drop(other.locator(".stage").first, file)
    expect(other.locator("#prompt")).to_have_value("a red house")
    for name, value in SETTINGS.items():
        expect(other.locator(f"#txt2img_{name}")).to_have_value(value)
    again = draw(other)
    assert again.size == (192, 128)
    assert (np.asarray(first) == np.asarray(again)).all()
    other.context.close()
