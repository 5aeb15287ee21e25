"""The menu "Send to": the same on every picture, wherever it is shown."""

from pathlib import Path

import pytest
from easel_process import Easel, entry_name, eventually, until
from page_pictures import send
from playwright.sync_api import Locator, Page, expect

from tests.wait import wait_until

pytestmark = pytest.mark.browser

ALL = [
    "Use as source", "Inpaint", "Enlarge", "Use as control", "Use its settings", "Only its prompt",
    "Only its seed", "Download", "Share", "Delete",
]  # fmt: skip


def menu(page: Page) -> Locator:
    return page.get_by_role("menu", name="Send to")


def pick(page: Page, action: str) -> None:
    menu(page).get_by_role("menuitem", name=action).click()


def draw(page: Page) -> None:
    """The smallest picture, of seed 41."""
    fields = {"steps": 1, "width": 64, "height": 64, "seed": 41}
    page.fill("#prompt", "a red house")
    for name, value in fields.items():
        page.fill(f"#txt2img_{name}", str(value))
        page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    eventually(expect(page.locator("figure .large img")).to_be_visible)


def saved(easel: Easel) -> list[Path]:
    return [path for path in easel.data_dir.glob("outputs/**/*.png") if ".trash" not in path.parts]


def test_a_picture_goes_from_everywhere_to_everywhere(page: Page, easel: Easel) -> None:
    draw(page)
    recent = page.locator("#gallery").get_by_role("option", name="a red house").first
    expect(recent).to_be_visible()
    page.locator(".send:visible").click()
    expect(menu(page).get_by_role("menuitem")).to_have_text(ALL)
    inpaint = menu(page).get_by_role("menuitem", name="Inpaint")
    expect(inpaint).to_have_attribute("title", "Send to inpaint")
    page.keyboard.press("Escape")
    expect(page.locator(".send:visible")).to_be_focused()

    send(page, "Use as control")  # of the canvas
    control = page.locator("#txt2img_controlnet")
    expect(control.locator("img").first).to_be_visible()
    expect(control.locator(".title")).to_contain_text("1 in use")

    page.locator("figure .large").click()  # of the viewer, which closes
    page.locator(".pswp__button--send").click()
    expect(menu(page).get_by_role("menuitem").first).to_be_focused()
    pick(page, "Inpaint")
    expect(page.locator(".pswp")).to_have_count(0)
    until(page, "document.querySelector('#img2maskimg canvas')?.offsetHeight > 50")

    page.fill("#prompt", "something else")
    page.fill("#img2img_seed", "7")
    recent.click(button="right")  # of the gallery beside a form
    pick(page, "Only its seed")
    expect(page.locator("#img2img_seed")).to_have_value("41")
    expect(page.locator("#prompt")).to_have_value("something else")

    page.get_by_role("button", name="Gallery", exact=True).first.click()  # of the history
    page.get_by_role("option", name="a red house").click(button="right")
    pick(page, "Only its prompt")
    expect(page.locator("#mode_txt2img #prompt")).to_have_value("a red house")

    page.get_by_role("button", name="Files").click()  # of the files
    path = saved(easel)[0]
    for name in path.relative_to(easel.data_dir).parent.parts:
        page.get_by_role("option", name=entry_name(name, folder=True)).dblclick()
    page.get_by_role("option", name=entry_name(path.name)).click(button="right")
    page.get_by_role("menuitem", name="Send to").click()
    pick(page, "Enlarge")
    expect(page.locator("#tab_extras .hint").first).to_have_text("64 × 64")


def test_a_drawn_picture_is_shared_and_deleted_by_its_file(page: Page, easel: Easel) -> None:
    draw(page)
    before = len(saved(easel))
    send(page, "Share")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    send(page, "Delete")
    wait_until(lambda: len(saved(easel)) == before - 1)
    expect(page.locator("figure .large img")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("figure .large img")).to_be_visible()
    wait_until(lambda: len(saved(easel)) == before)


def test_a_viewer_is_offered_a_copy_alone(page: Page) -> None:
    told = {"scope": "read"}
    page.route("**/api/session", lambda route: route.fulfill(json={**route.fetch().json(), **told}))
    page.reload()
    page.locator("#gallery").get_by_role("option", name="a red house").first.click(button="right")
    expect(menu(page).get_by_role("menuitem")).to_have_text(["Download"])
