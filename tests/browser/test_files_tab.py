"""The tab of files: looking, finding, putting in order, taking back."""

import json
import os
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from easel_process import Easel, entry_name, open_sections, running_easel
from page_pictures import send
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Locator, Page, expect

from tests.wait import wait_until

pytestmark = pytest.mark.browser
EVIL = "<img src=x onerror=window.run=1>.txt"
TOLD = (
    "a red fox\nNegative prompt: dog\n"
    "Steps: 7, Sampler: Euler, Schedule type: Karras, Seed: 42, Size: 64x48"
)
CARD = """# Card
<script>window.run=2</script>
<img src=x onerror=window.run=3>
[x](javascript:window.run=4)

![gone](http://elsewhere.example/a.png) ![gone](//elsewhere.example/a.png)
<img alt=gone src="/\\elsewhere.example/a.png" srcset="http://elsewhere.example/a.png 2x">
<p style="background: url(http://elsewhere.example/a.png)">plain</p>
<table background="http://elsewhere.example/a.png"><tr><td>cell</td></tr></table>
<video poster="http://elsewhere.example/a.png" src="http://elsewhere.example/a.mp4"></video>
<picture><source srcset="http://elsewhere.example/a.png"><img alt=gone src="https://elsewhere.example/b"></picture>
<svg><image href="http://elsewhere.example/a.png"/></svg>
<link rel=stylesheet href="http://elsewhere.example/a.css">
<style>p { background: url(http://elsewhere.example/a.png) }</style>
"""
COVERED = """() => {
  const controls = 'button, a, input, textarea, select, [role=option]'
  const points = [...document.querySelectorAll('.el-message')].flatMap((message) => {
    const { left, top, width, height } = message.getBoundingClientRect()
    return [...Array(60).keys()].map((at) => [
      left + (at % 20) * width / 20, top + at * height / 60,
    ])
  })
  return points.flatMap(([x, y]) => document.elementsFromPoint(x, y))
    .filter((each) => each.matches(controls) && !each.closest('.el-message'))
    .map((each) => each.outerHTML.slice(0, 120))
}"""
STILL = "() => document.getAnimations().every((each) => each.playState !== 'running')"
CAUGHT = """() => [...document.querySelectorAll('.el-message')].filter((each) => {
  const text = each.querySelector('.el-message__content').getBoundingClientRect()
  return each.contains(document.elementFromPoint(text.left + 4, text.top + text.height / 2))
}).length"""


def safetensors(path: Path, metadata: dict[str, str]) -> None:
    """A LoRA of one small tensor."""
    tensor = {"dtype": "F16", "shape": [4, 4], "data_offsets": [0, 32]}
    name = "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight"
    header = json.dumps({"__metadata__": metadata, name: tensor}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(32))


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with a folder of many kinds of files."""
    with running_easel(tmp_path_factory.mktemp("easel") / "data") as running:
        here = running.data_dir / "outputs" / "many"
        (here / "inner").mkdir(parents=True)
        for number in range(450):
            (here / f"note {number}.txt").write_text(f"note {number}")
        text = PngInfo()
        text.add_text("parameters", TOLD)
        Image.new("RGB", (64, 48), "red").save(here / "fox.png", pnginfo=text)
        (here / EVIL).write_text("<b>text</b>")
        (here / "card.md").write_text(CARD)
        tags = json.dumps({"set": {"foxfur": 12, "<img src=x onerror=window.run=5>": 3}})
        safetensors(
            here / "fox.safetensors", {"ss_base_model_version": "sd_v1", "ss_tag_frequency": tags}
        )
        yield running


@pytest.fixture(scope="module")
def files_page(browser: Browser, easel: Easel) -> Iterator[Page]:
    """The page, opened once: what it shows is kept fresh by itself."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.goto(easel.url)
    yield page
    context.close()


@pytest.fixture
def tab(files_page: Page) -> Iterator[Page]:
    """The tab, standing in the folder of many files with nothing selected."""
    files_page.get_by_role("button", name="Files", exact=True).click()
    files_page.get_by_role("navigation", name="Places").get_by_role("button", name="data").click()
    for name in ("outputs", "many"):
        files_page.get_by_role("option", name=entry_name(name, folder=True)).dblclick()
    expect(files_page.get_by_role("listbox")).to_have_accessible_name("many")
    expect(entry(files_page, "fox.png")).to_be_visible()
    yield files_page
    if files_page.get_by_role("complementary", name="Preview").count():
        files_page.get_by_role("complementary").get_by_role("button", name="Close").click()
    assert files_page.evaluate("window.run") is None  # no text of a file ever became a script


def entry(page: Page, name: str) -> Locator:
    """One entry of the list."""
    return page.get_by_role("option", name=entry_name(name))


def preview(page: Page, name: str) -> Locator:
    """The panel beside the list, showing an entry."""
    entry(page, name).click()
    page.keyboard.press("Space")
    panel = page.get_by_role("complementary", name="Preview")
    expect(panel.get_by_role("heading", level=2)).to_have_text(name)
    return panel


def test_a_long_folder_is_scrolled_to_its_end_by_keys(tab: Page) -> None:
    entry(tab, "inner, folder").click()
    assert tab.get_by_role("option").count() < 60
    tab.keyboard.press("End")
    last = entry(tab, "note 449.txt")
    expect(last).to_be_in_viewport()
    expect(last).to_have_attribute("aria-selected", "true")
    tab.keyboard.press("Shift+ArrowUp")
    expect(tab.get_by_role("toolbar", name="2 selected")).to_be_visible()
    tab.keyboard.press("Control+a")
    expect(tab.get_by_role("toolbar", name="455 selected")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("option", selected=True)).to_have_count(0)


def test_a_name_that_looks_like_a_page_is_shown_as_text(tab: Page) -> None:
    assert preview(tab, EVIL).locator("pre").inner_text() == "<b>text</b>"
    expect(tab.locator("#tab_files img[src='x']")).to_have_count(0)


def test_markdown_does_nothing_but_stand_there(tab: Page) -> None:
    card = preview(tab, "card.md").locator("article")
    expect(card.get_by_role("heading", name="Card")).to_be_visible()
    assert card.locator("script, [onerror], a[href^=javascript]").count() == 0
    assert "elsewhere" not in card.inner_html()
    assert card.inner_text().count("gone") == 4


def test_what_is_deleted_comes_back(tab: Page, easel: Easel) -> None:
    file = easel.data_dir / "outputs" / "many" / "note 7.txt"
    entry(tab, "note 7.txt").click()
    tab.keyboard.press("Delete")
    expect(entry(tab, "note 7.txt")).to_have_count(0)
    assert not file.exists()
    tab.get_by_role("button", name="Undo").click()
    expect(entry(tab, "note 7.txt")).to_be_visible()
    assert file.read_text() == "note 7"


def rename(page: Page, name: str) -> None:
    """Give the selected entry another name, by keys."""
    page.keyboard.press("F2")
    expect(page.get_by_role("textbox", name="Rename")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def test_the_trash_gives_back_what_was_thrown_away(tab: Page, easel: Easel) -> None:
    entry(tab, "note 8.txt").click()
    tab.keyboard.press("Delete")
    expect(entry(tab, "note 8.txt")).to_have_count(0)
    tab.get_by_role("button", name="Trash").click()
    tab.locator("li").filter(has_text="note 8.txt").get_by_role("button", name="Bring back").click()
    expect(tab.get_by_text("The trash is empty.")).to_be_visible()
    assert (easel.data_dir / "outputs" / "many" / "note 8.txt").is_file()


def test_entries_are_renamed_cut_and_pasted(tab: Page, easel: Easel) -> None:
    here = easel.data_dir / "outputs" / "many"
    entry(tab, "note 1.txt").click()
    tab.keyboard.press("F2")
    expect(tab.get_by_role("textbox", name="Rename")).to_be_focused()
    tab.keyboard.type("first")  # before the dot
    renamed = tab.locator(".entry", has=tab.get_by_role("textbox", name="Rename"))
    (here / "note 1.txt").write_text("note 1, longer meanwhile")
    expect(renamed).to_contain_text("24 B")
    tab.keyboard.press("Enter")
    expect(entry(tab, "first.txt")).to_have_attribute("aria-selected", "true")
    tab.keyboard.press("Control+x")
    entry(tab, "inner, folder").dblclick()
    expect(tab.get_by_text("Nothing here yet.")).to_be_visible()
    tab.get_by_role("button", name="Paste 1").click()
    expect(entry(tab, "first.txt")).to_be_visible()
    assert (here / "inner" / "first.txt").read_text() == "note 1, longer meanwhile"
    entry(tab, "first.txt").locator(".grip").drag_to(tab.get_by_role("button", name="many"))
    expect(entry(tab, "first.txt")).to_have_count(0)
    assert (here / "first.txt").is_file()
    tab.get_by_role("alert").filter(has_text="1 moved to many").get_by_role(
        "button", name="Undo"
    ).click()
    expect(entry(tab, "first.txt")).to_be_visible()
    assert (here / "inner" / "first.txt").is_file()


def test_a_text_saved_by_somebody_else_is_not_lost(tab: Page, easel: Easel) -> None:
    panel = preview(tab, "note 2.txt")
    panel.get_by_role("button", name="Edit").click()
    panel.get_by_role("textbox", name="note 2.txt").fill("mine")
    file = easel.data_dir / "outputs" / "many" / "note 2.txt"
    file.write_text("somebody else's")
    tab.keyboard.press("Control+s")
    expect(panel.get_by_role("alert")).to_contain_text("Somebody else has changed this file")
    assert file.read_text() == "somebody else's"
    panel.get_by_role("button", name="Save mine over theirs").click()
    expect(tab.get_by_text("Saved", exact=True)).to_be_visible()
    assert file.read_text() == "mine"


def test_a_file_of_weights_tells_its_header(tab: Page) -> None:
    panel = preview(tab, "fox.safetensors")
    expect(panel.locator("#files_architecture")).to_contain_text(re.compile("SD|Stable|sd"))
    expect(panel.get_by_text("foxfur")).to_be_visible()
    panel.get_by_role("button", name="Metadata").click()
    expect(panel.get_by_text("ss_base_model_version")).to_be_visible()
    panel.get_by_role("button", name="All tensors").click()
    expect(panel.get_by_text("F16 [4, 4]")).to_be_visible()


def test_a_picture_is_found_by_its_prompt_and_handed_on(tab: Page) -> None:
    tab.keyboard.press("/")
    tab.keyboard.type("red fox")
    expect(tab.get_by_role("heading", name="1 found")).to_be_visible()
    found = entry(tab, "fox.png")
    panel = preview(tab, "fox.png")
    expect(panel.get_by_text("Karras")).to_be_visible()
    found.click(button="right")
    tab.get_by_role("menuitem", name="Show in its folder").click()
    expect(found).to_have_attribute("aria-selected", "true")
    expect(tab.get_by_role("listbox")).to_have_accessible_name("many")
    send(tab, "Use its settings")
    expect(tab.locator("#prompt")).to_have_value("a red fox")


def test_what_appears_on_the_disk_appears_in_the_list(tab: Page, easel: Easel) -> None:
    file = easel.data_dir / "outputs" / "many" / "a new one.txt"
    file.write_text("new")
    expect(entry(tab, "a new one.txt")).to_be_visible()
    file.unlink()
    expect(entry(tab, "a new one.txt")).to_have_count(0)


def test_what_strangers_packed_and_named_is_told_and_mended(tab: Page, easel: Easel) -> None:
    folder = easel.data_dir / "outputs" / "brought"
    folder.mkdir()
    with zipfile.ZipFile(folder / "mixed.zip", "w") as archive:
        for name in ("ok.txt", "a:b.txt"):
            archive.writestr(name, name)
    (folder / os.fsdecode(b"bad\xff.txt")).write_text("odd")
    tab.get_by_role("navigation", name="Places").get_by_role("button", name="data").click()
    for name in ("outputs", "brought"):
        entry(tab, f"{name}, folder").dblclick()
    entry(tab, "mixed.zip").click(button="right")
    tab.get_by_role("menuitem", name="Extract here").click()
    told = "Not taken from the archive (1): a:b.txt (no name for a file here)"
    expect(tab.get_by_text(told)).to_be_visible()
    expect(entry(tab, "mixed, folder")).to_be_visible()  # it shifts the rows that are clicked next
    assert os.listdir(folder / "mixed") == ["ok.txt"]
    assert preview(tab, r"bad\xff.txt").locator("pre").inner_text() == "odd"
    entry(tab, r"bad\xff.txt").click()
    rename(tab, "good.txt")
    expect(entry(tab, "good.txt")).to_be_visible()
    assert (folder / "good.txt").read_text() == "odd"


def test_a_link_is_made_opened_by_a_stranger_and_revoked(tab: Page, browser: Browser) -> None:
    entry(tab, "note 3.txt").click(button="right")
    tab.get_by_role("menuitem", name="Share").click()
    tab.fill("#files_share_password", "open sesame")
    tab.click("#files_share_make")
    link = tab.get_by_role("textbox", name="Link").input_value()
    stranger = browser.new_context().new_page()
    stranger.goto(link)
    assert "note 3.txt" not in stranger.content()
    stranger.locator("input[type=password]").fill("open sesame")
    stranger.locator("input[type=password]").press("Enter")
    expect(stranger.locator("body")).to_contain_text("note 3.txt")
    tab.get_by_role("button", name="Revoke").click()
    expect(tab.get_by_role("textbox", name="Link")).to_have_count(0)
    tab.keyboard.press("Escape")
    answer = stranger.goto(link)
    assert answer is not None
    assert answer.status == 404
    stranger.context.close()


def test_several_are_downloaded_together(tab: Page) -> None:
    entry(tab, "note 4.txt").click()
    entry(tab, "note 5.txt").click(modifiers=["Control"])
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename.endswith(".zip")


@pytest.mark.parametrize("width", [1280, 390])
def test_messages_cover_no_control_and_go_by_themselves(
    browser: Browser, easel: Easel, width: int
) -> None:
    names = [f"a {number} of {width}.txt" for number in (1, 2)]
    for name in names:
        (easel.data_dir / "outputs" / "many" / name).write_text("a")
    context = browser.new_context(locale="en-US", viewport={"width": width, "height": 800})
    page = context.new_page()
    page.clock.install()
    page.goto(easel.url)
    read = page.get_by_role("button", name="Read the settings from the prompt")
    read.click()
    page.mouse.wheel(0, 200)
    check_messages(page, 1)
    read.click()  # the same once more
    expect(page.locator(".el-message")).to_have_count(1)
    open_sections(page)
    page.get_by_role("button", name="Files", exact=True).click()
    for folder in ("outputs", "many"):
        page.get_by_role("option", name=entry_name(folder, folder=True)).click()
        page.keyboard.press("Enter")
    for name in names:
        entry(page, name).click()
        page.keyboard.press("Delete")
        expect(entry(page, name)).to_have_count(0)
    page.clock.run_for(4_000)
    check_messages(page, 2)
    page.locator(".el-message").last.get_by_role("button", name="Undo").hover()
    page.clock.run_for(11_000)  # the pointer stays on it
    expect(page.locator(".el-message")).to_have_count(0)
    open_sections(page)
    page.get_by_role("button", name="PNG info", exact=True).click()
    expect(page.locator("#tab_pnginfo")).to_be_visible()
    context.close()


def check_messages(page: Page, count: int) -> None:
    """So many stand there, over no control and in nobody's way."""
    expect(page.locator(".el-message")).to_have_count(count)
    wait_until(lambda: page.evaluate(STILL))
    assert page.evaluate(COVERED) == []
    assert page.evaluate(CAUGHT) == 0
