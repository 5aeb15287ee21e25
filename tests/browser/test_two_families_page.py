"""Two families drawn by turns in the page; a kind that is not drawn with is told by its name."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from easel_process import RESULT, ROOT, Easel, eventually, running_easel
from playwright.sync_api import Page, expect

from tests.generator.models.architecture_fixtures import flux
from tests.generator.models.hollow_files import write_hollow
from tests.parity.recorded_xl import place_models

pytestmark = pytest.mark.browser
DEFAULT = ROOT / "generator/default_checkpoint/easel-default.safetensors"


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with a checkpoint of Stable Diffusion 1, one of XL and one of Flux."""
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    place_models(("tinyxl",), data_dir)
    shutil.copy2(DEFAULT, data_dir / "models/Stable-diffusion")
    write_hollow(data_dir / "models/Stable-diffusion/strange.safetensors", flux(64))
    with running_easel(data_dir) as running:
        yield running


def choose(page: Page, label: str) -> None:
    page.click("#checkpoint")
    page.get_by_role("option", name=label, exact=True).click()


def test_families_are_drawn_by_turns(page: Page, easel: Easel, tmp_path: Path) -> None:
    page.goto(easel.url)
    page.fill("#prompt", "a red cat")
    for field, number in (("steps", "2"), ("width", "64"), ("height", "64")):
        page.fill(f"#txt2img_{field}", number)
        page.keyboard.press("Tab")
    for name in ("tinyxl", "easel-default", "tinyxl"):
        choose(page, name)
        with page.expect_response(RESULT, timeout=120_000) as answer:
            page.click("#txt2img_generate")
        assert answer.value.status == 200
        assert f"Model: {name}," in json.loads(answer.value.json()["info"])["infotexts"][0]
    choose(page, "strange · Flux.1 dev or Kontext")
    page.click("#txt2img_generate")
    alert = page.locator(".complaint")
    eventually(expect(alert).to_contain_text, "strange.safetensors was asked to draw")
    expect(alert).to_contain_text("Flux.1 dev or Kontext")
