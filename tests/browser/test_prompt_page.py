"""The prompt: its colours, its keys, its past; presets, the palette, and folds that tell."""

import pytest
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
