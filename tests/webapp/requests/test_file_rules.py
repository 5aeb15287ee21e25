"""The options about saved files: names, folders, formats, sheets, what stands beside."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

SMALL = {"prompt": "a red house, by the sea", "width": 64, "height": 64, "steps": 2, "seed": 7}
DAY = "2026-01-02"


def saved_paths(house: Any, options: dict[str, Any], **fields: Any) -> list[str]:
    """Paths of all files in outputs after a request, relative to it."""
    body = {**SMALL, "save_images": True, "override_settings": options, **fields}
    answer = house.txt2img(body)
    assert answer.status_code == 200, answer.text
    outputs = house.data_dir / "outputs"
    return sorted(str(p.relative_to(outputs)) for p in outputs.rglob("*") if p.is_file())


def test_patterns_name_files_and_folders(house: Any) -> None:
    options = {
        "samples_filename_pattern": "[prompt_words]-[generation_number]",
        "directories_filename_pattern": "[model_name]/[date]",
        "directories_max_prompt_words": 3,
        "grid_save_to_dirs": False,
    }
    assert saved_paths(house, options, n_iter=2) == [
        "txt2img-grids/grid-0000.png",
        f"txt2img-images/painter/{DAY}/00000-a red house-1.png",
        f"txt2img-images/painter/{DAY}/00001-a red house-2.png",
    ]


def test_without_folders_the_name_tells_the_prompt(house: Any) -> None:
    assert saved_paths(house, {"save_to_dirs": False}) == [
        "txt2img-images/00000-7-a red house, by the sea.png"
    ]


def test_a_number_alone(house: Any) -> None:
    options = {"samples_filename_pattern": "[none]", "save_images_add_number": False}
    assert saved_paths(house, options) == [f"txt2img-images/{DAY}/00000.png"]


@pytest.mark.parametrize(
    ("action", "files"),
    [("Replace", ["7.png"]), ("Add number suffix", ["7-1.png", "7-2.png", "7.png"])],
)
def test_names_without_a_number(house: Any, action: str, files: list[str]) -> None:
    options = {"save_images_add_number": False, "save_images_replace_action": action}
    for _ in range(3):
        found = saved_paths(house, options)
    assert found == [f"txt2img-images/{DAY}/{name}" for name in files]


def test_the_sheet_is_laid_out_as_the_options_say(house: Any) -> None:
    options = {
        "n_rows": 1,
        "grid_background_color": "#ff0000",
        "grid_format": "jpg",
        "grid_extended_filename": True,
        "samples_save": False,
    }
    (name,) = saved_paths(house, options, n_iter=3)
    assert name == f"txt2img-grids/{DAY}/grid-0000-7.jpg"
    width, height = Image.open(house.data_dir / "outputs" / name).size
    assert width == 3 * height


def test_a_sheet_of_one_picture(house: Any) -> None:
    assert saved_paths(house, {"grid_only_if_multiple": False}) == [
        f"txt2img-grids/{DAY}/grid-0000.png",
        f"txt2img-images/{DAY}/00000-7.png",
    ]


def test_what_stands_beside_a_picture(house: Any) -> None:
    options = {"save_txt": True, "target_side_length": 32, "img_downscale_threshold": 0.5}
    folder = f"txt2img-images/{DAY}/00000-7"
    assert saved_paths(house, options) == [f"{folder}.jpg", f"{folder}.png", f"{folder}.txt"]
    whole = house.data_dir / "outputs" / folder
    assert max(Image.open(whole.with_suffix(".jpg")).size) == 32
    assert "Seed: 7" in whole.with_suffix(".txt").read_text("utf-8")
    assert saved_paths(house, {**options, "export_for_4chan": False, "save_txt": False})[
        -1
    ].endswith("00001-7.png")


def test_lossless_webp(house: Any) -> None:
    options = {"samples_format": "webp", "webp_lossless": True, "jpeg_quality": 1}
    (name,) = saved_paths(house, options)
    assert b"VP8L" in (house.data_dir / "outputs" / name).read_bytes()


@pytest.mark.parametrize("way_out", ["../../models/Lora", "/etc", "..\\..\\x", "[prompt]"])
def test_no_pattern_leaves_the_folder_of_pictures(house: Any, way_out: str) -> None:
    before = {path for path in house.data_dir.parent.rglob("*") if path.is_file()}
    options = {"directories_filename_pattern": way_out, "samples_filename_pattern": way_out}
    (name,) = saved_paths(house, options, prompt="../../../models/x")
    written = house.data_dir / "outputs" / name
    assert written.is_relative_to(house.data_dir / "outputs/txt2img-images")
    after = {path for path in house.data_dir.parent.rglob("*.png") if path.is_file()}
    assert after - before == {written}


def test_a_protected_folder_is_refused(house: Any) -> None:
    options = {
        "outdir_txt2img_samples": str(house.data_dir),
        "directories_filename_pattern": "models/ESRGAN",
    }
    answer = house.txt2img({**SMALL, "save_images": True, "override_settings": options})
    assert answer.status_code == 507
    assert "models/ESRGAN" in answer.get_json()["errors"]
    assert not (house.data_dir / "models/ESRGAN/00000-7.png").exists()


def test_a_long_prompt_is_cut_to_what_a_file_system_takes(house: Any) -> None:
    (name,) = saved_paths(house, {"samples_filename_pattern": "[prompt]"}, prompt="猫" * 300)
    assert len(Path(name).name.encode()) < 255


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("grid_format", "exe"),
        ("grid_background_color", "no colour"),
        ("samples_filename_pattern", "x" * 1001),
        ("directories_filename_pattern", "x" * 1001),
        ("n_rows", 99),
        ("save_images_replace_action", "Burn"),
    ],
)
def test_options_that_fit_no_file_are_refused(house: Any, option: str, value: object) -> None:
    body = {**SMALL, "save_images": True, "override_settings": {option: value}}
    answer = house.txt2img(body)
    assert answer.status_code == 422
    assert option in answer.text
