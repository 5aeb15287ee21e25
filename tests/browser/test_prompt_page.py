"""The prompt: its colours, its keys, its past; presets, the palette, and folds that tell."""

import pytest
from easel_process import JOBS
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
    page.route(JOBS, lambda route: route.abort())
    page.click("#txt2img_generate")
    expect(page.get_by_role("button", name="Stop: a red house at night")).to_be_visible()
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
