"""The address names the section, and the folder or picture that is open in it."""

from collections.abc import Iterator

import pytest
from easel_process import Easel, entry_name, running_easel
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from generator.pictures.picture_files import encode_picture

pytestmark = pytest.mark.browser

FOLDER = "outputs/txt2img-images/2026-11-30"


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with two pictures, and without two of AUTOMATIC1111's tabs."""
    data_dir = tmp_path_factory.mktemp("addresses") / "data"
    folder = data_dir / FOLDER
    folder.mkdir(parents=True)
    for number in (1, 2):
        infotext = f"boat {number}\nSteps: 20, Sampler: Euler a, Seed: {number}, Size: 96x64"
        picture = encode_picture(Image.new("RGB", (96, 64), "sienna"), "png", infotext)
        (folder / f"{number:05}-{number}.png").write_bytes(picture)
    with running_easel(data_dir, "--always-hide-tabs", "Checkpoint Merger, pnginfo") as running:
        yield running


def at(page: Page, easel: Easel, place: str) -> None:
    expect(page).to_have_url(f"{easel.url}/{place}")


def current(page: Page, name: str) -> None:
    expect(page.locator("#sections [aria-current=page]")).to_have_text(name)


def test_back_and_forward_go_by_sections_and_folders(page: Page, easel: Easel) -> None:
    at(page, easel, "")
    page.get_by_role("button", name="Image to image").click()
    page.get_by_role("radio", name="Sketch", exact=True).click()
    at(page, easel, "#img2img/sketch")
    page.get_by_role("button", name="Files").click()
    at(page, easel, "#files/data")
    page.get_by_role("option", name=entry_name("outputs", folder=True)).dblclick()
    at(page, easel, "#files/data/outputs")
    page.go_back()
    expect(page.get_by_role("option", name=entry_name("outputs", folder=True))).to_be_visible()
    at(page, easel, "#files/data")
    page.go_back()
    current(page, "Image to image")
    page.go_back()
    current(page, "Text to image")
    at(page, easel, "")
    for name in ("Image to image", "Files"):
        page.go_forward()
        current(page, name)
    page.reload()
    current(page, "Files")


def test_a_link_opens_a_folder_a_picture_and_what_automatic1111_calls_so(
    page: Page, browser: Browser, easel: Easel
) -> None:
    page.evaluate("location.hash = '#Extras'")  # as typed by hand
    current(page, "Enlarge")
    page.evaluate("location.hash = '#train'")
    expect(page.locator("#tab_models").get_by_role("radio", name="Train")).to_be_checked()
    page.evaluate("location.hash = '#inpaint'")
    expect(page.get_by_role("radio", name="Inpaint", exact=True)).to_be_checked()
    page.evaluate(f"location.hash = '#files/data/{FOLDER}'")
    expect(page.get_by_role("option", name=entry_name("00002-2.png"))).to_be_visible()
    page.goto(f"{easel.url}/#gallery/data/{FOLDER}/00001-1.png")
    page.reload()  # the same page, a new place: a browser loads nothing anew
    detail = page.get_by_role("region", name="Picture", exact=True)
    expect(detail).to_contain_text("boat 1")
    detail.get_by_role("button", name="Previous picture").click()
    expect(detail).to_contain_text("boat 2")
    at(page, easel, f"#gallery/data/{FOLDER}/00002-2.png")
    detail.get_by_role("button", name="Close the picture").click()
    at(page, easel, "#gallery")


def test_tabs_are_hidden_by_flag_and_option(page: Page, easel: Easel) -> None:
    sections = page.locator("#sections")
    expect(sections).not_to_contain_text("PNG info")
    page.get_by_role("button", name="Models").click()
    expect(page.get_by_role("radio", name="Train")).to_have_count(1)
    expect(page.get_by_role("radio", name="Merge and convert")).to_have_count(0)
    page.request.post(f"{easel.url}/sdapi/v1/options", data={"hidden_tabs": ["Extras"]})
    page.goto(f"{easel.url}/#extras")
    page.reload()
    expect(sections).not_to_contain_text("Enlarge")
    current(page, "Text to image")
    page.request.post(f"{easel.url}/sdapi/v1/options", data={"hidden_tabs": []})
