"""A folder of diffusers copied in while the service runs: told as unfinished, then drawn with."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generator.models.registry import Folders, Registry
from generator.pictures.base64_images import read_base64
from tests.generator.models.diffusers_folders_made import save_folder
from tests.image_compare import is_same_drawing
from tests.parity.service import Service, run_service
from tests.wait import TIMEOUT, wait_until
from tests.webapp.web_process import WebProcess

DEFAULT = Path(__file__).parents[3] / "generator/default_checkpoint/easel-default.safetensors"
CHECKPOINTS = "models/Stable-diffusion"
SMALL = {"prompt": "a", "steps": 1, "width": 64, "height": 64, "seed": 7}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole one, elsewhere."""
    data_dir = tmp_path_factory.mktemp("made")
    (data_dir / CHECKPOINTS).mkdir(parents=True)
    shutil.copy2(DEFAULT, data_dir / CHECKPOINTS / "default.safetensors")
    registry = Registry(Folders.under(data_dir))
    save_folder(registry.find_checkpoint("default"), data_dir / "whole")
    return data_dir / "whole"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    process = WebProcess(tmp_path_factory.mktemp("watched"), usual=("--no-hashing",))
    (process.data_dir / CHECKPOINTS).mkdir(parents=True)
    shutil.copy2(DEFAULT, process.data_dir / CHECKPOINTS / "default.safetensors")
    process.start()
    yield process
    process.stop()


def ask(web: WebProcess, path: str) -> Any:
    with urllib.request.urlopen(f"{web.url}{path}", timeout=TIMEOUT) as answer:
        return json.load(answer)


def names(web: WebProcess) -> set[str]:
    return {each["model_name"] for each in ask(web, "/sdapi/v1/sd-models")}


def test_it_is_told_while_unfinished_listed_when_whole_and_gone_when_removed(
    web: WebProcess, folder: Path
) -> None:
    mine = web.data_dir / CHECKPOINTS / "mine"
    late = "unet/diffusion_pytorch_model.safetensors"
    shutil.copytree(folder, mine, ignore=shutil.ignore_patterns("diffusion_pytorch_model*"))

    def broken() -> dict[str, str]:
        return {each["file"]: each["reason"] for each in ask(web, "/internal/broken-models")}

    place = f"{CHECKPOINTS}/mine"
    wait_until(lambda: "names the part unet" in broken().get(place, ""))
    shutil.copy2(folder / "vae/diffusion_pytorch_model.safetensors", mine / "vae")
    (mine / late).write_bytes((folder / late).read_bytes()[:-1000])
    wait_until(lambda: "unet/" in broken().get(place, "") and "bytes are there" in broken()[place])
    assert names(web) == {"default"}
    shutil.copy2(folder / late, mine / "unet")
    wait_until(lambda: names(web) == {"default", "mine"})
    assert broken() == {}
    (kind,) = (e for e in ask(web, "/internal/checkpoint-kinds") if e["title"] == "mine")
    assert (kind["architecture"], kind["can_draw"]) == ("Stable Diffusion 1.x", True)
    cards = {each["name"] for each in ask(web, "/api/models/cards?kind=checkpoint")}
    assert "mine" in cards
    shutil.rmtree(mine)
    wait_until(lambda: names(web) == {"default"})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data_dir = tmp_path_factory.mktemp("served")
    (data_dir / CHECKPOINTS).mkdir(parents=True)
    shutil.copy2(DEFAULT, data_dir / CHECKPOINTS / "default.safetensors")
    with run_service(data_dir, Registry(Folders.under(data_dir))) as running:
        yield running


def test_it_draws_right_after_it_came_and_a_broken_part_is_422(
    service: Service, folder: Path
) -> None:
    def draw(name: str) -> Any:
        chosen = {"override_settings": {"sd_model_checkpoint": name}}
        return service.post("/sdapi/v1/txt2img", {**SMALL, **chosen})

    mine = service.data_dir / CHECKPOINTS / "mine"
    shutil.copytree(folder, mine)
    answer, plain = draw("mine"), draw("default")
    assert answer.status == 200, answer.body
    assert "Model: mine" in answer.body["info"]
    images = (read_base64(each.body["images"][0]) for each in (answer, plain))
    assert is_same_drawing(*images)
    path = mine / "vae/diffusion_pytorch_model.safetensors"
    path.write_bytes(b"<html>not found</html>" * 9)
    refused = draw("mine")
    assert refused.status == 422
    assert "mine/vae/diffusion_pytorch_model.safetensors" in refused.body["detail"]
    shutil.rmtree(mine)
    assert "is not here" in str(draw("mine").body["info"])
