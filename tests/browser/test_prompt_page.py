"""The prompt: its colours, its keys, its past; presets, the palette, and folds that tell."""

from typing import Any

import pytest
from easel_process import JOBS, asked_pictures
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
def prompt(page: Page) -> Locator:
    expect(page.locator("#txt2img_prompt .cm-content")).to_be_visible()
    return page.locator("#prompt")


def test_a_prompt_is_coloured_checked_and_edited_by_keys(page: Page, prompt: Locator) -> None:
    words = "a (red:1.3) house, [cat:dog:0.5] [x|y] BREAK {a|b} <lora:paint:1>"
    prompt.fill(words)
    field = page.locator("#txt2img_prompt")
    for kind, text in (
        ("strong", ["red"]),
        ("tag", ["<lora:paint:1>"]),
        ("word", ["BREAK"]),
        ("schedule", ["[", ":", ":", "0.5]"]),
        ("choice", ["[", "|", "]"]),
        ("variant", ["{", "|", "}"]),
    ):
        expect(field.locator(f".prompt-{kind}")).to_have_text(text)
    page.keyboard.press("Control+End")
    page.keyboard.type(" (")
    expect(field.locator(".prompt-unbalanced")).to_have_text("(")
    expect(field.get_by_role("status")).to_have_text("A bracket is left open: (")
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    expect(field.get_by_role("status")).to_have_text("")
    expect(prompt).to_have_value(words)

    composing = page.context.new_cdp_session(page)
    prompt.fill("a cat")
    chosen = {"selectionStart": 3, "selectionEnd": 3}
    composing.send("Input.imeSetComposition", {"text": "mao", **chosen})
    composing.send("Input.insertText", {"text": "猫"})
    page.keyboard.press("Control+ArrowUp")
    expect(prompt).to_have_value("a (cat猫:1.1)")
    page.keyboard.press("Control+z")
    expect(prompt).to_have_value("a cat猫")


def test_what_was_drawn_comes_back_and_a_loss_is_taken_back(page: Page, prompt: Locator) -> None:
    prompt.fill("a red house at night")
    page.route(JOBS, lambda route: route.fulfill(status=500, json={"detail": "not now"}))
    page.click("#txt2img_generate")
    expect(page.get_by_role("alert").first).to_be_visible()
    prompt.fill("a blue boat")
    page.get_by_role("button", name="Earlier prompts").click()
    dialog = page.get_by_role("dialog", name="Earlier prompts")
    page.keyboard.type("NIGHT red")
    dialog.get_by_role("listitem").get_by_role("button").click()
    expect(dialog).to_have_count(0)
    expect(prompt).to_have_value("a red house at night")
    page.get_by_role("button", name="Undo").click()
    expect(prompt).to_have_value("a blue boat")


def test_the_palette_finds_a_field_by_automatic1111s_word(page: Page, prompt: Locator) -> None:
    prompt.focus()
    page.keyboard.press("Control+k")
    palette = page.get_by_role("combobox", name="A section, an action, a field or a model")
    expect(palette).to_be_focused()
    page.keyboard.type("clip skip")
    option = page.get_by_role("option", selected=True)
    expect(option).to_contain_text("Clip skip")
    page.keyboard.press("Enter")
    expect(page.locator("#setting_CLIP_stop_at_last_layers")).to_be_focused()  # its fold is open
    page.keyboard.press("Control+k")
    page.keyboard.type("queue files")
    expect(page.get_by_text("Nothing is called that.")).to_be_visible()
    palette.fill("image to")
    page.keyboard.press("Enter")
    expect(page.locator("#mode_img2img")).to_be_visible()
    page.locator("body").press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("weight of the selection")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def asked(page: Page) -> dict[str, Any]:
    with page.expect_request(JOBS) as request:
        page.click("#txt2img_generate")
    expect(page.get_by_role("alert").first).to_be_visible()
    body = asked_pictures(request.value)
    del body["force_task_id"]
    return body


def test_reset_makes_the_next_request_equal_to_a_first_one(page: Page, prompt: Locator) -> None:
    page.route(JOBS, lambda route: route.fulfill(status=500, json={"detail": "not now"}))
    prompt.fill("a red house")
    first = asked(page)
    for name, value in (("steps", "9"), ("width", "128"), ("batch_count", "3")):
        page.fill(f"#txt2img_{name}", value)
        page.keyboard.press("Tab")
    folds = page.locator(
        "#txt2img_hr, #txt2img_advanced, #txt2img_controlnet, #txt2img_script_container"
    )
    for title in folds.locator(".title").all():
        title.click()
    page.fill("#txt2img_hires_steps", "7")
    page.keyboard.press("Tab")
    expect(page.get_by_role("switch", name="Hires fix")).to_be_checked()  # touched, so it is used
    page.fill("#txt2img_hr_scale", "1.5")
    page.keyboard.press("Tab")
    page.locator("#txt2img_tiling").evaluate("(field) => field.click()")
    page.locator("#txt2img_controlnet").get_by_role("switch").first.evaluate("(e) => e.click()")
    expect(page.locator("#txt2img_hr .revert")).to_have_text("2 changed, revert")
    expect(page.locator("#txt2img_controlnet .revert")).to_have_text("1 changed, revert")
    expect(page.locator(".changed")).to_have_count(6)
    changed = asked(page)
    assert changed["enable_hr"]
    page.locator("#txt2img_hr .revert").click()
    expect(page.get_by_role("switch", name="Hires fix")).not_to_be_checked()
    page.get_by_role("button", name="Reset to defaults").click()
    expect(page.locator(".changed, .revert")).to_have_count(0)
    assert asked(page) == first
    page.get_by_role("button", name="Undo").last.click()
    expect(page.locator("#txt2img_steps")).to_have_value("9")
