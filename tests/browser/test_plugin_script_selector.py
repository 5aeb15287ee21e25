"""Scripts of plugins in the script selector, from the choice to the picture; and Pace's section."""

import json
import re
from collections.abc import Iterator

import pytest
import requests
from easel_process import JOBS, ROOT, Easel, asked_pictures, eventually, running_easel
from page_pictures import shown_picture
from playwright.sync_api import Page, expect

from tests.wait import TIMEOUT

pytestmark = pytest.mark.browser

MANIFEST = """
name = "counter"
title = "Counter"
version = "1.0"
licence = "MIT"
hooks = ["scripts", "tools"]
"""
WEB = """
from plugins import hook
from plugins.api import Input, Script


@hook
def scripts():
    form = [
        Input("from", "Count from", "number", 2, least=1, most=9),
        Input("word", "Joined by", "choice", "minus", choices=["minus", "less"]),
        Input("after", "Words after"),
        Input("loud", "Aloud", "switch", False),
    ]
    return [Script("Count down", form)]
"""
WORKER = """
from dataclasses import replace

from plugins import hook


def count_down(request, arguments, draw):
    start, word, after, loud = arguments
    drawn = []
    for number in range(start, 0, -1):
        prompt = f"{request.prompt} {word} {number}{after}"
        notes = {"Counted": number}
        drawn.append(draw(replace(request, prompt=prompt.upper() if loud else prompt, notes=notes)))
    return drawn


@hook
def tools():
    return {"scripts": {"Count down": count_down}}
"""


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with a script of somebody else's, its own one and Pace turned on."""
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    folder = data_dir / "extensions" / "counter"
    folder.mkdir(parents=True)
    for name, text in (
        ("easel-plugin.toml", MANIFEST), ("web.py", WEB), ("worker.py", WORKER)
    ):  # fmt: skip
        (folder / name).write_text(text)
    with running_easel(data_dir) as running:
        for name in ("dynamicprompts", "pace", "detailer", "beautifulprompt"):
            asked = requests.post(f"{running.url}/api/plugins/{name}", json={"enabled": True})
            assert asked.ok, asked.text
        assert requests.post(f"{running.url}/api/plugins/reload").ok
        yield running


def texts_of_scripts(easel: Easel) -> Iterator[str]:
    for script in requests.get(f"{easel.url}/sdapi/v1/script-info", timeout=TIMEOUT).json():
        if script["is_alwayson"] or script["name"] == "count down":
            continue
        yield script["name"]
        for argument in script["args"]:
            yield from (argument["label"] or "", *(argument["choices"] or ()))
            if isinstance(argument["value"], str) and not (
                argument["label"] or argument["choices"]
            ):
                yield argument["value"]  # a hint


def texts_of_plugins(easel: Easel) -> Iterator[str]:
    for plugin in requests.get(f"{easel.url}/api/plugins", timeout=TIMEOUT).json()["plugins"]:
        for part in plugin["parts"] if plugin["origin"] == "shipped" else ():
            yield part["title"]
            for field in part["form"]:
                yield from (field["label"] or field["name"], *map(str, field["choices"]))
        for setting in plugin["settings"] if plugin["origin"] == "shipped" else ():
            yield from map(str, setting["choices"])


def texts_of_control(easel: Easel) -> Iterator[str]:
    address = f"{easel.url}/controlnet"
    yield from requests.get(f"{address}/control_types", timeout=TIMEOUT).json()["control_types"]
    modules = requests.get(f"{address}/module_list?alias_names=true", timeout=TIMEOUT).json()
    for detail in modules["module_detail"].values():
        yield from (slider["name"] for slider in detail["sliders"])


def test_every_label_of_the_service_is_there_in_chinese(easel: Easel) -> None:
    chinese = json.loads((ROOT / "static/locales/zh.json").read_text(encoding="utf-8"))
    words = chinese["label"]
    texts = {*texts_of_scripts(easel), *texts_of_plugins(easel), *texts_of_control(easel)}
    plain = {text: re.sub(r"<[^>]*>", "", text).strip().lower() for text in texts}
    keys = {text: re.sub(r"[^a-z0-9]+", "_", words).strip("_") for text, words in plain.items()}
    assert len(texts) > 100
    assert [text for text, key in keys.items() if key and key not in words] == []
    for plugin in requests.get(f"{easel.url}/api/plugins", timeout=TIMEOUT).json()["plugins"]:
        if plugin["origin"] == "shipped":
            names = {setting["name"] for setting in plugin["settings"]}
            assert {"about", *names} <= set(chinese["plugin"][plugin["name"]]), plugin["name"]


def choose(page: Page, script: str) -> None:
    page.fill("#prompt", "a {red|blue} house" if script == "Every combination" else "a house")
    page.fill("#txt2img_seed", "1")
    page.fill("#txt2img_steps", "2")
    page.keyboard.press("Tab")
    page.click("#txt2img_script_container .title")
    page.click(".el-select:has(#txt2img_script)")
    page.get_by_role("option", name=script, exact=False).click()


def draw(page: Page) -> dict:
    """Draw; what was asked for."""
    with page.expect_request(JOBS) as asked:
        page.click("#txt2img_generate")
    page.wait_for_selector("#txt2img_interrupt")
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)
    return asked_pictures(asked.value)


def test_a_plugins_script_is_chosen_filled_and_drawn(page: Page) -> None:
    choose(page, "count down")
    fold = page.locator("#txt2img_script_container")
    fold.get_by_role("spinbutton", name="Count from").fill("1")
    fold.get_by_role("textbox", name="Words after").fill(", at night")
    select = fold.locator(".el-select:has(#script_1)")
    select.click()
    page.get_by_role("option", name="less").click()
    expect(select).to_contain_text("less")
    fold.get_by_text("Aloud").click()
    body = draw(page)
    assert (body["script_name"], body["script_args"]) == (
        "count down", [1, "less", ", at night", True],
    )  # fmt: skip
    told = page.inner_text("#html_info_txt2img")
    assert told.startswith("A HOUSE LESS 1, AT NIGHT")
    assert "Counted: 1" in told
    assert shown_picture(page).size == (256, 256)


def test_every_combination_is_one_sheet(page: Page, easel: Easel) -> None:
    choose(page, "Every combination")
    fold = page.locator("#txt2img_script_container")
    expect(fold.get_by_role("spinbutton", name="Combinations at most")).to_have_value("16")
    body = draw(page)
    assert body["script_args"] == [16, False, True]
    sheet = shown_picture(page)  # the sheet comes first
    assert sheet.width in (256, 512)
    assert sheet.width * sheet.height > 2 * 256 * 256


def test_pace_tells_how_fast_this_machine_draws(page: Page, easel: Easel) -> None:
    requests.post(
        f"{easel.url}/sdapi/v1/txt2img", timeout=TIMEOUT,
        json={"prompt": "a", "steps": 2, "width": 64, "height": 64, "sampler_name": "Euler"},
    )  # fmt: skip
    page.get_by_role("navigation").get_by_role("button", name="Pace", exact=True).click()
    rows = page.locator("[data-tab^=pace] tbody tr")
    expect(rows.first).to_contain_text("64 × 64")
    about = page.get_by_role("status").filter(has_text="a step")
    page.select_option("#pace_sampler", "Euler")
    expect(about).to_contain_text("About")
    page.fill("#pace_width", "512")
    expect(about).to_contain_text("reckoned from Euler at")
    assert page.locator("[data-tab^=pace]").get_by_role("alert").is_hidden()
