"""Enlarging pictures, and reading what a picture says of itself."""

from pathlib import Path

import pytest
from easel_process import JOBS, asked_pictures, eventually
from page_pictures import send
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
TOLD = "a cat\nNegative prompt: dog\nSteps: 7, Sampler: DPM++ SDE Karras, Seed: 42, Size: 320x192"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture file that tells how it was made."""
    text = PngInfo()
    text.add_text("parameters", TOLD)
    Image.new("RGB", (64, 48), "red").save(tmp_path / "told.png", pnginfo=text)
    return tmp_path / "told.png"


def test_a_picture_tells_its_settings_and_hands_them_on(page: Page, picture: Path) -> None:
    page.get_by_role("button", name="PNG info").click()
    page.set_input_files("#tab_pnginfo input[type=file]", picture)
    expect(page.locator("#tab_pnginfo dl").first).to_contain_text("DPM++ SDE Karras")
    send(page, "Use its settings")
    expect(page.locator("#prompt")).to_have_value("a cat")
    expect(page.locator("#negative")).to_have_value("dog")
    expect(page.locator("#txt2img_width")).to_have_value("320")
    expect(page.locator(".el-select:has(#sampler)")).to_contain_text("DPM++ SDE")
    expect(page.locator(".el-select:has(#schedule)")).to_contain_text("Karras")


def test_a_picture_is_enlarged_and_handed_on(page: Page, picture: Path) -> None:
    page.get_by_role("button", name="Enlarge").click()
    page.set_input_files("#tab_extras input[type=file]", picture)
    page.fill("#extras_upscaling_resize", "2")
    page.keyboard.press("Tab")
    page.click("#extras_generate")
    eventually(expect(page.locator("#tab_extras .sizes")).to_have_text, "64 × 48 → 128 × 96")
    send(page, "Use as source")
    expect(page.locator("#mode_img2img")).to_contain_text("128 × 96")


def test_a_unit_shows_what_it_reads_and_is_sent(page: Page, picture: Path) -> None:
    page.click("#txt2img_controlnet .title")
    page.set_input_files("#txt2img_controlnet input[type=file]", picture)
    expect(page.locator("#txt2img_controlnet img").first).to_be_visible()
    page.click(".el-select:has(#txt2img_controlnet_0_type)")
    page.get_by_role("option", name="Canny", exact=True).click()
    module = page.locator(".el-select:has(#txt2img_controlnet_0_module)")
    expect(module).to_contain_text("canny")
    page.click("#txt2img_controlnet_0_run_preprocessor")
    eventually(expect(page.get_by_alt_text("What the preprocessor reads")).to_be_visible)
    page.fill("#txt2img_controlnet_0_a", "50")
    page.keyboard.press("Tab")
    page.route(JOBS, lambda route: route.fulfill(status=500, json={}))
    with page.expect_request(JOBS) as asked:
        page.click("#txt2img_generate")
    (unit,) = asked_pictures(asked.value)["alwayson_scripts"]["controlnet"]["args"]
    assert unit["image"].startswith("data:image/png;base64,")
    told = {key: unit[key] for key in ("enabled", "module", "threshold_a", "control_mode")}
    assert told == {
        "enabled": True, "module": "canny", "threshold_a": 50, "control_mode": "Balanced",
    }  # fmt: skip


def test_faces_are_restored_where_that_is_chosen(page: Page, picture: Path) -> None:
    page.click("#txt2img_advanced .title")
    page.click(".el-select:has(#setting_face_restoration_model)")
    page.get_by_role("option", name="GFPGAN", exact=True).click()
    expect(page.locator("#txt2img_advanced .said")).to_have_text("GFPGAN")
    page.route(JOBS, lambda route: route.fulfill(status=500, json={}))
    with page.expect_request(JOBS) as asked:
        page.click("#txt2img_generate")
    body = asked_pictures(asked.value)
    assert body["restore_faces"] is True
    assert body["override_settings"]["face_restoration_model"] == "GFPGAN"


def test_extras_tell_that_faces_are_as_drawn(page: Page, picture: Path) -> None:
    page.get_by_role("button", name="Enlarge").click()
    page.set_input_files("#tab_extras input[type=file]", picture)
    page.click("#extras_faces .title")
    page.fill("#extras_gfpgan_visibility", "0.5")
    page.keyboard.press("Tab")
    expect(page.locator("#extras_codeformer_weight")).to_have_count(0)
    page.click("#extras_generate")
    remark = page.locator("#tab_extras .remark", has_text="gfpgan_visibility: faces are as drawn")
    eventually(expect(remark).to_be_visible)
