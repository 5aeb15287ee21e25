"""Merging and converting over HTTP: done, stopped, refused."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import torch
from safetensors.torch import load_file, save_file

from generator.model_tools import write_model
from tests.parity.service import Service
from tests.wait import TIMEOUT, wait_until
from tests.webapp.easel_server import serve_easel

MERGE = {"models": ["easel-default", "second"], "multiplier": 0.5}
STRAY = {f"lora_unet_x.lora_{part}.weight": torch.ones(4, 4) for part in ("up", "down")}
STRANGE = {"alpha.weight": torch.ones(4, 4), "beta.bias": torch.ones(4)}
CONV = "model.diffusion_model.input_blocks.0.0.weight"


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    data_dir.mkdir()
    with serve_easel(data_dir) as running:
        folder = checkpoints(running[0])
        save_file({"conditioner.embedders.1.model.ln_final.weight": torch.ones(4),
                   CONV: torch.ones(8, 4, 3, 3)}, folder / "xl.safetensors")  # fmt: skip
        save_file(STRAY, folder / "stray.safetensors")
        save_file(STRANGE, folder / "strange.safetensors")
        for kind in ("Lora", "VAE", "ControlNet"):
            odd = running[0].data_dir / f"models/{kind}/odd.safetensors"
            odd.parent.mkdir(exist_ok=True)
            save_file(STRANGE, odd)
        running[0].registry.refresh()
        yield running


def checkpoints(service: Service) -> Path:
    return service.data_dir / "models/Stable-diffusion"


def post(easel: tuple[Service, str], path: str, **body: Any) -> requests.Response:
    return requests.post(f"{easel[1]}{path}", json=body, timeout=120)


def progress_of(easel: tuple[Service, str], text: str) -> dict[str, Any] | None:
    state: dict[str, Any] = post(easel, "/internal/progress", id_task="task-m").json()
    return state if state["textinfo"] == text else None


def test_a_merge_draws_at_once(easel: tuple[Service, str]) -> None:
    answer = post(easel, "/api/models/merge", **MERGE, name="half", precision="FP16")
    told = answer.json()
    path = checkpoints(easel[0]) / "half.safetensors"
    assert (answer.status_code, told["name"], told["interrupted"]) == (
        200,
        "half.safetensors",
        False,
    )
    assert told["size"] == path.stat().st_size
    assert str(easel[0].data_dir) not in answer.text
    listed = requests.get(f"{easel[1]}/sdapi/v1/sd-models", timeout=TIMEOUT).json()
    assert "half" in [entry["model_name"] for entry in listed]
    wish = {"width": 64, "height": 64, "steps": 1, "prompt": "a house",
            "override_settings": {"sd_model_checkpoint": "half"}}  # fmt: skip
    drawn = post(easel, "/sdapi/v1/txt2img", **wish)
    assert drawn.status_code == 200, drawn.text
    assert '"Model: half' in drawn.text or "Model: half" in drawn.json()["info"]


def test_a_conversion_changes_the_form_alone(easel: tuple[Service, str]) -> None:
    told = post(easel, "/api/models/convert", model="second", precision="bf16", config="don't")
    assert told.json()["name"] == "second-bf16.safetensors"
    converted = load_file(checkpoints(easel[0]) / "second-bf16.safetensors")[CONV]
    before = load_file(checkpoints(easel[0]) / "second.safetensors")[CONV]
    assert torch.equal(converted, before.bfloat16())


def test_the_report_is_answered(easel: tuple[Service, str]) -> None:
    told = requests.get(f"{easel[1]}/api/models/report", timeout=TIMEOUT).json()
    assert told["unused"] is None  # this Easel keeps no index of pictures
    assert told["kinds"][0]["kind"] == "checkpoint"
    (checkpoints(easel[0]) / "page.safetensors").write_text("<html>")
    requests.post(f"{easel[1]}/sdapi/v1/refresh-checkpoints", timeout=TIMEOUT)
    told = requests.get(f"{easel[1]}/api/models/report", timeout=TIMEOUT).json()
    (unreadable,) = told["unreadable"]
    assert unreadable["file"] == "models/Stable-diffusion/page.safetensors"
    assert "page.safetensors" in unreadable["reason"]
    (checkpoints(easel[0]) / "page.safetensors").unlink()


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("merge", {"models": ["easel-default", "none"]}, "There is no checkpoint 'none'"),
        ("merge", {"models": ["easel-default", "xl"]}, "xl.safetensors is Stable Diffusion XL"),
        ("merge", {"models": ["easel-default"]}, "takes 2 models"),
        ("merge", {"models": []}, "models"),
        ("merge", {**MERGE, "mode": "mean"}, "mode: 'mean' is none of 'Weighted sum'"),
        ("merge", {**MERGE, "multiplier": 9}, "multiplier"),
        ("merge", {**MERGE, "multiplier": "x"}, "multiplier"),
        ("merge", {**MERGE, "name": "second"}, "is there already"),
        ("merge", {**MERGE, "name": "../../x"}, "no name of a file"),
        ("merge", {**MERGE, "halve": True}, "halve"),
        ("merge", {**MERGE, "discard": "(" }, "no regular expression"),
        ("convert", {"model": "second", "kind": "upscaler"}, "is not converted"),
        ("convert", {"model": "second", "name": "x", "vae": "none"}, "no vae"),
        ("convert", {"model": "second", "name": "x", "ema": "use"}, "no running averages"),
        ("convert", {"model": "stray", "precision": "bf16"},
         "stray.safetensors was to be converted as a checkpoint, and is a LoRA. Converted are"),
        ("convert", {"model": "stray"}, "Move it to models/Lora and convert it as lora."),
        ("convert", {"model": "strange"}, "no architecture that Easel knows (its 2 tensors are"),
        ("convert", {"model": "odd", "kind": "lora"}, "odd.safetensors was to be converted as a"),
        ("convert", {"model": "odd", "kind": "vae"}, "Converted are checkpoints of every family"),
        ("convert", {"model": "odd", "kind": "controlnet"}, "no architecture that Easel knows"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_leaves_nothing(
    easel: tuple[Service, str], path: str, body: dict[str, Any], words: str
) -> None:
    before = sorted(checkpoints(easel[0]).iterdir())
    answer = post(easel, f"/api/models/{path}", **body)
    assert answer.status_code == 422
    assert words in answer.text
    assert sorted(checkpoints(easel[0]).iterdir()) == before


def test_a_running_merge_tells_its_progress_and_is_stopped(
    easel: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_for_long(file: Any, pieces: Any, tensor: Any, progress: Any) -> None:
        while True:
            progress.add(0)  # raises once the stop is heard
            time.sleep(0.01)

    monkeypatch.setattr(write_model, "write_tensor", write_for_long)
    before = sorted(checkpoints(easel[0]).iterdir())
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(post, easel, "/api/models/merge", **MERGE, name="x", id_task="task-m")
        told = wait_until(lambda: progress_of(easel, "Writing the model"))
        assert told["active"]
        post(easel, "/sdapi/v1/interrupt", id_task="task-m")
        assert asked.result(120).json()["interrupted"]
    assert sorted(checkpoints(easel[0]).iterdir()) == before
