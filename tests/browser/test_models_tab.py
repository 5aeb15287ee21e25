"""Models in the page: cards with notes and pictures, a merge with its progress, the report."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from easel_process import ROOT, WIDTH, Easel, eventually, open_sections, running_easel
from PIL import Image
from playwright.sync_api import Page, expect
from safetensors.torch import load_file, save_file

from tests.wait import wait_until

pytestmark = pytest.mark.browser
DEFAULT = ROOT / "generator/default_checkpoint/easel-default.safetensors"
COMPANIONS = ROOT / "generator/default_checkpoint/companions"


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with two checkpoints, one twice; a LoRA with a picture; a page saved as a model."""
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    folder, loras = data_dir / "models/Stable-diffusion", data_dir / "models/Lora"
    folder.mkdir(parents=True)
    loras.mkdir(parents=True)
    shutil.copy2(DEFAULT, folder / "one.safetensors")
    shutil.copy2(DEFAULT, folder / "copy.safetensors")
    other = {name: tensor * 0.5 for name, tensor in load_file(DEFAULT).items()}
    save_file(other, folder / "two.safetensors")
    shutil.copy2(COMPANIONS / "easel-blueprint.safetensors", loras)
    Image.new("RGB", (64, 80), (40, 90, 160)).save(loras / "easel-blueprint.preview.png")
    (loras / "page.safetensors").write_text("<!DOCTYPE html><title>Log in</title>")
    save_file(
        {"lora_unet_x_attn2_to_k.lora_down.weight": torch.ones(4, 2048)}, loras / "xl.safetensors"
    )
    with running_easel(data_dir) as running:
        yield running


def open_models(page: Page, easel: Easel) -> None:
    page.goto(easel.url)
    page.wait_for_selector("#txt2img_generate")
    open_sections(page)
    page.locator("header nav").get_by_role("button", name="Models", exact=True).click()
    expect(page.locator("#tab_models")).to_be_visible()


def test_a_card_shows_a_model_and_keeps_what_is_written(
    page: Page, easel: Easel, tmp_path: Path
) -> None:
    open_models(page, easel)
    expect(page.locator(".card")).to_have_count(3)
    page.locator("#models_kind").click()
    page.get_by_role("option", name="LoRA").click()
    card = page.locator(".card", has_text="easel-blueprint")
    expect(card.locator("img")).to_be_visible()
    card.click()
    page.locator("#models_words").fill("blueprint, white lines")
    page.locator("#models_notes").fill("on blue paper")
    page.locator("#models_save").click()
    expect(page.locator(".words")).to_contain_text("white lines")
    beside = easel.data_dir / "models/Lora/easel-blueprint.json"
    written = json.loads(beside.read_text())
    assert (written["activation text"], written["notes"]) == (
        "blueprint, white lines",
        "on blue paper",
    )
    Image.new("RGB", (32, 32), (200, 30, 30)).save(tmp_path / "new.png")
    page.locator("dialog input[type=file]").set_input_files(tmp_path / "new.png")
    wait_until(beside.with_suffix(".png").is_file)


def test_two_checkpoints_are_merged(page: Page, easel: Easel) -> None:
    open_models(page, easel)
    page.get_by_role("radio", name="Merge and convert").click()
    for letter, title in (("a", "one"), ("b", "two")):
        page.locator(f"#models_{letter}").click()
        choices = page.get_by_role("listbox", name=letter.upper(), exact=True)
        choices.get_by_role("option", name=f"{title}.safetensors").click()
    page.locator("#models_name").fill("half")
    page.locator("#models_start").click()
    eventually(expect(page.locator(".done")).to_contain_text, "half.safetensors")
    merged = load_file(easel.checkpoints / "half.safetensors")
    name, tensor = next((k, v) for k, v in load_file(DEFAULT).items() if "diffusion_model" in k)
    assert torch.allclose(merged[name].float(), tensor.float() * 0.85, rtol=1e-2, atol=1e-4)
    page.locator("#models_start").click()
    eventually(expect(page.get_by_role("alert")).to_contain_text, "is there already")


def test_the_report_tells_what_is_spare_and_what_is_broken(page: Page, easel: Easel) -> None:
    open_models(page, easel)
    page.get_by_role("radio", name="Report").click()
    expect(page.locator("[data-section=unreadable]")).to_contain_text("page.safetensors")
    expect(page.locator("[data-section=baseless]")).to_contain_text("Stable Diffusion XL")
    expect(page.locator("[data-section=unused]")).to_contain_text("copy.safetensors")

    def is_compared() -> bool:  # hashes come in the background
        page.get_by_role("radio", name="Cards").click()
        page.get_by_role("radio", name="Report").click()
        expect(page.locator("[data-section=duplicates]")).to_be_visible()
        return page.locator("[data-section=duplicates] .list").count() > 0

    wait_until(is_compared, every=0.3)
    expect(page.locator("[data-section=duplicates]")).to_contain_text("copy.safetensors")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(page: Page, easel: Easel, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    open_models(page, easel)
    for view in ("Cards", "Merge and convert", "Report"):
        page.get_by_role("radio", name=view).click()
        assert page.evaluate(WIDTH) <= width


def test_an_embedding_is_made_trained_and_tried(page: Page, easel: Easel) -> None:
    folder = easel.data_dir / "outputs" / "faces"
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 64), (200, 30, 30)).save(folder / "red.png")
    open_models(page, easel)
    page.get_by_role("radio", name="Train", exact=True).click()
    page.locator("#embedding_name").fill("no/such")
    page.locator("#embedding_create").click()
    expect(page.get_by_role("alert")).to_contain_text("name")
    page.locator("#embedding_name").fill("toy")
    page.locator("#embedding_create").click()
    chosen = page.locator(".field:has(#train_embedding)")
    eventually(expect(chosen).to_contain_text, "toy")
    page.locator("#train_folder").fill("outputs/faces")
    for name, number in (("steps", "3"), ("width", "64"), ("height", "64")):
        page.locator(f"#train_{name}").fill(number)
    page.locator("#train_prompt").fill("a picture of [name]")
    page.locator("#train_start").click()
    eventually(expect(page.get_by_text("toy is trained")).to_be_visible)
    eventually(expect(page.get_by_alt_text("Picture drawn with toy")).to_be_visible)
    assert (easel.data_dir / "embeddings" / "toy.pt").is_file()
