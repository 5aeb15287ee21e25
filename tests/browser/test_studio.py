"""Three panes: settings, canvas, and the gallery of what is on disk; a phone has them in turn."""

import gzip
import re
from collections.abc import Iterator

import pytest
import requests
from easel_process import ROOT, WIDTH, Easel, eventually, open_sections
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser
MOST_SCRIPT = 300 * 1024  # bytes, compressed, before the first picture of the page
IMPORT = re.compile(r"""(?:from|import)\s*["'](\./[^"']+\.js)["']""")


@pytest.fixture(scope="module")
def pictures(easel: Easel) -> Easel:
    """A service with five pictures on its disk."""
    for seed in range(5):
        save_picture(easel, seed)
    return easel


def save_picture(easel: Easel, seed: int) -> None:
    asked = {"prompt": f"house {seed}", "steps": 1, "seed": seed, "width": 64, "height": 64}
    answer = requests.post(
        f"{easel.url}/sdapi/v1/txt2img", json={**asked, "save_images": True}, timeout=240
    )
    answer.raise_for_status()


def in_sight(page: Page, what: Locator) -> bool:
    box = what.bounding_box()
    size = page.viewport_size
    assert box
    assert size
    return box["y"] >= 0 and box["y"] + box["height"] <= size["height"]


@pytest.mark.parametrize(("width", "height"), [(390, 844), (3840, 2160)])
def test_the_button_and_the_last_four_pictures_are_seen_without_scrolling(
    browser: Browser, pictures: Easel, width: int, height: int
) -> None:
    page = browser.new_context(
        locale="en-US", viewport={"width": width, "height": height}
    ).new_page()
    page.goto(pictures.url)
    last = page.locator(".strip img" if width == 390 else "#gallery .cell img")
    for _ in range(2):
        eventually(expect(last.nth(3)).to_be_visible)
        for each in (page.locator("#txt2img_generate"), *(last.nth(at) for at in range(4))):
            assert in_sight(page, each)
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        assert page.evaluate(WIDTH) <= width
        page.reload()
    page.context.close()


def test_the_gallery_is_live_resized_and_folded_for_this_window(
    page: Page, pictures: Easel
) -> None:
    thumbnails = page.locator("#gallery").get_by_role("option")
    expect(thumbnails.first).to_be_visible()
    before = thumbnails.count()
    save_picture(pictures, 77)
    expect(thumbnails).to_have_count(before + 1)
    expect(thumbnails.first).to_have_accessible_name("house 77")
    edge = page.get_by_role("separator", name="Width of the gallery")
    edge.focus()
    width = int(edge.get_attribute("aria-valuenow") or 0)
    page.keyboard.press("ArrowLeft")
    expect(edge).to_have_attribute("aria-valuenow", str(width + 24))
    page.reload()
    expect(edge).to_have_attribute("aria-valuenow", str(width + 24))
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Fold the gallery away").click()
    expect(other.locator("#gallery").get_by_role("option")).to_have_count(0)
    page.reload()
    expect(thumbnails).to_have_count(before + 1)  # filled at the first visit after a reload
    page.locator("#gallery").get_by_role("searchbox").fill('"house 77"')
    expect(thumbnails).to_have_count(1)
    thumbnails.first.click()
    detail = page.locator("#gallery").get_by_role("region", name="Picture", exact=True)
    expect(detail).to_contain_text("house 77")
    detail.get_by_role("img").click()
    expect(page.locator(".pswp__img").first).to_be_visible()


def test_a_phone_goes_between_form_gallery_and_the_rest(browser: Browser, pictures: Easel) -> None:
    page = browser.new_context(
        locale="en-US", viewport={"width": 390, "height": 844}, has_touch=True
    ).new_page()
    page.goto(pictures.url)
    areas = page.get_by_role("navigation", name="Areas")
    areas.get_by_role("button", name="Gallery").tap()
    expect(page.locator("#gallery .cell img").nth(4)).to_be_visible()
    expect(page.locator("#txt2img_generate")).to_be_hidden()
    open_sections(page)
    page.get_by_role("navigation", name="Sections").get_by_role("button", name="Files").tap()
    expect(page.locator("#tab_files")).to_be_visible()
    areas.get_by_role("button", name="Create").tap()
    expect(page.locator("#txt2img_generate")).to_be_visible()
    page.context.close()


def scripts(name: str, seen: set[str]) -> Iterator[str]:
    """A script and all that it cannot start without."""
    if name in seen:
        return
    seen.add(name)
    yield name
    text = (ROOT / "static" / "dist" / "assets" / name).read_text(encoding="utf-8")
    for found in IMPORT.findall(text):
        yield from scripts(found.removeprefix("./"), seen)


def test_the_first_load_brings_little_script() -> None:
    page = (ROOT / "static" / "dist" / "index.html").read_text(encoding="utf-8")
    seen: set[str] = set()
    for name in re.findall(r'(?:src|href)="\./assets/([^"]+\.js)"', page):
        list(scripts(name, seen))
    folder = ROOT / "static" / "dist" / "assets"
    sizes = {name: len(gzip.compress((folder / name).read_bytes())) for name in seen}
    assert 50_000 < sum(sizes.values()) <= MOST_SCRIPT, sizes
