"""Each number that the service bounds is marked on the page where it is refused."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from easel_process import JOBS, Easel, running_easel
from form_plugin import bring_former
from PIL import Image
from playwright.sync_api import Page, Route, expect

from webapp.requests import extras, img2img, ranges, txt2img

pytestmark = pytest.mark.browser
BEYOND = 10**19  # more than any field takes
EXTRAS_ROUTE = "**/sdapi/v1/extra-single-image"
WITHOUT_CONTROL = {
    *("eta", "s_min_uncond", "s_churn", "s_tmax", "s_tmin", "s_noise"),
    *("firstphase_width", "firstphase_height", "image_cfg_scale", "initial_noise_multiplier"),
    *("mask_blur_x", "mask_blur_y"),
}
"""Numbers of the API that the page does not send."""

IDS: Mapping[str, str] = {
    "n_iter": "txt2img_batch_count",
    "hr_second_pass_steps": "txt2img_hires_steps",
    "resize_mode": "resize_mode",
}
"""Controls that are not called as the field is."""

LATER = {"refiner_switch_at", "hr_resize_x", "hr_resize_y"}
"""Of txt2img: there with two checkpoints, and where a size is chosen."""

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    bring_former(data_dir / "extensions")
    with running_easel(data_dir) as running:
        yield running


class Spoiler:
    """Changes what the page sends, so that the service itself refuses it."""

    def __init__(self, page: Page, kind: str) -> None:
        self.page, self.kind = page, kind
        self.change: Change = lambda body: None
        page.route(EXTRAS_ROUTE if kind == "extras" else JOBS, self.spoil)

    def spoil(self, route: Route) -> None:
        sent = route.request.post_data_json
        self.change(sent if self.kind == "extras" else sent["body"])
        route.continue_(post_data=json.dumps(sent))

    def expect_marked(self, change: Change, place: str, words: str) -> None:
        """Send it; the field around ``place`` is marked, in sight and focused."""
        self.change = change
        self.page.evaluate("document.activeElement?.blur()")
        self.page.click(f"#{self.kind}_generate")
        field = self.page.locator(".wrong").filter(has=self.page.locator(place))
        expect(field.locator(".error").last, place).to_contain_text(words)
        expect(field.last, place).to_be_in_viewport()
        expect(field.last.locator(":focus"), place).to_have_count(1)


def set_to(name: str, value: object) -> Change:
    return lambda body: body.update({name: value})


def label_of(page: Page, place: str) -> str:
    return page.locator(place).first.get_attribute("aria-label") or ""


def open_all_of_txt2img(page: Page) -> None:
    page.click("#txt2img_subseed_show")
    page.click("#txt2img_hr .el-switch")


def test_each_bounded_number_of_txt2img_is_marked(page: Page) -> None:
    open_all_of_txt2img(page)
    spoiler = Spoiler(page, "txt2img")
    names = {**ranges.RANGES, **txt2img.RANGES}.keys() - WITHOUT_CONTROL - LATER
    assert len(names) > 12
    for name in sorted(names):
        place = f"#{IDS.get(name, f'txt2img_{name}')}"
        spoiler.expect_marked(set_to(name, BEYOND), place, "10000000000000000000")
        if label := label_of(page, place):
            expect(page.locator(".complaint"), name).to_contain_text(label)
    page.get_by_role("radio", name="To a size").click()
    for name in ("hr_resize_x", "hr_resize_y"):
        spoiler.expect_marked(set_to(name, BEYOND), f"#txt2img_{name}", "8192")


def test_closed_folds_open_where_a_field_in_them_is_refused(page: Page) -> None:
    spoiler = Spoiler(page, "txt2img")
    unit = {"enabled": True, "module": "none", "model": "None", "weight": 3}
    spoiler.expect_marked(
        set_to("override_settings", {"CLIP_stop_at_last_layers": 99}),
        "#setting_CLIP_stop_at_last_layers",
        "99",
    )
    form = {"former": {"enabled": True, "amount": 7}}
    spoiler.expect_marked(set_to("alwayson_scripts", form), "#txt2img_former_amount", "7")
    page.click("#txt2img_controlnet .title")
    page.click("#txt2img_controlnet .switch .el-switch")
    page.click("#txt2img_controlnet .title")
    spoiler.expect_marked(
        set_to("alwayson_scripts", {"controlnet": {"args": [unit]}}),
        "#txt2img_controlnet_0_weight",
        "from 0 to 2",
    )
    expect(page.locator(".complaint")).to_contain_text("ControlNet · Unit 1 · Weight")
    page.evaluate("localStorage.setItem('easel.language', 'zh')")
    page.reload()
    page.wait_for_selector("#txt2img_generate")
    spoiler.expect_marked(set_to("width", 9999), "#txt2img_width", "9999 超出范围：应为 8 到 4096")
    expect(page.locator(".complaint")).to_contain_text("宽度")


def test_what_the_page_has_no_control_for_is_told_by_its_path(page: Page) -> None:
    spoiler = Spoiler(page, "txt2img")
    spoiler.change = set_to("s_noise", 1000)
    page.click("#txt2img_generate")
    expect(page.locator(".complaint")).to_contain_text("s_noise: 1000 is out of range")
    expect(page.locator(".wrong")).to_have_count(0)


def test_each_bounded_number_of_enlarging_is_marked(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "small.png")
    page.get_by_role("button", name="Enlarge").click()
    page.set_input_files("#tab_extras input[type=file]", tmp_path / "small.png")
    page.click("#extras_faces .title")
    page.fill("#extras_codeformer_visibility", "1")
    page.keyboard.press("Tab")
    page.click("#extras_faces .title")
    page.click(".el-select:has(#extras_upscaler_2)")
    page.get_by_role("option", name="Nearest", exact=True).click()
    spoiler = Spoiler(page, "extras")
    sides = {"upscaling_resize_w", "upscaling_resize_h"}
    for name in sorted(extras.RANGES.keys() - sides):
        place = f"#{'' if name.startswith('extras_') else 'extras_'}{name}"
        spoiler.expect_marked(set_to(name, BEYOND), place, "10000000000000000000")
    page.get_by_role("radio", name="To a size").click()
    for name in sorted(sides):
        spoiler.expect_marked(set_to(name, BEYOND), f"#extras_{name}", "16384")


def test_the_fields_of_img2img_are_marked(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "small.png")
    page.get_by_role("button", name="Image to image").click()
    page.set_input_files("#mode_img2img input[type=file]", tmp_path / "small.png")
    spoiler = Spoiler(page, "img2img")
    assert {"resize_mode"} <= img2img.RANGES.keys()
    for name in ("denoising_strength", "resize_mode", "steps"):
        place = f"#{IDS.get(name, f'img2img_{name}')}"
        spoiler.expect_marked(set_to(name, BEYOND), place, "10000000000000000000")
