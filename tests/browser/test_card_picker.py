"""Models chosen from cards: by keyboard, live, in the prompt, with a checkpoint's defaults."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from easel_process import ROOT, WIDTH, Easel, entry_name, eventually, running_easel
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from test_files_tab import safetensors

from tests.wait import wait_until

pytestmark = pytest.mark.browser
DEFAULT = ROOT / "generator/default_checkpoint/easel-default.safetensors"
AXE = ROOT / "static" / "node_modules" / "axe-core" / "axe.min.js"
FAULTS = """axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] })
    .then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))"""
WANTED = {"width": 320, "height": 192, "steps": 2, "cfg_scale": 4.5, "sampler_name": "Euler a"}


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with two checkpoints, one in a folder and with defaults; and a LoRA with a picture."""
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    folder, loras = data_dir / "models/Stable-diffusion", data_dir / "models/Lora"
    (folder / "anime").mkdir(parents=True)
    loras.mkdir(parents=True)
    shutil.copy2(DEFAULT, folder / "one.safetensors")
    shutil.copy2(DEFAULT, folder / "anime/two.safetensors")
    (folder / "anime/two.json").write_text(json.dumps({"easel defaults": WANTED, "notes": "soft"}))
    safetensors(loras / "paper.safetensors", {"ss_output_name": "paper"})
    Image.new("RGB", (64, 80), (40, 90, 160)).save(loras / "paper.preview.png")
    with running_easel(data_dir) as running:
        yield running


def test_a_checkpoint_is_chosen_by_keyboard_and_its_defaults_are_proposed(page: Page) -> None:
    field = page.locator("#checkpoint")
    field.focus()
    page.keyboard.press("ArrowDown")
    options = page.locator("#cards_list").get_by_role("option")
    expect(options).to_have_count(2)
    expect(page.locator("#cards_list").get_by_role("option", selected=True)).to_have_count(1)
    page.keyboard.press("Escape")
    expect(field).to_be_focused()
    page.keyboard.press("w")  # "two" has one, "one" has none
    expect(options).to_have_count(1)
    expect(page.locator(".beside")).to_contain_text("anime/two.safetensors")
    expect(page.locator(".beside")).to_contain_text("soft")
    page.keyboard.press("Enter")
    expect(page.locator("#cards")).to_have_count(0)
    expect(field).to_be_focused()
    expect(field).to_contain_text("two")

    steps, width = page.locator("#txt2img_steps"), page.locator("#txt2img_width")
    expect(page.get_by_role("status").filter(has_text="320 × 192")).to_contain_text("2 steps")
    expect(steps).to_have_value("20")  # nothing is changed unasked
    page.click("#defaults_use")
    expect(steps).to_have_value("2")
    expect(width).to_have_value("320")
    expect(page.locator("#defaults_use")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(steps).to_have_value("20")

    field.press("ArrowDown")
    page.select_option("#cards_folder", "anime")
    expect(options).to_have_count(1)
    page.select_option("#cards_folder", "")
    page.locator("#cards_search").focus()
    for key in ("Home", "ArrowRight", "ArrowLeft", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#cards")).to_have_count(0)


def test_a_card_keeps_the_forms_settings_and_the_shown_picture(page: Page, easel: Easel) -> None:
    page.fill("#prompt", "a red house")
    for name, number in (("steps", "3"), ("width", "64"), ("height", "64")):
        page.fill(f"#txt2img_{name}", number)
        page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    eventually(expect(page.locator("figure img.hung")).to_be_visible)
    page.click("#checkpoint")
    page.fill("#cards_search", "one")
    page.locator(".beside .picture").click()
    wait_until((easel.checkpoints / "one.png").is_file)
    expect(page.locator("#cards_list img")).to_be_visible()
    page.locator(".beside .act").first.click()
    page.click("#defaults_from_form")
    page.click("#models_save")
    beside = easel.checkpoints / "one.json"
    wait_until(beside.is_file)
    kept = json.loads(beside.read_text())["easel defaults"]
    assert (kept["steps"], kept["width"], kept["clip_skip"]) == (3, 64, 1)


def test_a_lora_uploaded_in_another_window_appears_and_is_added(
    page: Page, browser: Browser, easel: Easel, tmp_path: Path
) -> None:
    safetensors(tmp_path / "ink.safetensors", {})
    notes = {"preferred weight": 0.7, "activation text": "ink, wash", "negative text": "photo"}
    (tmp_path / "ink.json").write_text(json.dumps(notes))
    Image.new("RGB", (32, 32), "red").save(tmp_path / "ink.preview.png")
    page.fill("#prompt", "a cat")
    page.click("#txt2img_extra_networks")
    options = page.locator("#cards_list").get_by_role("option")
    expect(options).to_have_count(1)
    expect(options.locator("img")).to_be_visible()
    page.evaluate("window.notReloaded = true")

    context = browser.new_context(locale="en-US")
    other = context.new_page()
    other.goto(easel.url)
    other.get_by_role("button", name="Files", exact=True).click()
    other.get_by_role("button", name="data", exact=True).first.click()
    other.get_by_role("option", name=entry_name("outputs", folder=True)).dblclick()
    expect(other.get_by_role("listbox", name="outputs", exact=True)).to_be_visible()
    files = [tmp_path / name for name in ("ink.json", "ink.preview.png", "ink.safetensors")]
    other.locator("input[type=file][multiple]").first.set_input_files(files)
    expect(other.get_by_role("dialog")).to_contain_text("With 2 files beside it")
    other.click("#files_suggested")
    expect(other.locator("[data-upload='ink.safetensors']")).to_contain_text("Uploaded")
    expect(other.locator("[data-upload='ink.json']")).to_contain_text("Uploaded")
    wait_until((easel.data_dir / "models/Lora/ink.preview.png").is_file)
    context.close()

    expect(options).to_have_count(2)
    page.fill("#cards_search", "wash")  # by its words, which came beside it
    page.keyboard.press("Enter")
    expect(page.locator("#prompt")).to_have_value("a cat <lora:ink:0.7> ink, wash")
    expect(page.locator("#negative")).to_have_value("photo")
    expect(page.locator("#cards_list").get_by_role("option", selected=True)).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("#prompt")).to_have_value("a cat")
    assert page.evaluate("window.notReloaded")


def test_a_thousand_cards_are_not_all_in_the_document(page: Page) -> None:
    (card,) = page.evaluate("fetch('api/models/cards?kind=lora&name=paper').then((r) => r.json())")
    many = [{**card, "name": f"n{number}", "label": f"n{number}"} for number in range(1000)]
    page.route("**/api/models/cards?kind=lora", lambda route: route.fulfill(json=many))
    page.click("#txt2img_extra_networks")
    first = page.locator("#cards_list").get_by_role("option").first
    expect(first).to_have_attribute("aria-setsize", "1000")
    assert page.locator("#cards_list").get_by_role("option").count() < 100
    page.locator("#cards_search").press("End")
    expect(page.get_by_role("option", name="n999", exact=True)).to_be_visible()


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed (npm ci in static/)")
@pytest.mark.parametrize(("light", "width"), [("dark", 390), ("light", 1280)])
def test_the_cards_speak_chinese_and_fill_a_phone(
    browser: Browser, easel: Easel, light: str, width: int
) -> None:
    context = browser.new_context(
        locale="zh-CN", color_scheme=light, viewport={"width": width, "height": 844}
    )  # fmt: skip
    page = context.new_page()
    page.goto(easel.url)
    page.click("#checkpoint")
    expect(page.locator("#cards_list").get_by_role("option")).to_have_count(2)
    expect(page.locator("#cards_order")).to_contain_text("最近使用")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert page.evaluate(FAULTS) == []
    box = page.locator("#cards").bounding_box()
    assert box
    if width < 400:
        assert (box["x"], box["width"], box["height"]) == (0, 390, 844)
    page.get_by_role("option", name="two").click()
    expect(page.locator("#defaults_use")).to_have_text("使用")
    page.click("#txt2img_extra_networks")
    expect(page.get_by_role("option", name="paper")).to_be_visible()
    assert page.evaluate(FAULTS) == []
    assert page.evaluate(WIDTH) <= width
    page.keyboard.press("Escape")
    context.close()
