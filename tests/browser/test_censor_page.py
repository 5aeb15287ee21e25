"""The censor in the page: what it withholds is seen nowhere, and its settings are set there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from easel_process import Easel, eventually, running_easel
from page_pictures import shown_picture
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from plugins.nsfw_censor.names import CLASSES
from plugins.nsfw_censor.network import load_network
from tests.plugins.nsfw_censor.censor_pictures import abstract_pattern
from tests.wait import TIMEOUT

pytestmark = pytest.mark.browser
MANIFEST = """
name = "painter"
version = "1.0"
licence = "MIT"
hooks = ["after_decode"]
"""
PAINT = """
from PIL import Image
from plugins import hook


@hook
def after_decode(image, request):
    if "painted" in request.prompt:
        return Image.open({path!r}).convert("RGB").resize(image.size)
"""
BRIGHTEST = """async (image) => {
    await image.decode()
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight)
    const pen = canvas.getContext('2d')
    pen.drawImage(image, 0, 0)
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height)
    return data.reduce((most, value, at) => (at % 4 < 3 ? Math.max(most, value) : most), 0)
}"""
NEARLY_BLACK = 2  # a thumbnail is a JPEG or WebP


@pytest.fixture(scope="module")
def fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that is withheld."""
    path = tmp_path_factory.mktemp("fixture") / "pattern.png"
    abstract_pattern(load_network()).save(path)
    return path


@pytest.fixture(scope="module")
def easel(
    page_and_browser: None, tmp_path_factory: pytest.TempPathFactory, fixture: Path
) -> Iterator[Easel]:
    """Easel with the censor, and a plugin that paints the picture into what is drawn."""
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    folder = data_dir / "extensions" / "painter"
    folder.mkdir(parents=True)
    (folder / "easel-plugin.toml").write_text(MANIFEST)
    (folder / "worker.py").write_text(PAINT.format(path=str(fixture)))
    with running_easel(data_dir, "--enable-nsfw-censor") as running:
        yield running


@pytest.fixture
def rules(easel: Easel) -> Iterator[None]:
    """The usual rules again after a test that sets others."""
    yield
    settings = {"action": "black", "classes": ["hentai", "porn"], "threshold": 0.7}
    set_rules(easel, **settings)


def set_rules(easel: Easel, **settings: object) -> None:
    url = f"{easel.url}/api/plugins/nsfw-censor"
    requests.post(url, json={"settings": settings}, timeout=TIMEOUT).raise_for_status()


def section(page: Page, name: str) -> None:
    page.get_by_role("navigation").get_by_role("button", name=name, exact=True).click()


def draw(page: Page, prompt: str, steps: int = 2) -> None:
    page.fill("#prompt", prompt)
    page.fill("#txt2img_steps", str(steps))
    page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    expect(page.locator("#txt2img_interrupt")).to_be_visible()


def wait_until_drawn(page: Page) -> None:
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)


def brightest(image: Locator) -> int:
    eventually(expect(image).to_be_visible)
    return int(image.evaluate(BRIGHTEST))


def test_what_is_drawn_is_withheld_on_the_canvas_and_in_the_files(page: Page, easel: Easel) -> None:
    draw(page, "a plain boat")
    wait_until_drawn(page)
    assert shown_picture(page).convert("L").getextrema()[1] > 60
    draw(page, "a painted boat")
    wait_until_drawn(page)
    assert shown_picture(page).convert("L").getextrema() == (0, 0)
    assert brightest(page.locator("figure .large img").first) == 0
    section(page, "Files")
    page.get_by_role("searchbox").press_sequentially("painted boat")
    eventually(expect(page.get_by_role("heading", name="1 found")).to_be_visible)
    found = page.get_by_role("option").filter(has=page.locator("img"))
    assert brightest(found.locator("img").first) <= NEARLY_BLACK
    found.first.click()
    page.keyboard.press("Space")
    panel = page.get_by_role("complementary", name="Preview")
    expect(panel.get_by_text("a painted boat").first).to_be_visible()
    assert brightest(panel.locator("img").first) <= NEARLY_BLACK
    (saved,) = (
        path for path in (easel.data_dir / "outputs").rglob("*.png") if "painted" in made_of(path)
    )
    assert Image.open(saved).convert("L").getextrema() == (0, 0)


def made_of(path: Path) -> str:
    with Image.open(path) as picture:
        return str(picture.info.get("parameters", ""))


def test_what_is_enlarged_is_withheld(page: Page, fixture: Path) -> None:
    section(page, "Enlarge")
    page.set_input_files("#tab_extras input[type=file]", fixture)
    page.click("#extras_generate")
    eventually(expect(page.locator("#tab_extras .sizes")).to_be_visible)
    sources = page.locator("#tab_extras img").evaluate_all("(all) => all.map(({src}) => src)")
    brightness = [
        page.locator("#tab_extras img").nth(at).evaluate(BRIGHTEST) for at in range(len(sources))
    ]
    assert 0 in brightness  # beside the reader's own picture, which the browser shows by itself
    assert brightness.count(0) == len(brightness) - 1


@pytest.mark.usefixtures("rules")
def test_what_is_shown_of_a_picture_in_work_is_withheld(page: Page, easel: Easel) -> None:
    set_rules(easel, classes=list(CLASSES))
    draw(page, "a red heart on a pink background", steps=120)
    preview = page.get_by_alt_text("Preview of the picture in work")
    assert brightest(preview) == 0
    page.click("#txt2img_interrupt")
    wait_until_drawn(page)


@pytest.mark.usefixtures("rules")
def test_its_settings_are_set_in_the_page(page: Page) -> None:
    section(page, "Extensions")
    card = page.locator("article[data-plugin=nsfw-censor]")
    card.locator("button[aria-expanded]").click()
    card.locator(".el-select").first.click()
    page.get_by_role("option", name="reject").click()
    card.get_by_role("spinbutton", name="Threshold", exact=True).fill("0.65")
    card.get_by_role("group", name="Classes").get_by_text("sexy").click()
    card.get_by_role("button", name="Save settings").click()
    expect(page.locator(".el-message", has_text="Settings saved")).to_be_visible()
    section(page, "Text to image")
    draw(page, "a painted boat")
    wait_until_drawn(page)
    expect(page.get_by_role("alert").first).to_contain_text("withholds this picture")
    page.reload()
    section(page, "Extensions")
    card.locator("button[aria-expanded]").click()
    chosen = card.get_by_role("group", name="Classes").get_by_role("checkbox")
    states = [chosen.nth(at).is_checked() for at in range(chosen.count())]
    assert states == [False, True, False, True, True]
    card.locator(".el-switch").first.click()  # the flag requires it
    expect(page.get_by_text("required by a start flag")).to_be_visible()
