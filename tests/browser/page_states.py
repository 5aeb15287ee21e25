"""Every state of the page in turn: sections, views, folds, menus, popovers, dialogs.

Found by role and English name, so a reader's page begins in English; who looks at a state may
switch language and light meanwhile (``in_language``, ``in_light``).
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests
from easel_process import ROOT, Easel, eventually, until
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from generator.pictures.picture_files import encode_picture
from tests.wait import TIMEOUT

PLUGINS = ("dynamicprompts", "pace", "detailer", "beautifulprompt", "nsfw-censor")
"""What is turned on so that its labels are there."""

STILL = """() => { const sheet = new CSSStyleSheet()
  sheet.replaceSync(`*, ::before, ::after { transition: none !important;
    animation: none !important }`)
  document.adoptedStyleSheets.push(sheet) }"""  # colours are judged once they have arrived
CHOOSE = """([key, newValue]) => { localStorage.setItem(key, newValue)
  const storageArea = localStorage
  window.dispatchEvent(new StorageEvent('storage', { key, newValue, storageArea })) }"""
VISITED = {
    *("Text to image", "Image to image", "Enlarge", "PNG info", "Models", "Gallery", "Files"),
    "Settings",
}
LANGUAGE = "document.documentElement.lang.slice(0, 2)"
DARK = "document.documentElement.classList.contains('dark')"
SMALL = {"steps": "150", "batch_count": "16", "width": "64", "height": "64"}


def prepare(easel: Easel) -> None:
    """Turn on what brings labels of its own."""
    listed = requests.get(f"{easel.url}/api/plugins", timeout=TIMEOUT).json()["plugins"]
    for name in {plugin["name"] for plugin in listed} & set(PLUGINS):
        asked = requests.post(
            f"{easel.url}/api/plugins/{name}", json={"enabled": True}, timeout=TIMEOUT
        )
        assert asked.ok, asked.text
    assert requests.post(f"{easel.url}/api/plugins/reload", timeout=TIMEOUT).ok


def bring_files(data_dir: Path) -> None:
    """Pictures as Easel saves them, and a LoRA, before the service starts."""
    bring_models(data_dir)
    folder = data_dir / "outputs/txt2img-images/2026-11-30"
    folder.mkdir(parents=True)
    for number, colour in enumerate(("firebrick", "goldenrod", "seagreen", "steelblue")):
        infotext = (
            f"boat {number}\nNegative prompt: fog\nSteps: {20 + number}, Sampler: Euler a, "
            f"CFG scale: 7, Seed: {number}, Size: 96x64, Model: easel-default"
        )
        picture = encode_picture(Image.new("RGB", (96, 64), colour), "png", infotext)
        (folder / f"{number:05}-{number}.png").write_bytes(picture)


def bring_models(data_dir: Path) -> None:
    """A LoRA, so that its cards are not empty."""
    loras = data_dir / "models/Lora"
    loras.mkdir(parents=True)
    for path in (ROOT / "generator/default_checkpoint/companions").glob("*blueprint*"):
        shutil.copy(path, loras)


def in_language(page: Page, language: str) -> None:
    """Choose it as another window does, so that menus and dialogs stay open."""
    page.evaluate(CHOOSE, ["easel.language", language])
    until(page, f"{LANGUAGE} === '{language}'")


def in_light(page: Page, light: str) -> None:
    """Choose the page's light, likewise."""
    page.evaluate(CHOOSE, ["easel.theme", light])
    until(page, f"{DARK} === {'true' if light == 'dark' else 'false'}")


def states(page: Page, part: str, picture: Path) -> Iterator[str]:
    """Bring the page into each state of a part of it; what each is called."""
    if page.locator("dialog[open]").count():
        page.reload()  # a part before this one has ended amid
    page.wait_for_selector("header nav button:nth-child(8)", state="attached")
    go(page, "Text to image")
    page.wait_for_selector("#txt2img_controlnet")
    page.evaluate(STILL)
    yield from PARTS[part](page, picture)


def go(page: Page, name: str) -> bool:
    """Open a section; false where the page has none of that name."""
    button = page.get_by_role("navigation", name="Sections").get_by_role(
        "button", name=name, exact=True
    )
    if not button.count():
        return False
    button.click()
    expect(button).to_have_attribute("aria-current", "page")
    return True


def press(page: Page, name: str | re.Pattern[str]) -> None:
    page.get_by_role("button", name=name, exact=True).filter(visible=True).first.click()


@contextmanager
def dialog(page: Page) -> Iterator[Locator]:
    """The open dialog, closed afterwards."""
    shown = page.locator("dialog[open]").last
    expect(shown).to_be_visible()
    yield shown
    page.keyboard.press("Escape")
    expect(shown).to_have_count(0)


def with_folds(page: Page, name: str) -> Iterator[str]:
    """The section with all its folds open, their switches on."""
    folded = page.locator("main button[aria-expanded=false][aria-controls]").filter(visible=True)
    for _ in range(40):
        if not folded.count():
            break
        folded.first.click()
    yield name


def menus(page: Page, name: str) -> Iterator[str]:
    """Every menu that a button of this section opens."""
    buttons = page.locator("main button[aria-haspopup=menu]").filter(visible=True)
    for at in range(buttons.count()):
        buttons.nth(at).click()
        expect(page.get_by_role("menu")).to_be_visible()
        yield f"{name}: menu {at + 1}"
        page.keyboard.press("Escape")
        expect(page.get_by_role("menu")).to_have_count(0)


def lists(page: Page, name: str) -> Iterator[str]:
    """Every list of choices that a field of this section opens."""
    fields = page.locator("main .el-select__wrapper:not(.is-disabled)").filter(visible=True)
    for at in range(fields.count()):
        fields.nth(at).click()
        shown = page.locator(".el-select-dropdown").filter(visible=True)
        expect(shown).to_be_visible()
        yield f"{name}: list {at + 1}"
        page.keyboard.press("Escape")
        expect(shown).to_have_count(0)


def drawing(page: Page, picture: Path) -> Iterator[str]:
    """The form of text to image with all that it has, also with what is wrong marked."""
    yield "first"
    page.click("#txt2img_subseed_show")
    for switch in page.locator("main .fold .head .el-switch").all():
        switch.click()
    yield from with_folds(page, "folds")
    choose_script(page, "X/Y/Z plot")
    yield "script"
    page.fill("#txt2img_steps", "99999")
    page.keyboard.press("Tab")
    yield "a number out of range"
    page.fill("#prompt", "a cat (\na dog")
    yield from menus(page, "text to image")
    yield from lists(page, "text to image")
    press(page, "Reset to defaults")


def choose_script(page: Page, name: str) -> None:
    page.click(".el-select:has(#txt2img_script)")
    page.get_by_role("option", name=name, exact=True).click()


def dialogs(page: Page, picture: Path) -> Iterator[str]:
    """What opens above every section, and what belongs to the prompt."""
    for opener in ("Earlier prompts", "Styles", "New style"):
        if page.get_by_role("button", name=opener, exact=True).filter(visible=True).count():
            press(page, opener)
            with dialog(page):
                yield opener
    page.locator("body").press("Control+k")
    with dialog(page):
        yield "palette"
    page.locator("body").press("?")
    with dialog(page):
        yield "keys"


def cards(page: Page, picture: Path) -> Iterator[str]:
    """The cards of models."""
    for place in ("#checkpoint", "#txt2img_extra_networks"):
        page.click(place)
        with dialog(page):
            expect(page.locator("#cards_list").get_by_role("option").first).to_be_visible()
            yield f"cards of {place}"


def jobs(page: Page, picture: Path) -> Iterator[str]:
    """Jobs that run and wait, a picture in work, and the picture that was drawn."""
    page.fill("#prompt", "a red house")
    for name in ("steps", "width", "height"):
        page.fill(f"#txt2img_{name}", "1" if name == "steps" else "64")
    page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    eventually(expect(page.locator("figure img.hung")).to_be_visible)
    yield "a picture"
    for name, value in SMALL.items():
        page.fill(f"#txt2img_{name}", value)
    page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    eventually(expect(page.locator(".figures")).to_have_text, re.compile(r"\d+ %"))
    yield "a picture in work"
    page.locator("body").press("Escape")
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)
    press(page, "Reset to defaults")


def canvas(page: Page, picture: Path) -> Iterator[str]:
    """A picture to start from, in each mode, with the tools of the canvas."""
    if not go(page, "Image to image"):
        return
    page.locator("#mode_img2img input[type=file]").first.set_input_files(picture)
    expect(page.get_by_role("img", name="Picture to start from")).to_be_visible()
    modes = page.locator("#mode_img2img [role=radiogroup]").first.get_by_role("radio")
    for at in range(modes.count()):
        modes.nth(at).evaluate("(radio) => radio.click()")
        yield from with_folds(page, f"image to image, mode {at + 1}")


def views(page: Page, within: str, look: Callable[[str], Iterator[str]]) -> Iterator[str]:
    """Each view that the segments of a section choose."""
    radios = page.locator(f"{within} [role=radiogroup]").first.get_by_role("radio")
    for at in range(radios.count()):
        radios.nth(at).evaluate("(radio) => radio.click()")
        page.wait_for_load_state("networkidle")
        yield from look(f"{within} view {at + 1}")


def models(page: Page, picture: Path) -> Iterator[str]:
    """Cards, a card, and what is made of models."""
    go(page, "Models")
    expect(page.locator(".card").first).to_be_visible()
    page.locator(".card").first.click()
    with dialog(page):
        yield "a model"
    yield from views(page, "#tab_models", lambda name: with_folds(page, name))


def gallery(page: Page, picture: Path) -> Iterator[str]:
    """Pictures on the disk: found, opened, compared, as a grid, on boards."""
    go(page, "Gallery")
    grid = page.get_by_role("listbox", name="Pictures on the disk")
    expect(grid.get_by_role("option").first).to_be_visible()
    press(page, "Filter")
    grid.focus()
    for key in ("Home", "Shift+Digit3"):
        page.keyboard.press(key)
    yield "gallery"
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Picture", exact=True)).to_contain_text("Seed")
    yield "a picture of the gallery"
    page.keyboard.press("Escape")
    grid.focus()
    for key in ("Space", "ArrowRight", "Space"):
        page.keyboard.press(key)
    yield "marked pictures"
    for key, wanted in (("c", "img"), ("g", "td img")):
        page.keyboard.press(key)
        with dialog(page) as shown:
            expect(shown.locator(wanted).first).to_be_visible()
            yield f"gallery, {key}"
        grid.focus()
    page.keyboard.press("b")
    with dialog(page) as shown:
        yield "choice of a board"
        shown.get_by_role("textbox").fill("Lakes")
        shown.get_by_role("button", name="Make").click()
        expect(shown).to_have_count(0)
    press(page, re.compile("^Boards"))
    tile = page.get_by_role("button", name="Lakes 2 pictures")
    expect(tile).to_be_visible()
    yield "boards"
    tile.click()
    page.get_by_role("switch", name="Shared by link").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("link").filter(has_text="/b/")).to_be_visible()
    yield "a board"


def files(page: Page, picture: Path) -> Iterator[str]:
    """The tree, a file with its preview, its menu, its link; the trash and one's own links."""
    go(page, "Files")
    places = page.get_by_role("navigation", name="Places")
    places.get_by_role("button", name="data").click()
    for name in ("outputs", "txt2img-images", "2026-11-30"):
        page.get_by_role("option", name=re.compile(f"^{name}.*, folder")).dblclick()
    entry = page.get_by_role("option", name=re.compile(r"^00000-0\.png"))
    entry.click()
    page.keyboard.press("Space")
    expect(page.get_by_role("complementary", name="Preview").locator("img").first).to_be_visible()
    yield "files"
    yield from menus(page, "files")
    entry.click(button="right")
    expect(page.get_by_role("menu")).to_be_visible()
    yield "menu of a file"
    page.get_by_role("menuitem", name="Share").click()
    with dialog(page):
        page.click("#files_share_make")
        expect(page.get_by_role("textbox", name="Link")).to_be_visible()
        yield "share of a file"
    for place in ("Trash", "Shared links"):
        places.get_by_role("button", name=place).click()
        page.wait_for_load_state("networkidle")
        yield f"files: {place}"


def settings(page: Page, picture: Path) -> Iterator[str]:
    """The first groups of options; of all of them tells test_settings_tab."""
    go(page, "Settings")
    groups = page.locator("#tab_settings .sections button")
    expect(groups.nth(5)).to_be_attached()
    for at in range(3):
        groups.nth(at).click()
        expect(groups.nth(at)).to_have_attribute("aria-current", "true")
        yield f"settings {at + 1}"


def pictures(page: Page, picture: Path) -> Iterator[str]:
    """Sections that take a picture."""
    for name in ("Enlarge", "PNG info"):
        if go(page, name):
            page.locator("main input[type=file]").first.set_input_files(picture)
            expect(page.locator("main img").first).to_be_visible()
            yield from with_folds(page, name)


def plugins(page: Page, picture: Path) -> Iterator[str]:
    """Sections of plugins, and their list."""
    sections = page.get_by_role("navigation", name="Sections").get_by_role("button")
    for name in [name for name in sections.all_inner_texts() if name not in VISITED]:
        go(page, name)
        page.wait_for_load_state("networkidle")
        yield from with_folds(page, name)


PARTS: Mapping[str, Callable[[Page, Path], Iterator[str]]] = {
    part.__name__: part
    for part in (
        *(drawing, dialogs, cards, jobs, canvas, pictures, models, gallery, files),
        *(settings, plugins),
    )
}
"""The page in parts that are looked at one by one, in this order."""
