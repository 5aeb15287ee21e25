"""Presets: six pictures to begin from; the whole form kept, put back, changed and deleted."""

import re
from pathlib import Path

import pytest
from easel_process import WIDTH, Easel, expect_toast, keep_undo, until
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser
LOADED = """() => [...document.querySelectorAll('.preset img')]
    .filter((e) => e.complete && e.naturalWidth >= 128).length"""


def sheet(page: Page) -> Locator:
    return page.get_by_role("dialog", name=re.compile("Presets|预设"))


def open_presets(page: Page) -> None:
    page.get_by_role("button", name="Presets", exact=True).click()


def test_six_pictures_to_begin_from_set_the_form(page: Page) -> None:
    keep_undo(page)
    page.fill("#prompt", "mine")
    page.fill("#txt2img_steps", "3")
    first = page.get_by_role("list", name="Presets").get_by_role("button")
    expect(first).to_have_count(6)
    until(page, f"() => ({LOADED})() === 6")
    first.filter(has_text="yellow star").click()
    expect(page.locator("#prompt")).to_have_value("a yellow star on a purple background")
    expect(page.locator("#txt2img_steps")).to_have_value("12")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#prompt")).to_have_value("mine")
    expect(page.locator("#txt2img_steps")).to_have_value("3")


def test_the_whole_form_is_kept_put_back_and_never_lost(page: Page, tmp_path: Path) -> None:
    keep_undo(page)
    Image.new("RGB", (300, 200), "teal").save(tmp_path / "teal.png")
    page.fill("#prompt", "a lake")
    page.locator("#txt2img_hr .el-switch").click()
    page.fill("#txt2img_steps", "9")
    open_presets(page)
    expect(sheet(page).get_by_role("button", name="Save the form")).to_be_disabled()
    sheet(page).locator("input[type=file]").set_input_files(tmp_path / "teal.png")
    page.fill("#preset_name", "lake")
    page.keyboard.press("Enter")
    own = sheet(page).get_by_role("region", name="Your presets")
    until(page, f"() => ({LOADED})() === 7 + 6")  # its picture, the shipped ones, those behind
    page.keyboard.press("Escape")

    page.reload()
    keep_undo(page)
    page.locator("#txt2img_hr .el-switch").click()
    page.fill("#txt2img_steps", "20")
    open_presets(page)
    own.get_by_role("button", name="lake", exact=True).click()
    expect(sheet(page)).to_have_count(0)
    expect(page.get_by_role("switch", name="Hires fix")).to_be_checked()
    expect(page.locator("#txt2img_steps")).to_have_value("9")

    page.fill("#txt2img_steps", "11")
    open_presets(page)
    page.fill("#preset_name", "lake")  # a name that is there: its preset is overwritten
    sheet(page).get_by_role("button", name="Overwrite", exact=True).click()
    expect_toast(page, "lake is overwritten")
    own.get_by_role("button", name="Rename lake").click()
    page.keyboard.type("sea")
    page.keyboard.press("Enter")
    own.get_by_role("button", name="Delete sea").click()
    expect_toast(page, "sea is deleted")
    expect(own).to_have_count(0)
    page.get_by_role("button", name="Undo").last.click()
    own.get_by_role("button", name="sea", exact=True).click()
    expect(page.locator("#txt2img_steps")).to_have_value("11")


def test_on_a_phone_in_the_dark_in_chinese(browser: Browser, easel: Easel) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, locale="zh-CN", color_scheme="dark"
    )
    page = context.new_page()
    page.goto(easel.url)
    page.get_by_role("button", name="预设", exact=True).tap()
    expect(sheet(page).get_by_role("button", name="保存表单")).to_be_visible()
    assert page.evaluate(WIDTH) <= 390
    assert page.evaluate("document.querySelector('dialog').scrollWidth") <= 390
    sheet(page).get_by_role("region", name="自带的预设").get_by_role("button").nth(3).tap()
    expect(page.locator("#prompt")).to_have_value(re.compile("yellow star"))
    context.close()
