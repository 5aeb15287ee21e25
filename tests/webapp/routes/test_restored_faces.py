"""``restore_faces`` and the extras' visibilities, from the request to the picture's pixels."""

import base64
import json
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from generator.models.residency import ResidentKind
from tests.generator.faces.tiny_networks import COLOUR, write_networks
from tests.generator.scripts.fake_painter import default_arguments
from tests.parity.recorded_xl import run_with_xl_models
from tests.parity.service import Service
from tests.webapp.requests.request_pictures import encode_grey_picture

SMALL = {"prompt": "a face", "steps": 1, "width": 64, "height": 64, "seed": 7, "cfg_scale": 1}
GREY = {"image": encode_grey_picture(64, 64)}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An Easel with a tiny checkpoint; no test needs the recordings."""
    torch.set_num_threads(1)
    with run_with_xl_models(("tinysd2",), tmp_path_factory.mktemp("data")) as running:
        running.options.update({"sd_model_checkpoint": "tinysd2.safetensors"})
        yield running


@pytest.fixture
def networks(service: Service) -> Iterator[Path]:
    """A detector that sees a face in the middle of any picture, and a restorer."""
    models = service.data_dir / "models"
    write_networks(models, always=True)
    service.registry.refresh()
    yield models
    for folder in ("GFPGAN", "Codeformer"):
        shutil.rmtree(models / folder)
    service.registry.refresh()


def draw(service: Service, route: str = "txt2img", **changes: Any) -> tuple[Image.Image, Any]:
    """The picture of a small drawing, and its ``info``."""
    answer = service.post(f"/sdapi/v1/{route}", {**SMALL, **changes})
    assert answer.status == 200, answer.body
    image = Image.open(BytesIO(base64.b64decode(answer.body["images"][0])))
    return image, json.loads(answer.body["info"])


def is_painted(image: Image.Image) -> bool:
    """Whether its middle has the restorer's colour."""
    middle = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    return all(abs(own - painted) <= 2 for own, painted in zip(middle, COLOUR, strict=True))


def test_without_weights_faces_stay_and_that_is_told(service: Service) -> None:
    plain, _ = draw(service)
    image, info = draw(service, restore_faces=True)
    assert image.tobytes() == plain.tobytes()
    (told,) = info["comments"]
    assert told.startswith("restore_faces: faces are as drawn")
    assert "models/Codeformer" in told
    assert (info["restore_faces"], info["face_restoration_model"]) == (False, None)
    assert "Face restoration" not in info["infotexts"][0]
    assert service.client.get("/sdapi/v1/face-restorers").get_json() == []


def test_faces_are_restored(service: Service, networks: Path) -> None:
    image, info = draw(service, restore_faces=True)
    assert is_painted(image)
    (told,) = info["comments"]
    assert told.startswith("restore_faces: RestoreFormer restored them, for no weights of CodeF")
    assert (info["restore_faces"], info["face_restoration_model"]) == (True, "RestoreFormer")
    assert "Seed: 7, Face restoration: RestoreFormer, Size: 64x64" in info["infotexts"][0]
    assert not is_painted(draw(service)[0])


def test_its_networks_are_in_the_engines_book_until_the_options_let_go(
    service: Service, networks: Path
) -> None:
    book, kinds = service.engine._residency, ("face restorer", "face detector")
    draw(service, restore_faces=True)
    assert all(book.files(ResidentKind(kind)) for kind in kinds)
    draw(service, restore_faces=True, override_settings={"face_restoration_unload": True})
    assert not any(book.files(ResidentKind(kind)) for kind in kinds)
    assert book.files(ResidentKind.CHECKPOINT)


def test_the_options_ask_for_img2img_too(service: Service, networks: Path) -> None:
    options = {"face_restoration": True, "face_restoration_model": "RestoreFormer"}
    start = {"init_images": [GREY["image"]], "override_settings": options}
    image, info = draw(service, "img2img", **start)
    assert is_painted(image)
    assert "comments" not in info
    assert not is_painted(draw(service, "img2img", restore_faces=False, **start)[0])


def test_the_drawing_before_is_saved_where_the_options_say(
    service: Service, networks: Path
) -> None:
    options = {
        "face_restoration_model": "GFPGAN", "save_images_before_face_restoration": True,
        "samples_save": True, "outdir_samples": "",
    }  # fmt: skip
    draw(service, restore_faces=True, save_images=True, override_settings=options)
    (before,) = service.data_dir.rglob("*-before-face-restoration.png")
    (after,) = set(before.parent.glob("*.png")) - {before}
    assert is_painted(Image.open(after))
    assert not is_painted(Image.open(before))


def test_a_broken_restorer_costs_no_picture(service: Service, networks: Path) -> None:
    (networks / "GFPGAN/RestoreFormer.safetensors").write_bytes(
        (networks / "GFPGAN/detection_Resnet50_Final.safetensors").read_bytes()
    )
    service.registry.refresh()
    options = {"face_restoration_model": "RestoreFormer"}
    image, info = draw(service, restore_faces=True, override_settings=options)
    assert not is_painted(image)
    assert "RestoreFormer.safetensors is no face restorer" in info["comments"][0]


@pytest.mark.parametrize("file", ["detection_Resnet50_Final", "RestoreFormer"])
def test_weights_that_are_no_numbers_are_told(service: Service, networks: Path, file: str) -> None:
    path = networks / f"GFPGAN/{file}.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    next(iter(tensors.values()))[:] = torch.nan
    save_file(tensors, path)
    service.registry.refresh()
    options = {"face_restoration_model": "RestoreFormer"}
    image, info = draw(service, restore_faces=True, override_settings=options)
    assert not is_painted(image)
    assert f"{file}.safetensors: its " in info["comments"][0]


def enlarge(service: Service, **changes: Any) -> tuple[Image.Image, str]:
    """A grey picture enlarged, and what is told of it."""
    answer = service.post("/sdapi/v1/extra-single-image", {**GREY, **changes})
    assert answer.status == 200, answer.body
    image = Image.open(BytesIO(base64.b64decode(answer.body["image"])))
    return image, answer.body["html_info"]


def test_extras_mend_faces_as_far_as_they_shall_be_seen(service: Service, networks: Path) -> None:
    plain = enlarge(service)[0].convert("RGB").getpixel((32, 32))
    half, told = enlarge(service, gfpgan_visibility=0.5)
    assert told == "<p>GFPGAN visibility: 0.5</p>"
    assert half.text["postprocessing"] == "GFPGAN visibility: 0.5"
    middle = half.convert("RGB").getpixel((32, 32))
    for own, before, painted in zip(middle, plain, COLOUR, strict=True):
        assert abs(own - (before + painted) / 2) <= 2
    larger = {"upscaler_1": "Lanczos", "upscaling_resize": 2}
    image, told = enlarge(service, gfpgan_visibility=1, codeformer_visibility=1, **larger)
    assert (image.size, is_painted(image)) == ((128, 128), True)
    assert "Postprocess upscaler: Lanczos, GFPGAN visibility: 1.0</p>" in told
    assert "codeformer_visibility: faces are as drawn, for no weights of CodeFormer" in told


def test_extras_without_weights_tell_it(service: Service) -> None:
    image, told = enlarge(service, gfpgan_visibility=0.5)
    assert image.convert("RGB").getpixel((32, 32)) == enlarge(service)[0].convert("RGB").getpixel(
        (32, 32)
    )
    assert "gfpgan_visibility: faces are as drawn, for no weights of GFPGAN are here" in told


def test_a_plot_shows_faces_as_drawn_and_restored(service: Service, networks: Path) -> None:
    plot = default_arguments("x/y/z plot", a0="Face restore", a2=["None", "RestoreFormer"])
    plot[10] = True  # the pictures beside the sheet
    answer = service.post(
        "/sdapi/v1/txt2img", {**SMALL, "script_name": "x/y/z plot", "script_args": plot}
    )
    assert answer.status == 200, answer.body
    pictures = [Image.open(BytesIO(base64.b64decode(text))) for text in answer.body["images"]]
    assert [is_painted(each) for each in pictures if each.size == (64, 64)] == [False, True]
