"""A walk through the tab of files: by keys alone, on a phone, past every kind of preview."""

import base64
import json
import math
import struct
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from easel_process import WIDTH, Easel, entry_name, open_sections, running_easel
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Locator, Page, expect
from test_files_tab import safetensors
from test_upload_page import drop

pytestmark = pytest.mark.browser
PATIENCE = 30_000  # milliseconds
MANY = 4000  # files that take some seconds to copy
FILM = """async () => {
  const canvas = document.createElement('canvas')
  const pen = canvas.getContext('2d')
  const recorder = new MediaRecorder(canvas.captureStream(10), { mimeType: 'video/webm' })
  const pieces = []
  recorder.ondataavailable = ({ data }) => pieces.push(data)
  recorder.start()
  for (let i = 0; i < 10; i++) {
    pen.fillStyle = `hsl(${i * 36} 80% 50%)`
    pen.fillRect(0, 0, 300, 150)
    await new Promise((done) => setTimeout(done, 80))
  }
  await new Promise((done) => { recorder.onstop = done; recorder.stop() })
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer())
  return btoa(String.fromCharCode(...bytes))
}"""
PAPER = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R>>endobj
4 0 obj<</Length 29>>stream
1 0 0 rg 50 50 200 100 re f
endstream endobj
trailer<</Root 1 0 R>>
"""


def sound(path: Path) -> None:
    """Two seconds of a tone."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        tone = (struct.pack("<h", int(9000 * math.sin(at / 4))) for at in range(16000))
        file.writeframes(b"".join(tone))


@pytest.fixture(scope="module")
def easel(
    page_and_browser: None, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Easel]:
    """Easel with a file of every kind."""
    with running_easel(tmp_path_factory.mktemp("walked") / "data") as running:
        here = running.data_dir / "outputs" / "walk"
        (here / "inner").mkdir(parents=True)
        sound(here / "tone.wav")
        page = browser.new_page()
        (here / "film.webm").write_bytes(base64.b64decode(page.evaluate(FILM)))
        page.close()
        (here / "paper.pdf").write_bytes(PAPER)
        (here / "old.ckpt").write_bytes(b"\x80\x02}q\x00.")
        (here / "notes.md").write_text("# Walked\n\n- one\n")
        (here / "set.json").write_text('{"a": 1}')
        Image.new("RGB", (64, 48), "red").save(here / "fox.png")
        yield running


def open_files_page(browser: Browser, easel: Easel, **how: object) -> Page:
    """A page at the folder."""
    size = {"width": 1280, "height": 860}
    page = browser.new_context(**{"locale": "en-US", "viewport": size, **how}).new_page()
    page.goto(easel.url)
    page.wait_for_selector("#txt2img_generate")
    return page


@pytest.fixture
def tab(browser: Browser, easel: Easel) -> Iterator[Page]:
    page = open_files_page(browser, easel)
    page.get_by_role("button", name="Files", exact=True).click()
    for name in ("outputs", "walk"):
        entry(page, f"{name}, folder").dblclick()
    expect(page.get_by_role("listbox", name="walk", exact=True)).to_be_visible()
    yield page
    page.context.close()


def entry(page: Page, name: str) -> Locator:
    return page.get_by_role("option", name=entry_name(name))


def preview(page: Page, name: str) -> Locator:
    """The panel that shows an entry."""
    entry(page, name).click()
    panel = page.get_by_role("complementary", name="Preview")
    if not panel.count():
        page.keyboard.press("Space")
    expect(panel.get_by_role("heading", level=2)).to_have_text(name)
    return panel


def test_every_kind_is_previewed(tab: Page) -> None:
    for name, tag in (("tone.wav", "audio"), ("film.webm", "video")):
        playing = preview(tab, name).locator(tag)
        expect(playing).to_be_visible()
        playing.evaluate("(one) => { one.muted = true; return one.play() }")
        tab.wait_for_function("tag => document.querySelector(tag).currentTime > 0", arg=tag)
    paper = preview(tab, "paper.pdf").locator("canvas")
    expect(paper).to_be_visible(timeout=PATIENCE)
    tab.wait_for_function(
        """() => { const c = document.querySelector('aside canvas, [role=complementary] canvas')
        const at = c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data
        return at[0] > 200 && at[1] < 60 }"""
    )
    expect(preview(tab, "notes.md").get_by_role("heading", name="Walked")).to_be_visible()
    expect(preview(tab, "set.json")).to_contain_text('"a": 1')
    expect(preview(tab, "old.ckpt")).to_contain_text("It is never opened here.")
    expect(preview(tab, "fox.png").locator("img").first).to_be_visible()


def ring(page: Page) -> str:
    """The style of the border of the entry that the keyboard stands on."""
    return str(
        page.evaluate(
            "getComputedStyle(document.querySelector('.place.standing'), '::after').borderTopStyle"
        )
    )


def test_the_list_is_walked_by_keys_alone(tab: Page, easel: Easel) -> None:
    here = easel.data_dir / "outputs" / "walk"
    listbox = tab.get_by_role("listbox", name="walk", exact=True)
    entry(tab, "inner, folder").click()
    tab.get_by_role("radio", name="Gallery").focus()
    for _ in range(6):
        tab.keyboard.press("Tab")
        if listbox.evaluate("(one) => one === document.activeElement"):
            break
    expect(listbox).to_be_focused()
    assert ring(tab) == "solid"
    tab.keyboard.press("Control+a")
    expect(tab.get_by_role("option", selected=True)).to_have_count(len(list(here.iterdir())))
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("option", selected=True)).to_have_count(0)
    tab.keyboard.press("Home")
    tab.keyboard.press("ArrowDown")
    expect(tab.get_by_role("option", selected=True)).to_have_accessible_name(
        entry_name("film.webm")
    )
    tab.keyboard.press("F2")
    expect(tab.get_by_role("textbox", name="Rename")).to_be_focused()
    tab.keyboard.type("movie")
    tab.keyboard.press("Enter")
    expect(entry(tab, "movie.webm")).to_be_visible()
    assert (here / "movie.webm").exists()
    expect(listbox).to_be_focused()
    expect(tab.get_by_role("option", selected=True)).to_have_accessible_name(
        entry_name("movie.webm")
    )
    tab.keyboard.press("F2")
    expect(tab.get_by_role("textbox", name="Rename")).to_be_focused()
    tab.keyboard.press("Escape")
    tab.keyboard.press("Delete")
    expect(entry(tab, "movie.webm")).to_have_count(0)
    tab.get_by_role("button", name="Undo").last.press("Enter")
    expect(entry(tab, "movie.webm")).to_be_visible()
    (here / "movie.webm").rename(here / "film.webm")


def test_a_phone_shows_all_and_scrolls_no_page_sideways(browser: Browser, easel: Easel) -> None:
    page = open_files_page(
        browser, easel, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    open_sections(page)
    page.get_by_role("button", name="Files", exact=True).tap()
    for name in ("outputs", "walk"):
        entry(page, f"{name}, folder").tap()
    entry(page, "fox.png").tap()
    panel = page.get_by_role("complementary", name="Preview")
    expect(panel.locator("img").first).to_be_visible()
    assert page.evaluate(WIDTH) == 390
    for button in panel.get_by_role("button").all():
        box = button.bounding_box()
        assert box is None or (box["x"] >= 0 and box["x"] + box["width"] <= 390)
    panel.get_by_role("button", name="Close").tap()
    expect(entry(page, "tone.wav")).to_be_visible()
    assert page.evaluate(WIDTH) == 390
    page.context.close()


def test_a_long_copy_tells_how_far_it_is_and_is_ended(tab: Page, easel: Easel) -> None:
    here = easel.data_dir / "outputs" / "walk"
    (here / "many").mkdir()
    for number in range(MANY):
        (here / "many" / f"{number}.txt").write_bytes(b"x")
    expect(entry(tab, "many, folder")).to_be_visible(timeout=PATIENCE)
    entry(tab, "many, folder").click()
    tab.keyboard.press("Control+c")
    entry(tab, "inner, folder").dblclick()
    expect(tab.get_by_role("listbox", name="inner", exact=True)).to_be_visible()
    tab.keyboard.press("Control+v")
    work = tab.get_by_role("region", name="Work under way")
    expect(work).to_contain_text("Copying", timeout=PATIENCE)
    work.get_by_role("button", name="Cancel").click()
    expect(work).to_have_count(0, timeout=PATIENCE)
    assert len(list((here / "inner").rglob("*.txt"))) < MANY
    assert len(list((here / "many").iterdir())) == MANY


def test_without_the_file_browser_there_is_no_tab(browser: Browser, easel: Easel) -> None:
    page = browser.new_context(locale="en-US").new_page()

    session = page.request.get(f"{easel.url}/api/session").json()
    assert session["filebrowser"] is True
    without = {**session, "filebrowser": False}
    page.route("**/api/session", lambda route: route.fulfill(json=without))
    page.goto(easel.url)
    page.wait_for_selector("#txt2img_generate")
    expect(page.get_by_role("button", name="PNG info", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Files", exact=True)).to_have_count(0)
    page.context.close()


EVIL = "<img src=x onerror=window.run=1>"


def test_44_scripts_in_names_and_texts_stay_texts_in_the_page(
    browser: Browser, easel: Easel, tmp_path: Path
) -> None:
    here = easel.data_dir / "outputs" / EVIL
    here.mkdir()
    told = PngInfo()
    told.add_text(
        "parameters", f"{EVIL}\nSteps: 1, Sampler: {EVIL}, Seed: 1, Size: 8x8, Model: {EVIL}"
    )
    Image.new("RGB", (8, 8)).save(here / f"{EVIL}.png", pnginfo=told)
    tags = json.dumps({EVIL: {EVIL: 3}})
    meta = {"ss_tag_frequency": tags, "modelspec.title": EVIL, EVIL: EVIL}
    safetensors(here / f"{EVIL}.safetensors", meta)
    safetensors(easel.data_dir / "models" / "Lora" / f"{EVIL}.safetensors", meta)
    page = open_files_page(browser, easel)
    page.get_by_role("button", name="Files", exact=True).click()
    for name in ("outputs", EVIL):
        entry(page, f"{name}, folder").dblclick()
    for ending, text in ((".png", "How it was made"), (".safetensors", "Training words")):
        expect(preview(page, f"{EVIL}{ending}")).to_contain_text(text)
    page.get_by_role("button", name="Share", exact=True).first.click()
    expect(page.get_by_role("dialog")).to_contain_text(EVIL)
    page.keyboard.press("Escape")
    page.get_by_role("listbox", name=EVIL, exact=True).focus()
    page.keyboard.press("Delete")
    expect(page.get_by_text(f"{EVIL}.safetensors is in the trash")).to_be_visible()
    page.get_by_role("button", name="Trash", exact=True).click()
    expect(page.get_by_text(f"{EVIL}.safetensors", exact=True)).to_be_visible()
    brought = tmp_path / f"{EVIL}.txt"
    brought.write_text("x")
    page.get_by_role("navigation", name="Places").get_by_role("button", name="data").click()
    entry(page, "outputs, folder").dblclick()
    expect(page.get_by_role("listbox", name="outputs", exact=True)).to_be_visible()
    drop(page, brought)
    expect(page.locator(".uploads")).to_contain_text(f"{EVIL}.txt")
    expect(entry(page, f"{EVIL}.txt")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Text to image", exact=True).click()
    prompt = page.locator("#txt2img_prompt textarea, textarea").first
    prompt.fill("<lora:<im")
    page.wait_for_timeout(500)
    assert page.evaluate("window.run") is None
    page.context.close()
