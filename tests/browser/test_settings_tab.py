"""The section of settings, and those that stand above the form."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from easel_process import (
    ROOT,
    WIDTH,
    Easel,
    eventually,
    expect_toast,
    open_sections,
    running_easel,
    until,
)
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser
TEXTS = json.loads((ROOT / "static/locales/options.json").read_text(encoding="utf-8"))
OPTIONS = "fetch('sdapi/v1/options').then((answer) => answer.json())"
CLIP, QUICK = "CLIP_stop_at_last_layers", "randn_source"
LABELS = "(all) => all.map((each) => [each.dataset.option, each.querySelector('label').innerText])"
KEY = re.compile(r"^(settings|field|shell|tab|error)\.\w+$")


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with one picture to look at."""
    with running_easel(tmp_path_factory.mktemp("easel") / "data") as running:
        yield running


def section(page: Page, name: str) -> None:
    page.locator("header nav").get_by_role("button", name=name, exact=True).click()


def option(page: Page, name: str) -> Locator:
    return page.locator(f"[data-option={name}]")


def value(page: Page, name: str) -> Any:
    return page.evaluate(OPTIONS)[name]


def draw(page: Page) -> str:
    """The infotext of a picture of one step."""
    section(page, "Text to image")
    page.fill("#txt2img_steps", "1")
    page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    shown = page.locator("#html_info_txt2img")
    eventually(expect(shown).to_be_visible)
    return shown.inner_text()


def test_an_option_is_found_set_used_and_taken_back(page: Page) -> None:
    section(page, "Settings")
    page.fill("#settings_search", "clip skip")
    clip = option(page, CLIP)
    field = clip.get_by_label("Clip skip", exact=True)
    field.fill("99")
    field.press("Tab")
    expect(clip.get_by_role("alert")).to_have_text("From 1 to 12")
    expect(page.locator("#settings_apply")).to_be_disabled()
    field.fill("2")
    field.press("Tab")
    page.fill("#settings_search", "background for grids color")
    page.fill("#settings_search", "grid_background")
    colour = option(page, "grid_background_color")
    colour.locator("input.el-input__inner").fill("nonsense")
    page.click("#settings_apply")  # one of the two does not fit: nothing is stored
    expect(colour.get_by_role("alert")).to_contain_text("a colour such as #ffffff")
    assert value(page, CLIP) == 1
    colour.get_by_role("button", name="Reset: ").click()
    page.click("#settings_apply")
    expect(page.locator("#settings_apply")).to_have_count(0)
    assert value(page, CLIP) == 2
    assert "Clip skip: 2" in draw(page)
    section(page, "Settings")
    page.get_by_role("button", name="Changed", exact=True).click()
    option(page, CLIP).get_by_role("button", name="Reset: ").click()
    expect(option(page, CLIP)).to_have_count(0)
    assert value(page, CLIP) == 1
    expect_toast(page, "1 setting is as before")
    page.locator("button.undo").click()
    eventually(expect(page.locator("#settings_reset")).to_have_text, "Reset 1 setting")
    assert value(page, CLIP) == 2
    page.click("#settings_reset")
    expect(page.locator("#settings_reset")).to_have_count(0)
    assert value(page, CLIP) == 1
    page.fill("#settings_search", "gradio_theme")
    expect(page.get_by_role("note")).to_contain_text("do nothing here: gradio_theme")


def test_a_chosen_setting_stands_above_the_form_and_acts_at_once(page: Page) -> None:
    section(page, "Settings")
    page.fill("#settings_search", QUICK)
    option(page, QUICK).get_by_role("button", name="Show above").click()
    section(page, "Text to image")
    expect(page.locator("#quicksettings")).to_contain_text("Random number generator source")
    page.click(f"#quick_{QUICK}")
    page.get_by_role("option", name="CPU").click()
    page.reload()
    expect(page.locator("#quicksettings")).to_contain_text("CPU")
    assert "RNG: CPU" in draw(page)
    section(page, "Settings")
    page.fill("#settings_search", QUICK)
    option(page, QUICK).get_by_role("button", name="Show above").click()
    section(page, "Text to image")
    expect(page.locator("#quicksettings")).to_have_count(0)


SIGNALS = """
window.asked = 0; window.notes = []; window.tones = 0
window.Notification = class {
  static permission = 'default'
  static async requestPermission() { asked += 1; return (this.permission = 'granted') }
  constructor(title) { notes.push(title) }
}
document.hasFocus = () => false
const start = OscillatorNode.prototype.start
OscillatorNode.prototype.start = function (...given) { tones += 1; return start.apply(this, given) }
"""
HEARD = "[asked, tones, notes.join()]"


def test_help_costs_and_signals_are_shown_when_they_are_wished_for(
    browser: Browser, easel: Easel
) -> None:
    page = browser.new_context(locale="en-US", viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(SIGNALS)
    page.goto(easel.url)
    page.wait_for_selector("#txt2img_generate")
    draw(page)
    eventually(expect(page.locator(".cost")).to_contain_text, "Time taken: ")
    expect(page.locator(".cost")).to_contain_text("RAM: ")
    expect(page.locator("footer.facts")).to_contain_text("Easel ")
    assert page.evaluate(HEARD) == [0, 0, ""]
    count = page.get_by_text("Pictures drawn one after another. Batch count")
    expect(count).to_have_count(0)
    page.get_by_role("button", name="Show help").click()
    expect(count).to_be_visible()
    section(page, "Settings")
    page.fill("#settings_search", "masked content")
    expect(page.locator("main")).to_contain_text("Masked content: What lies under the mask")
    page.fill("#settings_search", "")
    for name in ("notify", "sound"):
        page.locator(f".switch:has(#settings_{name}) .el-switch").click()
    expect(page.locator("#settings_volume")).to_be_visible()
    assert page.evaluate(HEARD) == [1, 2, ""]
    section(page, "Text to image")
    page.click("#txt2img_generate")
    until(page, "() => notes.length > 0")
    assert page.evaluate(HEARD) == [1, 4, "Your pictures are done"]
    page.context.close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_label_is_in_the_readers_language(
    browser: Browser, easel: Easel, language: str
) -> None:
    locale, width = ("zh-CN", 390) if language == "zh" else ("en-US", 1440)
    context = browser.new_context(locale=locale, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(easel.url)
    page.wait_for_selector("#txt2img_generate")
    open_sections(page)
    section(page, {"en": "Settings", "zh": "设置"}[language])
    expect(page.locator(".sections button").nth(len(TEXTS["sections"]))).to_be_attached()
    seen: dict[str, str] = {}
    for button in page.locator(".sections button").all():
        button.click()
        expect(button).to_have_attribute("aria-current", "true")
        seen |= dict(page.locator("[data-option]").evaluate_all(LABELS))
        assert page.evaluate(WIDTH) <= width
        assert page.get_by_text(KEY).count() == 0
    assert seen == {name: row[language][0] for name, row in TEXTS["options"].items()}
    context.close()
