"""Plugins in the page: what they add, how they are turned on and off, what their faults do."""

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from easel_process import Easel, eventually, expect_toast, running_easel, until
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser
COMPOSING = """(area) =>
    area.dispatchEvent(new CompositionEvent('compositionstart', {bubbles: true}))"""
RUNNING = "fetch('api/plugins').then((answer) => answer.json()).then(({running}) => running)"
MARKUP = "<img src=x onerror=window.hurt=1>"

MANIFEST = """
name = "greeter"
title = "Greeter"
version = "2.1"
licence = "MIT"
description = "Says hello. %s"
hooks = ["parts", "routes", "settings", "before_generate"]
permissions = ["files"]
"""
WEB = """
from plugins import hook
from plugins.api import Input, Part, Reply, Route, Setting, Slot


@hook
def parts():
    form = (Input("word", "Greeting word", "text", "hello"), Input("loud", "Loud", "switch", False))
    return (
        Part(Slot.TAB, "Greetings", module="tab.js"),
        Part(Slot.TAB, "Torn", module="torn.js"),
        Part(Slot.PANEL, "Greeting", form=form),
        Part(Slot.PICTURE, "Greet it", module="picture.js"),
    )


@hook
def routes():
    return (Route("/hello", lambda ask: Reply({"hello": ask.query["name"]})),)


@hook
def settings():
    return (Setting("times", 1, "How often.", least=1, most=3),)
"""
WORKER = """
from dataclasses import replace

from plugins import hook


@hook
def before_generate(request):
    told = request.panels.get("greeter")
    return replace(request, notes={**request.notes, "Greeting": told["word"]}) if told else None
"""
TAB = """
export default function mount(element, easel) {
  element.innerHTML = '<h2>Greetings</h2><button>Ask</button><p id="greeted"></p>'
  element.querySelector('button').addEventListener('click', async () => {
    const answer = await easel.fetch('/plugins/greeter/hello?name=Ann')
    element.querySelector('#greeted').textContent = (await answer.json()).hello + ' ' + easel.theme
  })
  window.mounted = (window.mounted ?? 0) + 1
  return () => (window.unmounted = (window.unmounted ?? 0) + 1)
}
"""
PICTURE = """
export default (element, easel) => {
  const { width, infotext } = easel.picture
  element.textContent = `${width} pixels wide: ${infotext}`
}
"""


def bring_plugins(extensions: Path) -> None:
    """A sound plugin of somebody else's, and one that asks for a hook that there is not."""
    files = {
        "greeter/easel-plugin.toml": MANIFEST % MARKUP,
        "greeter/web.py": WEB,
        "greeter/worker.py": WORKER,
        "greeter/static/tab.js": TAB,
        "greeter/static/picture.js": PICTURE,
        "greeter/static/torn.js": f"export default () => {{ throw new Error('{MARKUP}') }}",
        "faulty/easel-plugin.toml": f"name = 'faulty'\nversion = '1'\nlicence = 'MIT'\n"
        f"hooks = ['{MARKUP}']\n",
    }
    for name, text in files.items():
        path = extensions / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def lay_lora(path: Path) -> None:
    """A LoRA of one layer."""
    name = "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight"
    header = json.dumps({name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with plugins of somebody else's, a LoRA and a list of tags."""
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    bring_plugins(data_dir / "extensions")
    lay_lora(data_dir / "models" / "Lora" / "painterly_v2.safetensors")
    (data_dir / "tags").mkdir()
    (data_dir / "tags" / "own.csv").write_text("teal_sky,0,900,azure\nteal_eyes,0,5000,\n")
    with running_easel(data_dir) as running:
        yield running


def section(page: Page, name: str) -> None:
    page.get_by_role("navigation").get_by_role("button", name=name, exact=True).click()


def draw(page: Page, steps: int) -> None:
    page.fill("#txt2img_steps", str(steps))
    page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    expect(page.locator("#txt2img_interrupt")).to_be_visible()


def infotext(page: Page) -> str:
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)
    return page.inner_text("#html_info_txt2img")


def plugin(page: Page, name: str) -> Locator:
    return page.locator(f"article[data-plugin={name}]")


def apply(page: Page) -> None:
    page.click("#extensions_apply")
    expect_toast(page, "loaded anew")


def test_beautifulprompt_leads_from_a_word_to_a_picture(page: Page) -> None:
    section(page, "BeautifulPrompt")
    page.get_by_label("A simple prompt").fill("a cat")
    page.get_by_label("Results").fill("3")
    expect(page.locator(".bp-hint")).to_contain_text("no language model")
    page.click("#beautifulprompt_generate")
    rows = page.locator(".bp-row")
    eventually(expect(rows).to_have_count, 3)
    expect(page.locator(".bp-original")).to_contain_text("a cat")
    written = rows.nth(1).locator("p").inner_text()
    assert written.startswith("a cat,")
    rows.nth(1).get_by_role("button", name="to txt2img").click()
    expect(page.locator("#prompt")).to_have_value(written)
    draw(page, 2)
    assert infotext(page).startswith(written)
    section(page, "BeautifulPrompt")
    another = rows.nth(0).locator("p").inner_text()
    rows.nth(0).get_by_role("button", name="to img2img").click()
    expect(page.locator("#mode_img2img #prompt")).to_have_value(another)


def test_a_plugin_adds_a_tab_a_route_a_field_and_a_button(page: Page) -> None:
    section(page, "Greetings")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#greeted")).to_have_text("Ann light")
    section(page, "Text to image")
    page.fill("#prompt", "a boat")
    page.get_by_role("button", name="Greeting", exact=True).click()
    page.get_by_label("Greeting word").fill("good day")
    draw(page, 2)
    assert "Greeting: good day" in infotext(page)
    page.get_by_role("button", name="Greet it").click()
    expect(page.get_by_role("dialog")).to_contain_text("pixels wide: a boat")


def test_plugins_come_and_go_while_a_picture_is_drawn(page: Page) -> None:
    greetings = page.get_by_role("navigation").get_by_role("button", name="Greetings")
    section(page, "Greetings")
    expect(page.locator("#greeted")).to_be_attached()
    section(page, "Text to image")
    page.fill("#prompt", "a house that is kept")
    draw(page, 150)
    section(page, "Extensions")
    plugin(page, "greeter").locator(".el-switch").click()
    expect(plugin(page, "greeter")).to_contain_text("off after the reload")
    expect(page.get_by_role("status")).to_contain_text("1 change waits")
    expect(greetings).to_be_visible()  # until it is applied
    until(page, f"() => {RUNNING}.then((running) => running === 1)")
    apply(page)
    expect(greetings).to_have_count(0)
    assert page.evaluate("window.unmounted") == 1
    section(page, "Text to image")
    assert infotext(page).startswith("a house that is kept")
    expect(page.locator("#prompt")).to_have_value("a house that is kept")
    section(page, "Extensions")
    plugin(page, "greeter").locator(".el-switch").click()
    apply(page)
    section(page, "Greetings")
    expect(page.locator("#greeted")).to_be_attached()


def test_what_waits_for_a_reload_outlasts_the_visit(page: Page) -> None:
    section(page, "Extensions")
    plugin(page, "greeter").locator(".el-switch").click()
    expect(plugin(page, "greeter")).to_contain_text("off after the reload")
    page.reload()
    section(page, "Extensions")
    expect(plugin(page, "greeter")).to_contain_text("off after the reload")
    expect(page.get_by_role("status")).to_contain_text("1 change waits")
    plugin(page, "greeter").locator(".el-switch").click()
    expect(plugin(page, "greeter")).not_to_contain_text("after the reload")


def test_faults_and_foreign_words_are_shown_as_text(page: Page) -> None:
    section(page, "Torn")
    expect(page.get_by_role("alert")).to_contain_text(MARKUP)
    section(page, "Extensions")
    expect(plugin(page, "faulty")).to_contain_text(f"there is no hook '{MARKUP}'")
    expect(plugin(page, "faulty")).to_contain_text("cannot be used")
    expect(plugin(page, "greeter")).to_contain_text(MARKUP)
    assert page.evaluate("window.hurt") is None
    assert page.locator("article img").count() == 0


def test_settings_and_an_archive_of_a_plugin(page: Page) -> None:
    section(page, "Extensions")
    greeter = plugin(page, "greeter")
    greeter.locator("button[aria-expanded]").click()
    greeter.get_by_label("times").fill("3")
    greeter.get_by_label("times").press("Tab")
    greeter.get_by_role("button", name="Save settings").click()
    expect_toast(page, "Settings saved")
    page.reload()
    section(page, "Extensions")
    greeter.locator("button[aria-expanded]").click()
    expect(greeter.get_by_label("times")).to_have_value("3")

    def choose_archive(name: str, files: dict[str, str]) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        data = {"name": name, "mimeType": "application/zip", "buffer": packed.getvalue()}
        page.set_input_files("#extensions_file", data)

    choose_archive("slip.zip", {"../out.txt": "x"})
    eventually(expect(page.get_by_role("alert")).to_contain_text, "leads out of its folder")
    manifest = 'name = "newcomer"\nversion = "1"\nlicence = "MIT"\n'
    choose_archive("new.zip", {"easel-plugin.toml": manifest, "web.py": ""})
    eventually(expect(plugin(page, "newcomer")).to_be_visible)
    apply(page)
    eventually(expect(plugin(page, "newcomer").locator(".chip")).to_have_text, "on")
    plugin(page, "newcomer").locator("button[aria-expanded]").click()
    plugin(page, "newcomer").get_by_role("button", name="Remove").click()
    page.click("#extensions_remove")
    eventually(expect(plugin(page, "newcomer")).to_have_count, 0)


def test_words_are_completed_where_the_caret_stands(page: Page) -> None:
    page.wait_for_selector("ul.offers", state="attached")
    editor = page.locator("#txt2img_prompt .cm-content")
    expect(editor).to_be_visible()
    prompt = page.locator("#prompt")
    options = page.get_by_role("listbox", name="Offers").get_by_role("option")
    prompt.fill("a cat, , at night")
    prompt.evaluate("(area) => area.setSelectionRange(7, 7)")
    page.keyboard.type("paint")
    expect(options).to_contain_text(["painterly"])
    page.keyboard.press("Tab")
    expect(prompt).to_have_value("a cat, <lora:painterly_v2:1>, at night")
    expect(options).to_have_count(0)
    page.keyboard.press("Control+End")
    page.keyboard.type(", teal")
    expect(options).to_contain_text(["teal", "teal sky"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(prompt).to_have_value("a cat, <lora:painterly_v2:1>, at night, teal sky, ")
    page.keyboard.press("Control+z")
    expect(prompt).to_have_value("a cat, <lora:painterly_v2:1>, at night, teal")
    page.keyboard.press("Control+End")
    page.keyboard.type(" s")
    expect(options).to_have_count(1)
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    page.keyboard.press("Enter")  # nothing is offered: it is a line of the prompt's own
    assert prompt.input_value().endswith("teal s\n")
    editor.evaluate(COMPOSING)
    page.keyboard.type("teal")
    page.wait_for_timeout(400)
    expect(options).to_have_count(0)
