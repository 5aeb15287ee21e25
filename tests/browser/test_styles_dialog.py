"""The styles: made, applied, changed, thrown away; on a phone, in the dark, in Chinese."""

import csv
import re

import pytest
import requests
from easel_process import WIDTH, Easel, eventually, expect_toast, keep_undo
from playwright.sync_api import Browser, Locator, Page, expect

from tests.wait import TIMEOUT, wait_until

pytestmark = pytest.mark.browser
INK = {"name": "ink", "prompt": "ink drawing of {prompt}", "negative_prompt": "colour"}
SMALL = """[...document.querySelectorAll('dialog button')].filter((e) => e.checkVisibility())
    .filter((e) => Math.min(e.offsetWidth, e.offsetHeight) < 44).map((e) => e.outerHTML)"""


@pytest.fixture(autouse=True)
def no_styles(easel: Easel) -> None:
    (easel.data_dir / "styles.csv").unlink(missing_ok=True)


def keep(easel: Easel, **style: str) -> None:
    assert requests.put(f"{easel.url}/api/styles", json=style, timeout=TIMEOUT).ok


def sheet(page: Page) -> Locator:
    return page.get_by_role("dialog", name=re.compile("Styles|预设样式"))


MESSAGE = """() => {
    const message = [...document.querySelectorAll('.el-message')].at(-1)
    const at = ({ x, y, width, height }) => document.elementFromPoint(x + width / 2, y + height / 2)
    const icon = message.querySelector('.el-message__icon').getBoundingClientRect()
    const undo = message.querySelector('.undo')
    const { top } = message.getBoundingClientRect()
    const dialog = document.querySelector('dialog').getBoundingClientRect()
    return {
        pressable: at(undo.getBoundingClientRect()) === undo,
        letsThrough: !message.contains(at(icon)),
        coversNothing: dialog.bottom <= top,
    }
}"""


def expect_undo_above(page: Page) -> None:
    """Wait until a message with Undo lies in front of the dialog, and nothing of it behind one."""
    wanted = {"pressable": True, "letsThrough": True, "coversNothing": True}
    wait_until(lambda: page.evaluate(MESSAGE) == wanted, message=str(page.evaluate(MESSAGE)))


def write(page: Page, name: str, prompt: str, negative: str = "") -> None:
    for label, text in (("name", name), ("prompt", prompt), ("negative", negative)):
        page.fill(f"#style_{label}", text)


def test_a_style_is_made_drawn_with_changed_and_thrown_away(page: Page, easel: Easel) -> None:
    keep_undo(page)
    page.fill("#prompt", "a red house")
    page.get_by_role("button", name="New style").click()
    save = sheet(page).get_by_role("button", name="Save")
    expect(save).to_be_disabled()
    write(page, "ink", "ink drawing of {prompt}", "colour")
    save.click()
    expect_toast(page, "Style saved")
    sheet(page).get_by_role("button", name="Use it").click()
    page.keyboard.press("Escape")
    expect(sheet(page)).to_have_count(0)
    page.fill("#txt2img_steps", "1")
    page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    text = page.locator("#html_info_txt2img")
    eventually(expect(text).to_contain_text, "ink drawing of a red house")
    expect(text).to_contain_text("Negative prompt: colour")

    page.get_by_role("button", name="Styles", exact=True).click()
    expect(page.locator("#style_name")).to_have_value("ink")  # the chosen one is open
    write(page, "pen", "pen drawing of {prompt}")
    save.click()
    own = sheet(page).get_by_role("navigation", name="Styles")
    expect(own.get_by_role("button")).to_have_text(["pen", "New style"])
    with (easel.data_dir / "styles.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"name": "pen", "prompt": "pen drawing of {prompt}", "negative_prompt": ""}
        ]
    expect(sheet(page).get_by_role("button", name="Leave it out")).to_be_visible()  # still chosen
    sheet(page).get_by_role("button", name="Delete").click()
    expect_toast(page, "pen is deleted")
    expect(page.locator("#style_name")).to_have_value("")
    expect_undo_above(page)
    page.focus("#style_name")
    page.keyboard.press("F8")
    expect(sheet(page).get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#style_name")).to_be_focused()
    expect(own.get_by_role("button")).to_have_text(["pen", "New style"])
    own.get_by_role("button", name="pen").click()
    sheet(page).get_by_role("button", name="Delete").click()
    page.keyboard.press("Escape")  # the message stays, in front of the page
    expect(sheet(page)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Styles", exact=True).click()
    expect(own.get_by_role("button")).to_have_text(["pen", "New style"])
    sheet(page).get_by_role("button", name="Pixel art").click()
    sheet(page).get_by_role("button", name="Write into the prompt").click()
    expect(page.locator("#prompt")).to_have_value(re.compile("^pixel art of a red house, "))
    expect(page.locator("#negative")).to_have_value(re.compile("^blurry"))
    page.get_by_role("button", name="Undo").last.click()
    expect(page.locator("#prompt")).to_have_value("a red house")


def test_the_words_of_the_page_become_a_style_and_back(page: Page, easel: Easel) -> None:
    page.fill("#prompt", "fog, soft light")
    page.get_by_role("button", name="New style").click()
    page.fill("#style_name", "fog")
    sheet(page).get_by_role("button", name="Take the prompt").click()
    expect(page.locator("#style_prompt")).to_have_value("fog, soft light")
    sheet(page).get_by_role("button", name="Save").click()
    sheet(page).get_by_role("button", name="Use it").click()
    sheet(page).get_by_role("button", name="Close").click()
    page.fill("#prompt", "a boat")
    page.get_by_role("button", name="Write the styles into the prompt").click()
    expect(page.locator("#prompt")).to_have_value("a boat, fog, soft light")


def test_what_is_wrong_with_a_style_stands_at_its_field(page: Page, easel: Easel) -> None:
    keep(easel, **INK)
    keep(easel, **INK | {"name": "pen"})
    page.reload()
    page.get_by_role("button", name="Styles", exact=True).click()
    sheet(page).get_by_role("button", name="pen", exact=True).click()
    page.fill("#style_name", "ink")
    sheet(page).get_by_role("button", name="Save").click()
    expect(sheet(page)).to_contain_text("there is a style 'ink' already")
    sheet(page).get_by_role("button", name="New style").click()
    write(page, "#note", "x")
    sheet(page).get_by_role("button", name="Save").click()
    expect(sheet(page)).to_contain_text("does not begin with #")


def test_on_a_phone_in_the_dark_in_chinese(browser: Browser, easel: Easel) -> None:
    keep(easel, **INK)
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, locale="zh-CN", color_scheme="dark"
    )
    page = context.new_page()
    page.goto(easel.url)
    page.get_by_role("button", name="预设样式", exact=True).tap()
    sheet(page).get_by_role("button", name="ink").tap()
    expect(page.locator("#style_prompt")).to_have_value("ink drawing of {prompt}")
    assert page.evaluate(WIDTH) <= 390
    assert page.evaluate("document.querySelector('dialog').scrollWidth") <= 390
    assert page.evaluate(SMALL) == []
    paper = sheet(page).evaluate("(e) => getComputedStyle(e).backgroundColor")
    assert max(map(int, re.findall(r"\d+", paper)[:3])) < 80  # dark paper
    page.fill("#style_prompt", "水墨画 {prompt}")
    sheet(page).get_by_role("button", name="保存").tap()
    expect_toast(page, "样式已保存")
    assert "水墨画" in (easel.data_dir / "styles.csv").read_text(encoding="utf-8-sig")
    context.close()
