"""The gallery: found, starred, rejected, compared, put on boards, and live with the disk."""

import re
from collections.abc import Iterator

import pytest
from easel_process import WIDTH, Easel, running_easel, until
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from generator.pictures.picture_files import encode_picture

pytestmark = pytest.mark.browser

COUNT = 12
COLOURS = ("firebrick", "goldenrod", "seagreen", "steelblue", "indigo", "sienna")


def put(easel: Easel, number: int) -> None:
    """A picture that is saved as Easel's are; the highest number is the latest."""
    folder = easel.data_dir / "outputs/txt2img-images/2026-11-30"
    folder.mkdir(parents=True, exist_ok=True)
    sampler, light = ("Euler a", "dawn") if number % 2 else ("DPM++ 2M", "dusk")
    infotext = (
        f"boat {number}, a lake at {light}\nNegative prompt: fog\n"
        f"Steps: 20, Sampler: {sampler}, CFG scale: 7, Seed: {number}, Size: 96x64, Model: painter"
    )
    image = Image.new("RGB", (96, 64), COLOURS[number % len(COLOURS)])
    part = folder / f".{number}"
    part.write_bytes(encode_picture(image, "png", infotext))
    part.rename(folder / f"{number:05}-{number}.png")


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with pictures of before its start."""
    data_dir = tmp_path_factory.mktemp("gallery") / "data"
    for number in range(COUNT):
        put(Easel("", data_dir), number)
    with running_easel(data_dir) as running:
        yield running


@pytest.fixture
def gallery(browser: Browser, easel: Easel) -> Iterator[Page]:
    """The open gallery, of an English reader."""
    context = browser.new_context(locale="en-US", viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(easel.url)
    page.get_by_role("button", name="Gallery", exact=True).click()
    expect(cells(page).first).to_be_visible()
    yield page
    context.close()


def cells(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Pictures on the disk").get_by_role("option")


def cell(page: Page, number: int) -> Locator:
    return page.get_by_role("option", name=f"boat {number},")


def search(page: Page, words: str, found: int) -> None:
    page.get_by_role("searchbox").fill(words)
    expect(page.get_by_role("status").filter(has_text="picture")).to_have_text(
        f"{found} picture{'' if found == 1 else 's'}"
    )


def test_pictures_are_found_opened_and_come_by_themselves(gallery: Page, easel: Easel) -> None:
    expect(cells(gallery)).to_have_count(COUNT)
    until(gallery, "() => [...document.querySelectorAll('.cell img')].every(i => i.naturalWidth)")
    put(easel, COUNT)
    expect(cells(gallery)).to_have_count(COUNT + 1)
    expect(cells(gallery).first).to_have_accessible_name(f"boat {COUNT}, a lake at dusk")
    search(gallery, "dawn", COUNT // 2)
    search(gallery, '"boat 3"', 1)
    gallery.keyboard.press("ArrowDown")
    gallery.keyboard.press("ArrowDown")
    gallery.keyboard.press("Enter")
    detail = gallery.get_by_role("region", name="Picture", exact=True)
    expect(detail).to_contain_text("boat 3, a lake at dawn")
    expect(detail).to_contain_text("Euler a")
    detail.get_by_role("button", name="Variations").click()
    prompt = gallery.get_by_label("Prompt", exact=True).first
    expect(prompt).to_have_value("boat 3, a lake at dawn")


def test_stars_and_rejects_by_key_stay(gallery: Page) -> None:
    cell(gallery, 7).click()
    gallery.keyboard.press("s")
    gallery.keyboard.press("ArrowRight")
    expect(cell(gallery, 7)).to_have_accessible_name("boat 7, a lake at dawn, 1 star")
    grid = gallery.get_by_role("listbox", name="Pictures on the disk")
    cell(gallery, 6).click()
    gallery.keyboard.press("Shift+Digit4")
    cell(gallery, 5).click()
    grid.focus()
    gallery.keyboard.press("x")
    expect(cell(gallery, 6)).to_have_accessible_name("boat 6, a lake at dusk, 4 stars")
    expect(cell(gallery, 5)).to_have_accessible_name("boat 5, a lake at dawn, rejected")
    gallery.reload()
    gallery.get_by_role("button", name="Gallery", exact=True).click()
    gallery.get_by_role("button", name="Filter").click()
    gallery.get_by_role("combobox", name="Stars").select_option("1")
    expect(cells(gallery)).to_have_count(2)
    gallery.get_by_role("combobox", name="Stars").select_option("0")
    gallery.get_by_role("combobox", name="Rejects").select_option("only")
    expect(cells(gallery)).to_have_count(1)


def test_two_pictures_are_compared(gallery: Page) -> None:
    gallery.get_by_role("listbox", name="Pictures on the disk").focus()
    gallery.keyboard.press("Home")
    for key in ("Space", "ArrowRight", "Space", "c"):
        gallery.keyboard.press(key)
    dialog = gallery.get_by_role("dialog", name="Compare")
    pictures = dialog.get_by_role("img")
    expect(pictures).to_have_count(2)
    expect(dialog.get_by_role("row")).to_have_count(3)  # of the settings, what differs
    expect(dialog.get_by_role("row").filter(has_text="Sampler")).to_contain_text("Euler a")
    gallery.keyboard.press("+")
    transforms = {pictures.nth(at).evaluate("one => one.style.transform") for at in range(2)}
    assert transforms == {"translate(0%, 0%) scale(1.25)"}
    gallery.keyboard.press("w")
    dialog.get_by_role("slider", name="Wipe").fill("30")
    clip = dialog.locator(".pane").nth(1).evaluate("one => one.style.clipPath")
    assert clip == "inset(0px 0px 0px 30%)"
    gallery.keyboard.press("2")
    gallery.keyboard.press("s")
    gallery.keyboard.press("Escape")
    expect(gallery.get_by_role("option", name="1 star").first).to_be_visible()


def test_pictures_go_onto_a_board_whose_visitors_star(
    gallery: Page, browser: Browser, easel: Easel
) -> None:
    gallery.get_by_role("listbox", name="Pictures on the disk").focus()
    gallery.keyboard.press("Home")
    for key in ("Space", "ArrowRight", "Space", "b"):
        gallery.keyboard.press(key)
    picker = gallery.get_by_role("dialog", name="Add 2 pictures to")
    picker.get_by_label("Name of the board").fill("Lakes")
    picker.get_by_role("button", name="Make").click()
    gallery.get_by_role("button", name="Boards").click()
    boards = gallery.get_by_role("region", name="Boards")
    tile = boards.get_by_role("button", name="Lakes 2 pictures")
    expect(tile).to_be_visible()
    gallery.get_by_role("button", name="Select nothing").click()
    cell(gallery, 3).drag_to(tile)
    boards.get_by_role("button", name="Lakes 3 pictures").click()
    board = gallery.get_by_role("region", name="Lakes")
    board.get_by_label("Note").fill("which one?")
    board.get_by_label("Note").blur()
    board.get_by_role("switch", name="Shared by link").focus()
    gallery.keyboard.press("Space")
    address = board.get_by_role("link").filter(has_text="/b/").get_attribute("href")
    stranger = browser.new_context(locale="zh-CN").new_page()
    stranger.goto(str(address))
    expect(stranger.get_by_text("which one?")).to_be_visible()
    stranger.get_by_role("button", name="点一颗星 (0)").first.click()
    expect(stranger.get_by_role("button", name="取消星 (1)")).to_have_count(1)
    stranger.context.close()
    board.get_by_role("button", name="All boards").click()
    boards.get_by_role("button", name="Lakes").click()
    expect(board.get_by_title("stars of visitors")).to_have_text(
        re.compile(r"^1\s*stars of visitors$")
    )


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900)])
def test_nothing_is_wider_than_the_screen(gallery: Page, width: int, height: int) -> None:
    gallery.set_viewport_size({"width": width, "height": height})
    cells(gallery).first.click()
    expect(gallery.get_by_role("region", name="Picture", exact=True)).to_be_visible()
    assert gallery.evaluate(WIDTH) <= width
