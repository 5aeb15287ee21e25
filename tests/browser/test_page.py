"""The page around the picture: models, languages, light, width, login."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from easel_process import (
    JOBS,
    ROOT,
    WIDTH,
    Easel,
    asked_pictures,
    entry_name,
    eventually,
    expect_toast,
    open_sections,
    running_easel,
)
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from safetensors.numpy import save_file

pytestmark = pytest.mark.browser


def test_a_copied_model_appears_and_leaves_without_a_reload(page: Page, easel: Easel) -> None:
    page.evaluate("window.notReloaded = true")
    page.click("#checkpoint")
    options = page.locator("#cards_list").get_by_role("option")
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
            open_sections(page)
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


@pytest.mark.parametrize(("width", "locale"), [(390, "en-US"), (390, "zh-CN"), (1280, "en-US")])
def test_no_section_is_cut_off_the_bar(
    browser: Browser, easel: Easel, width: int, locale: str
) -> None:
    page = page_of_an_account(browser, easel, width, locale)
    open_sections(page)
    bar = page.evaluate("innerWidth - 10")
    for button in page.locator("header nav button").all():
        box = button.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= bar
    assert (
        page.evaluate("(n => n.scrollWidth - n.clientWidth)(document.querySelector('header nav'))")
        == 0
    )
    page.context.close()


def page_of_an_account(browser: Browser, easel: Easel, width: int, locale: str) -> Page:
    """The page with every section that there may be and the buttons of an account."""
    page = browser.new_context(locale=locale, viewport={"width": width, "height": 844}).new_page()
    told = {"accounts": True, "login": True, "user": "margaret"}
    page.route("**/api/session", lambda route: route.fulfill(json={**route.fetch().json(), **told}))
    page.goto(easel.url)
    page.wait_for_selector("header nav button:nth-child(8)", state="attached")
    return page


def test_two_windows_have_fields_of_their_own(page: Page) -> None:
    page.fill("#prompt", "of the first")
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator("#prompt")).to_have_value("of the first")  # what was last used
    other.fill("#prompt", "of the second")
    page.fill("#negative" if page.locator("#negative").count() else "#txt2img_seed", "7")
    expect(page.locator("#prompt")).to_have_value("of the first")
    for window, words in ((page, "of the first"), (other, "of the second")):
        window.reload()
        expect(window.locator("#prompt")).to_have_value(words)


def test_lists_are_asked_for_once(browser: Browser, easel: Easel) -> None:
    page = browser.new_context(locale="en-US").new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.split("/")[-1]))
    page.goto(easel.url)
    page.wait_for_selector("#txt2img_controlnet")
    quiet(page)
    for name in ("sd-models", "session", "samplers", "script-info", "options"):
        assert asked.count(name) == 1, name
    page.context.close()


def body_of_a_draw(page: Page) -> dict[str, object]:
    """What Generate asks for; it is refused, so that nothing is drawn."""
    page.route(JOBS, lambda route: route.fulfill(status=400, json={"errors": "no"}))
    with page.expect_request(JOBS) as asked:
        page.click("#txt2img_generate")
    expect(page.get_by_role("alert").first).to_be_visible()
    return {**asked_pictures(asked.value), "force_task_id": ""}


def test_reset_makes_the_next_request_a_first_one(page: Page) -> None:
    page.wait_for_selector("#txt2img_controlnet")
    first = body_of_a_draw(page)
    page.fill("#txt2img_steps", "7")
    page.click("#txt2img_controlnet .title")
    page.locator("#txt2img_controlnet .el-switch").first.click()
    page.click("#txt2img_hr .el-switch")
    other = body_of_a_draw(page)
    assert other["steps"] == 7
    assert "alwayson_scripts" in other
    page.get_by_role("button", name="Reset to defaults").click()
    assert body_of_a_draw(page) == first


def test_whoever_sets_a_field_of_a_fold_uses_it(page: Page) -> None:
    page.click("#txt2img_hr .title")
    expect(page.locator("#txt2img_hr .said")).to_have_text("Off, not used")
    page.fill("#txt2img_hr_scale", "1.5")
    page.keyboard.press("Tab")
    expect(page.locator("#txt2img_hr .said")).to_have_text("384 × 384")
    body = body_of_a_draw(page)
    assert (body["enable_hr"], body["hr_scale"]) == (True, 1.5)


def test_a_number_out_of_range_is_kept_and_told(page: Page) -> None:
    for name, least, greatest in (("width", 8, 4096), ("steps", 1, 1000)):
        page.fill(f"#txt2img_{name}", "99999")
        page.keyboard.press("Tab")
        expect(page.locator(f"#txt2img_{name}")).to_have_value("99999")
        field = page.locator(f".field:has(#txt2img_{name})")
        expect(field.locator(".error")).to_have_text(f"From {least} to {greatest}")
    page.fill("#txt2img_steps", "151")  # beyond the slider, not beyond the API
    page.fill("#txt2img_width", "250")
    page.keyboard.press("Tab")
    expect(page.locator(".field .error")).to_have_count(0)
    expect(page.locator("#txt2img_size")).to_contain_text("Drawn at 248 × 256")
    body = body_of_a_draw(page)
    assert (body["steps"], body["width"]) == (151, 250)


@pytest.mark.parametrize(("width", "locale"), [(390, "zh-CN"), (390, "en-US"), (1280, "zh-CN")])
def test_five_figures_are_seen_whole(
    browser: Browser, easel: Easel, width: int, locale: str
) -> None:
    context = browser.new_context(
        locale=locale, viewport={"width": width, "height": 844}, has_touch=width < 640
    )
    page = context.new_page()
    page.goto(easel.url)
    page.click("#txt2img_subseed_show")
    for field in page.locator(".el-input-number--small input").all():
        field.fill("99999")
        assert field.evaluate("input => input.scrollWidth <= input.clientWidth")
    assert page.evaluate(WIDTH) <= width
    context.close()


def test_an_example_becomes_the_prompt(page: Page) -> None:
    page.get_by_role("button", name="a red house on green grass at night").click()
    assert page.input_value("#prompt") == "a red house on green grass at night"


AXE = ROOT / "static" / "node_modules" / "axe-core" / "axe.min.js"
OTHERWISE = """rules => axe.run(document, { runOnly: ['label-content-name-mismatch'],
    rules: { 'label-content-name-mismatch': { enabled: true } } })
    .then(({ violations }) => violations.flatMap(({ nodes }) => nodes.map(({ html }) => html)))"""


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed (npm ci in static/)")
def test_what_one_reads_on_a_control_begins_its_name(page: Page) -> None:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for open_section in sections(page):
        open_section()
        assert page.evaluate(OTHERWISE) == []
    page.get_by_role("navigation").get_by_role("button", name="Files").click()
    expect(page.get_by_role("option", name=entry_name("models", folder=True))).to_be_visible()
    assert page.evaluate(OTHERWISE) == []
    name = page.locator("#language").get_attribute("aria-label") or ""
    assert name.startswith("中文")


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
    expect(page.locator("#cards_list").get_by_role("option")).to_have_count(1)
    page.keyboard.press("Escape")
    for open_section in sections(page):
        open_section()
    page.get_by_role("button", name="Image to image").click()
    page.get_by_role("radio", name="Inpaint", exact=True).click()
    page.set_input_files(".source input[type=file]", picture_file(tmp_path))
    page.wait_for_selector("#img2maskimg canvas")
    page.click("#theme")
    page.click("#language")
    assert broken == []
    context.close()


def test_the_masks_upload_has_a_ring_only_with_the_focus(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="Image to image").click()
    page.get_by_role("radio", name="Inpaint", exact=True).click()
    page.set_input_files(".source input[type=file]", picture_file(tmp_path))
    button = page.locator(".source label.upload")
    expect(button).to_have_css("outline-style", "none")
    page.keyboard.press("Tab")
    page.locator(".source input[type=file]:has(+ label.upload)").focus()
    expect(button).to_have_css("outline-style", "solid")


def test_a_script_that_is_left_again_is_none(page: Page) -> None:
    page.click("#txt2img_script_container .title")
    selector = page.locator(".el-select:has(#txt2img_script)")
    for name in ("Prompt matrix", "None"):
        selector.click()
        page.get_by_role("option", name=name, exact=True).click()
        expect(selector).to_contain_text(name)


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
        expect(page.locator("#gallery")).to_contain_text("What you draw appears here")
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
