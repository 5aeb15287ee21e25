"""From picture to picture, and what a second visit finds: hires fix, inpainting, a reload."""

import base64
import io
import re

import numpy as np
import pytest
import requests
from easel_process import JOBS, Easel, asked_pictures, eventually, until
from numpy.typing import NDArray
from page_pictures import shown_picture
from PIL import Image
from playwright.sync_api import Page, expect

from tests.image_compare import is_same_drawing

pytestmark = pytest.mark.browser


def number(page: Page, name: str, value: float) -> None:
    page.fill(f"#{name}", str(value))
    page.keyboard.press("Tab")


def draw_picture(page: Page, kind: str = "txt2img") -> Image.Image:
    page.click(f"#{kind}_generate")
    page.wait_for_selector(f"#{kind}_interrupt")
    eventually(expect(page.locator(f"#{kind}_interrupt")).to_be_hidden)
    return shown_picture(page)


def simple(page: Page, prompt: str, steps: int) -> None:
    page.fill("#prompt", prompt)
    page.fill("#txt2img_seed", "1")
    number(page, "txt2img_steps", steps)


def pixels(image: Image.Image) -> NDArray[np.int16]:
    return np.asarray(image.convert("RGB"), dtype=np.int16)  # (h, w, 3)


def test_hires_fix_by_the_page_is_that_of_the_api(page: Page, easel: Easel) -> None:
    simple(page, "a red house", steps=2)
    page.click("#txt2img_hr .el-switch")
    expect(page.locator("#txt2img_hr .sizes")).to_have_text("From 256 × 256 to 512 × 512")
    number(page, "txt2img_hr_scale", 1.25)
    number(page, "txt2img_denoising_strength", 0.5)
    expect(page.locator("#txt2img_hr .said")).to_have_text("320 × 320")
    ours = draw_picture(page)
    asked = {
        "prompt": "a red house", "steps": 2, "seed": 1, "width": 256, "height": 256,
        "sampler_name": "DPM++ 2M", "scheduler": "Automatic", "enable_hr": True,
        "hr_scale": 1.25, "hr_upscaler": "Latent", "denoising_strength": 0.5,
    }  # fmt: skip
    answer = requests.post(f"{easel.url}/sdapi/v1/txt2img", json=asked, timeout=240).json()
    theirs = Image.open(io.BytesIO(base64.b64decode(answer["images"][0])))
    assert ours.size == (320, 320)
    assert is_same_drawing(ours, theirs)


def test_only_what_is_painted_changes(page: Page) -> None:
    simple(page, "a red house", steps=2)
    before = pixels(draw_picture(page))
    page.click("#txt2img_send_to_inpaint")
    expect(page.locator("#prompt")).to_have_value("a red house")
    until(page, "document.querySelector('#img2maskimg canvas')?.offsetHeight > 50")
    box = page.locator("#img2maskimg canvas").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.1 * box["height"], steps=5)
    page.mouse.up()
    page.fill("#prompt", "a yellow star")
    number(page, "img2img_denoising_strength", 1)
    after = pixels(draw_picture(page, "img2img"))
    changed = np.abs(after - before).max(axis=2) > 2  # (h, w)
    height = len(changed)
    assert changed[: height // 8].mean() > 0.2  # the stroke lies here
    assert not changed[height // 2 :].any()


def test_an_infotext_in_the_prompt_fills_the_fields(page: Page) -> None:
    page.fill(
        "#prompt",
        "a cat, (red:1.2)\nNegative prompt: dog\nSteps: 7, Sampler: Euler a, Schedule type: Karras,"
        " CFG scale: 5.5, Seed: 42, Size: 320x192, Clip skip: 2, ENSD: 31337, Variation seed: 9,"
        " Variation seed strength: 0.25, Denoising strength: 0.6, Hires upscale: 1.5,"
        " Hires upscaler: Latent (nearest)",
    )
    page.get_by_role("button", name=re.compile("^Read the settings")).click()
    expect(page.locator("#prompt")).to_have_value("a cat, (red:1.2)")
    filled = {
        "negative": "dog", "txt2img_steps": "7", "txt2img_cfg_scale": "5.5", "txt2img_seed": "42",
        "txt2img_width": "320", "txt2img_height": "192", "txt2img_subseed": "9",
        "txt2img_subseed_strength": "0.25", "txt2img_hr_scale": "1.5",
        "txt2img_denoising_strength": "0.6",
    }  # fmt: skip
    for name, value in filled.items():
        expect(page.locator(f"#{name}")).to_have_value(value)
    expect(page.locator("#txt2img_override_settings")).to_contain_text(
        "eta_noise_seed_delta: 31337"
    )
    with page.expect_request(JOBS) as asked:
        page.click("#txt2img_generate")
    body = asked_pictures(asked.value)
    assert (body["sampler_name"], body["scheduler"]) == ("Euler a", "Karras")
    assert body["override_settings"]["CLIP_stop_at_last_layers"] == 2
    assert body["hr_upscaler"] == "Latent (nearest)"
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)


def test_a_reload_finds_the_picture_in_work(page: Page) -> None:
    simple(page, "a green tree", steps=30)
    page.click("#txt2img_generate")
    eventually(expect(page.locator(".figures")).to_have_text, re.compile(r"\d+ %"))
    page.reload()
    page.wait_for_selector("#txt2img_interrupt")
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)
    expect(page.locator("#html_info_txt2img")).to_contain_text("Steps: 30")


def test_weights_are_changed_by_keys(page: Page) -> None:
    page.fill("#prompt", "a red house")
    page.locator("#prompt").evaluate("area => area.setSelectionRange(3, 3)")
    page.keyboard.press("Control+ArrowUp")
    page.keyboard.press("Control+ArrowUp")
    expect(page.locator("#prompt")).to_have_value("a (red:1.2) house")
    page.keyboard.press("Control+z")
    expect(page.locator("#prompt")).to_have_value("a (red:1.1) house")


def test_an_xyz_plot_is_drawn_from_picked_axes(page: Page) -> None:
    simple(page, "a red house", steps=2)
    page.click("#txt2img_script_container .title")
    page.click(".el-select:has(#txt2img_script)")
    page.get_by_role("option", name="X/Y/Z plot").click()
    page.click(".el-select:has(#xyz_X_type)")
    page.get_by_role("option", name="Sampler", exact=True).click()
    page.click(".el-select:has(#xyz_X_values)")
    for sampler in ("Euler", "DPM++ 2M"):
        page.get_by_role("option", name=sampler, exact=True).click()
    page.keyboard.press("Escape")
    sheet = draw_picture(page)
    assert sheet.width == 2 * 256
    assert sheet.height > 256  # the legend stands above
    thumbnails = page.locator("#txt2img_gallery button")
    expect(thumbnails).to_have_count(3)
    thumbnails.nth(1).click()
    expect(page.locator("#html_info_txt2img")).to_contain_text("Sampler: Euler,")
    cells = page.locator(".stage").get_by_role("region", name="As a grid").first
    expect(cells.get_by_role("columnheader")).to_have_text(["Sampler: Euler", "Sampler: DPM++ 2M"])
    cells.get_by_role("cell").nth(1).get_by_role("button").click()
    expect(page.locator(".el-select:has(#sampler)")).to_contain_text("DPM++ 2M")
