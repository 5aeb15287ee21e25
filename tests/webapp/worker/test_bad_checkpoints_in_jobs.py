"""A checkpoint that turns bad between the door and the network costs its own job alone."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from generator.models.drawable import CheckpointVerdict
from generator.models.index import ModelFile

if TYPE_CHECKING:
    from tests.parity.service import Service

SMALL = {"prompt": "a red cat", "steps": 1, "width": 64, "height": 64, "seed": 7}


def wanted(name: str) -> dict[str, object]:
    return SMALL | {"override_settings": {"sd_model_checkpoint": name}}


def copy_checkpoint(service: "Service", name: str) -> Path:
    """A further copy of the recorded checkpoint, listed."""
    folder = service.data_dir / "models/Stable-diffusion"
    for suffix in (".safetensors", ".yaml"):
        if (folder / f"tinysd15{suffix}").exists():
            shutil.copy(folder / f"tinysd15{suffix}", folder / f"{name}{suffix}")
    service.registry.refresh()
    return folder / f"{name}.safetensors"


@pytest.mark.parametrize("left", ["nothing", "half", "another kind", "a web page"])
def test_a_file_that_changes_while_its_job_waits(
    service: "Service", monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    path = copy_checkpoint(service, "fleeting")
    judge = service.registry.verdict

    def judge_then_spoil(file: ModelFile) -> CheckpointVerdict:
        """The door finds nothing against it; then it is replaced, before the worker looks."""
        verdict = judge(file)
        content = path.read_bytes()
        path.unlink()
        if left == "half":
            path.write_bytes(content[: len(content) // 2])
        elif left == "another kind":
            save_file({"lora_unet_x.lora_up.weight": torch.zeros(2, 2)}, path)
        elif left == "a web page":
            path.write_bytes(b"<html>502</html>")
        return verdict

    with monkeypatch.context() as patch:
        patch.setattr(service.registry, "verdict", judge_then_spoil)
        refused = service.post("/sdapi/v1/txt2img", wanted("fleeting"))
    assert refused.status == 422, refused.body
    assert "fleeting" in refused.body["detail"]
    assert str(service.data_dir) not in str(refused.body)
    path.unlink(missing_ok=True)
    service.registry.refresh()
    assert service.post("/sdapi/v1/txt2img", SMALL).status == 200


def test_weights_that_are_no_numbers_are_told_as_auto1111_does(service: "Service") -> None:
    path = copy_checkpoint(service, "hollow-numbers")
    tensors = load_file(path)
    tensors["model.diffusion_model.out.2.bias"][:] = torch.nan
    save_file(tensors, path)
    service.registry.refresh()
    refused = service.post("/sdapi/v1/txt2img", wanted("hollow-numbers"))
    assert (refused.status, refused.body["error"]) == (500, "NansException")
    for words in ("NaNs was produced in Unet", "hollow-numbers.safetensors", "another checkpoint"):
        assert words in refused.body["errors"] or words in refused.body["detail"]
    path.unlink()
    service.registry.refresh()
    assert service.post("/sdapi/v1/txt2img", SMALL).status == 200
