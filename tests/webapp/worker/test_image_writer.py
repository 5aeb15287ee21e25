"""What is written beside the finished pictures, and under which names."""

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from generator.errors import CannotSave
from generator.pictures.base64_images import open_picture
from generator.request import Aside
from tests.webapp.requests.request_pictures import BODY, PICTURE
from webapp.files.output_files import PictureFiles

DAY = "2026-01-02"
ALL = ("before-highres-fix", "before-color-correction", "mask", "mask-composite")


def grey(side: int = 8) -> Image.Image:
    """A small picture."""
    return Image.new("RGB", (side, side), "grey")


def names(folder: Path) -> list[str]:
    """The files of a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def drawing_asides(house: Any) -> Any:
    """A house whose engine draws everything that may stand beside a picture."""
    whole = house.draw

    def draw(job: Any) -> Any:
        drawn = whole(job)
        asides = tuple(
            Aside(grey(), number, suffix) for number in range(len(drawn.pictures)) for suffix in ALL
        )
        return replace(drawn, asides=asides, maps=(grey(), grey(16)))

    house.draw = draw
    return house


def img2img(house: Any, **changes: Any) -> Any:
    """The body of an answer."""
    answer = house.client().post("/sdapi/v1/img2img", json={**BODY, **changes})
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def test_asides_stand_before_and_after_their_picture(drawing_asides: Any) -> None:
    body = img2img(drawing_asides, save_images=True, batch_size=2)
    assert names(drawing_asides.data_dir / "outputs/img2img-images" / DAY) == [
        "00000-7-before-highres-fix.png",
        "00001-7-before-color-correction.png",
        "00002-7.png",
        "00003-7-mask.png",
        "00004-7-mask-composite.png",
        "00005-8-before-highres-fix.png",
        "00006-8-before-color-correction.png",
        "00007-8.png",
        "00008-8-mask.png",
        "00009-8-mask-composite.png",
    ]
    assert len(body["images"]) == 5  # grid, pictures, maps
    assert len(json.loads(body["info"])["infotexts"]) == 3


def test_the_vendors_maps_have_addresses(drawing_asides: Any) -> None:
    facts = img2img(drawing_asides, alwayson_scripts={"save_dir": "outputs"})["parameters"]
    maps = facts["image_mask_url"].split(",")
    assert [Path(url).parent.name for url in maps] == [DAY, DAY]
    assert all("/outputs/controlnet_mask/" in url for url in maps)
    assert len(names(drawing_asides.data_dir / "outputs/controlnet_mask" / DAY)) == 2
    assert len(facts["image_url"].split(",")) == 1


def test_without_maps_there_is_no_such_key(house: Any) -> None:
    facts = img2img(house, alwayson_scripts={"save_dir": "outputs"})["parameters"]
    assert "image_mask_url" not in facts


def test_nothing_is_drawn_just_for_saving_when_nothing_is_saved(house: Any) -> None:
    wanted = {"save_mask": True, "save_images_before_highres_fix": True}
    img2img(house, override_settings=wanted)
    assert not house.jobs[-1].request.options.save_mask
    assert not house.jobs[-1].request.options.save_images_before_highres_fix
    img2img(house, override_settings=wanted, save_images=True)
    assert house.jobs[-1].request.options.save_mask
    assert house.jobs[-1].request.options.save_images_before_highres_fix


def test_first_pictures_are_kept_under_their_fingerprint(house: Any) -> None:
    pixels = open_picture(base64.b64decode(PICTURE)).tobytes()
    name = hashlib.md5(pixels, usedforsecurity=False).hexdigest()
    img2img(house)
    assert house.jobs[-1].request.origin.fingerprint is None
    for _ in range(2):
        img2img(house, override_settings={"save_init_img": True})
    assert house.jobs[-1].request.origin.fingerprint == name
    assert names(house.data_dir / "outputs/init-images") == [f"{name}.png"]


def test_a_scripts_sheets_are_saved_as_grids(house: Any) -> None:
    whole = house.draw
    house.draw = lambda job: replace(whole(job), unshown_grids=(grey(32),))
    assert len(img2img(house, save_images=True)["images"]) == 1
    house.draw = lambda job: replace(whole(job), grids=(grey(32),))
    assert len(img2img(house, save_images=True)["images"]) == 2
    grids = house.data_dir / "outputs/img2img-grids" / DAY
    assert names(grids) == ["grid-0000.png", "grid-0001.png"]
    assert Image.open(grids / "grid-0000.png").size == (32, 32)


def test_a_plots_pictures_are_saved_though_the_sheet_alone_is_shown(house: Any) -> None:
    whole = house.draw

    def draw(job: Any) -> Any:
        drawn = whole(job)
        told = {"infotexts": ["of the sheet", "of the picture"]}
        bare = replace(drawn.pictures[0], infotext="")
        return replace(drawn, pictures=(), unshown=(bare,), grids=(grey(32),), facts=told)

    house.draw = draw
    assert len(img2img(house, save_images=True)["images"]) == 1
    outputs = house.data_dir / "outputs"
    (sheet,) = (outputs / "img2img-grids" / DAY).iterdir()
    (picture,) = (outputs / "img2img-images" / DAY).iterdir()
    assert Image.open(sheet).info["parameters"] == "of the sheet"
    assert Image.open(picture).info["parameters"] == "of the sheet"


def test_a_failure_among_asides_leaves_nothing(
    drawing_asides: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = PictureFiles.write_new

    def fails(files: PictureFiles, path: Path, data: bytes) -> bool:
        if "mask" in path.name:
            raise CannotSave("The disk is full")
        return kept(files, path, data)

    monkeypatch.setattr(PictureFiles, "write_new", fails)
    body = {**BODY, "save_images": True, "override_settings": {"save_init_img": True}}
    assert drawing_asides.client().post("/sdapi/v1/img2img", json=body).status_code == 507
    assert [p for p in (drawing_asides.data_dir / "outputs").rglob("*") if p.is_file()] == []
