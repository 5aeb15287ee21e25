"""The page around the picture: models, languages, light, width, login."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from easel_process import WIDTH, Easel, eventually, expect_toast, running_easel
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from safetensors.numpy import save_file

pytestmark = pytest.mark.browser


def test_a_copied_model_appears_and_leaves_without_a_reload(page: Page, easel: Easel) -> None:
    page.evaluate("window.notReloaded = true")
    page.click("#checkpoint")
    options = page.get_by_role("option")
    expect(options).to_have_count(1)
    (default,) = easel.checkpoints.glob("*.safetensors")
    copy = easel.checkpoints / "another.safetensors"
    shutil.copyfile(default, copy)
    expect(options).to_have_count(2)
    selector = page.locator("#setting_sd_model_checkpoint")
    expect(selector).to_contain_text(default.stem)  # the selection is kept
    page.get_by_role("option", name="another").click()
    expect(selector).to_contain_text("another")
    copy.unlink()
    expect(selector).to_contain_text(default.stem)
    expect_toast(page, "another is no longer there")
    assert page.evaluate("window.notReloaded")


def test_the_size_is_what_the_checkpoint_likes(page: Page) -> None:
    side = page.evaluate("fetch('api/session').then((r) => r.json()).then((s) => s.default_size)")
    assert page.input_value("#txt2img_width") == str(side)
    page.get_by_role("button", name="16:9").click()
    wide, high = (int(page.input_value(f"#txt2img_{name}")) for name in ("width", "height"))
    assert wide > high
    page.get_by_role("button", name="Swap width and height").click()
    assert int(page.input_value("#txt2img_width")) == high


def test_language_and_theme_are_switched_and_remembered(page: Page) -> None:
    page.click("#language")
    page.click("#theme")
    page.fill("#prompt", "remember me")
    page.reload()
    expect(page.locator("#txt2img_generate")).to_have_text("生成")
    assert page.evaluate("document.documentElement.className") == "dark"
    assert page.input_value("#prompt") == "remember me"


def test_the_browsers_language_and_light_are_taken_first(browser: Browser, easel: Easel) -> None:
    context = browser.new_context(locale="zh-CN", color_scheme="dark")
    page = context.new_page()
    page.goto(easel.url)
    expect(page.locator("#txt2img_generate")).to_have_text("生成")
    assert page.evaluate("document.documentElement.className") == "dark"
    context.close()


def sections(page: Page) -> Iterator[Callable[[], None]]:
    """Ways to open each section of the page in turn, with all that is folded in it."""
    for button in page.locator("header nav button").all():

        def go(button: Locator = button) -> None:
            button.click()
            page.wait_for_selector(f"main h1:text-is('{button.inner_text()}')", state="attached")
            folded = page.locator(".fold .title[aria-expanded=false]")
            while folded.count():
                folded.first.click()

        yield go


@pytest.mark.parametrize("width", [320, 390, 768, 1024])
def test_nothing_is_wider_than_the_screen(browser: Browser, easel: Easel, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, locale="en-US")
    page = context.new_page()
    page.goto(easel.url)
    page.wait_for_selector("#txt2img_generate")
    for open_section in sections(page):
        open_section()
        assert page.evaluate(WIDTH) <= width
    context.close()


def test_an_example_becomes_the_prompt(page: Page) -> None:
    page.get_by_role("button", name="a red house on green grass at night").click()
    assert page.input_value("#prompt") == "a red house on green grass at night"


NAMELESS = """[...document.querySelectorAll('button, input, textarea, [role=slider]')]
    .filter((e) => e.checkVisibility() && !e.ariaLabel && !e.innerText?.trim()
      && !e.labels?.length && !e.getAttribute('aria-labelledby'))
    .map((e) => e.outerHTML)"""
TWICE = """[...document.querySelectorAll('[id]')].map((e) => e.id)
    .filter((id, at, all) => all.indexOf(id) !== at)"""


def test_every_control_has_a_name_of_its_own(page: Page) -> None:
    for open_section in sections(page):
        open_section()
        assert page.evaluate(NAMELESS) == []
        assert page.evaluate(TWICE) == []


def test_what_a_finger_touches_is_large_enough(browser: Browser, easel: Easel) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(easel.url)
    page.wait_for_selector("#txt2img_generate")
    small = """[...document.querySelectorAll('button, label.act, .el-select__wrapper')]
        .filter((e) => e.checkVisibility())
        .filter((e) => Math.min(e.offsetWidth, e.offsetHeight) < 44).map((e) => e.outerHTML)"""
    for open_section in sections(page):
        open_section()
        assert page.evaluate(small) == []
    context.close()


def picture_file(folder: Path) -> Path:
    path = folder / "picture.png"
    Image.new("RGB", (64, 48), "red").save(path)
    return path


def test_a_strict_content_policy_is_kept(browser: Browser, easel: Easel, tmp_path: Path) -> None:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    broken: list[str] = []
    page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)

    answer = page.goto(easel.url)
    assert answer
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    page.click("#checkpoint")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Escape")
    for open_section in sections(page):
        open_section()
    page.get_by_role("button", name="Image to image").click()
    page.get_by_role("radio", name="Inpaint", exact=True).click()
    page.set_input_files("main section input[type=file]", picture_file(tmp_path))
    page.wait_for_selector("#img2maskimg canvas")
    page.click("#theme")
    page.click("#language")
    assert broken == []
    context.close()


def quiet(page: Page) -> None:
    """Wait until the page has asked for nothing for a second."""
    asked, before = "performance.getEntriesByType('resource').length", -1
    while (now := page.evaluate(asked)) != before:
        before = now
        page.wait_for_timeout(1000)


def test_an_expired_login_asks_again_and_keeps_the_fields(browser: Browser, tmp_path: Path) -> None:
    with running_easel(tmp_path / "data", "--token", "open-sesame") as easel:
        context = browser.new_context(locale="en-US")
        page = context.new_page()
        page.goto(easel.url)
        page.fill("input[name=password]", "open-sesame")
        page.keyboard.press("Enter")
        page.wait_for_selector("#txt2img_controlnet")  # the last that is asked for at the start
        page.fill("#prompt", "kept")
        quiet(page)  # an answer under way would bring the cookie back
        context.clear_cookies()
        page.click("#txt2img_generate")
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("not accepted")
        page.fill("#token", "open-sesame")
        page.keyboard.press("Enter")
        page.wait_for_selector("#txt2img_generate")
        assert page.input_value("#prompt") == "kept"
        page.click("#logout")
        page.wait_for_selector("#token")
        context.close()


def test_a_checkpoint_that_is_not_drawn_with_is_named_by_its_kind(page: Page, easel: Easel) -> None:
    odd = easel.checkpoints / "odd.safetensors"
    save_file({"double_blocks.0.img_attn.qkv.weight": np.zeros((8, 8))}, odd)
    page.click("#checkpoint")
    try:
        eventually(expect(page.get_by_role("option", name="odd · Flux")).to_be_visible)
    finally:
        odd.unlink()
