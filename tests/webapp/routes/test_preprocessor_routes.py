"""Preprocessors that are networks, through a server with a worker."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import torch
from PIL import Image

from tests.generator.control import fake_preprocessors as fake
from tests.wait import TIMEOUT
from tests.webapp.easel_server import serve_easel

FOLDER = "models/ControlNet-annotators"
PIXELS = np.random.RandomState(0).randint(0, 256, (64, 64, 3), np.uint8)


def encode_picture() -> str:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("preprocessors") / "data"


@pytest.fixture(scope="module")
def url(data_dir: Path) -> Iterator[str]:
    with serve_easel(data_dir) as (_, url):
        yield url


def detect(url: str, module: str) -> "requests.Response":
    body: dict[str, Any] = {
        "controlnet_module": module,
        "controlnet_input_images": [encode_picture()],
        "controlnet_processor_res": 64,
    }
    return requests.post(f"{url}/controlnet/detect", json=body, timeout=TIMEOUT)


def draw(url: str, module: str) -> "requests.Response":
    unit = {"module": module, "model": "None", "enabled": True, "image": encode_picture()}
    reference = unit | {"module": "reference_only"}
    body = {
        "prompt": "a fox",
        "steps": 1,
        "width": 64,
        "height": 64,
        "alwayson_scripts": {"controlnet": {"args": [reference, unit]}},
    }
    return requests.post(f"{url}/sdapi/v1/txt2img", json=body, timeout=TIMEOUT)


def test_what_is_missing_is_told_and_the_lists_stay(url: str, data_dir: Path) -> None:
    lists = requests.get(f"{url}/controlnet/module_list", timeout=TIMEOUT).json()
    assert {"hed", "openpose_full", "depth_zoe"} <= set(lists["module_list"])
    with fake.missing():
        answer = detect(url, "softedge_hed")
    assert answer.status_code == 422
    for words in (
        "controlnet_module: softedge_hed is a network of its own",
        f"ControlNetHED.pth, are not in {FOLDER}",
        "lllyasviel/Annotators",
        "controlnet_aux, timm, skimage",
        "requirements-preprocessors.lock",
        "module none",
    ):
        assert words in answer.json()["detail"]
    assert str(data_dir) not in answer.text


def test_weights_that_lie_there_draw_the_map_and_nothing_else_is_asked_for(
    url: str, data_dir: Path, tmp_path: Path
) -> None:
    (data_dir / FOLDER).mkdir(parents=True, exist_ok=True)
    torch.save(fake.hed_weights(), data_dir / FOLDER / "ControlNetHED.pth")
    with fake.missing():
        answer = detect(url, "hed")
        assert answer.status_code == 422
        assert "ControlNetHED" not in answer.json()["detail"]  # the package alone is missing
    with fake.installed(tmp_path / "packages"):
        answer = detect(url, "hed")
        assert answer.status_code == 200, answer.text
        drawn = Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0])))
        assert np.array_equal(np.asarray(drawn), PIXELS[..., :1].repeat(3, 2))
        (data_dir / FOLDER / "sk_model.pth").write_bytes(b"<html>404</html>")
        broken = detect(url, "lineart")
        assert broken.status_code == 422
        assert f"are in {FOLDER} and cannot be used: sk_model.pth" in broken.json()["detail"]


def test_a_unit_whose_preprocessor_lacks_weights_is_refused_before_the_queue(url: str) -> None:
    with fake.missing():
        answer = draw(url, "mlsd")
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    assert "mlsd_large_512_fp32.pth" in str(detail)
