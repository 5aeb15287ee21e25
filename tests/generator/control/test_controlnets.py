"""ControlNets from files (contract section 10.6)."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from generator.control.controlnets import ControlNet, ControlNetCache, load_controlnet
from generator.errors import ModelUnreadable, WrongArchitecture
from generator.models.families.ldm.controlnet import ControlKind, kind_of
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind

CPU = torch.device("cpu")


def file_at(path: Path) -> ModelFile:
    stat = path.stat()
    yaml = path.with_suffix(".yaml")
    return ModelFile(
        ModelKind.CONTROLNET,
        path.name,
        path,
        stat.st_size,
        stat.st_mtime_ns,
        stat.st_ino,
        config=yaml if yaml.exists() else None,
    )


def residuals(control: ControlNet) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    width = control.network.config.cross_attention_dim
    with torch.no_grad():
        return control.predict_residuals(
            torch.randn(2, 4, 8, 8),
            torch.tensor([7.0, 7.0]),
            torch.randn(2, 77, width),
            torch.rand(1, 3, 64, 64),
        )


@pytest.fixture(scope="module")
def original(goldens: Path) -> Path:
    return goldens / "checkpoint/tiny_control_canny.safetensors"


def test_every_layout_and_container_is_the_same_network(original: Path, tmp_path: Path) -> None:
    loaded = load_controlnet(file_at(original), CPU, torch.float32)
    expected = residuals(loaded)
    assert len(expected) == 13
    tensors = load_file(original)
    bare = {name.removeprefix("control_model."): tensor for name, tensor in tensors.items()}
    save_file(bare, tmp_path / "bare.safetensors")
    state = {name: tensor.contiguous() for name, tensor in loaded.network.state_dict().items()}
    save_file(state, tmp_path / "diffusers.safetensors")
    torch.save({"state_dict": tensors}, tmp_path / "pickle.pth")
    for name in ("bare.safetensors", "diffusers.safetensors", "pickle.pth"):
        found = residuals(load_controlnet(file_at(tmp_path / name), CPU, torch.float32))
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(expected, found, strict=True)), (
            name
        )


def test_half_precision(original: Path) -> None:
    assert load_controlnet(file_at(original), CPU, torch.float16).network.dtype == torch.float16


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"lora_unet_x.lora_down.weight": (4, 4)}, "no ControlNet"),
        ({"body.0.block1.weight": (4, 4)}, "T2I-Adapter"),
        ({"ip_adapter.1.to_k_ip.weight": (4, 4)}, "IP-Adapter"),
        ({"lllite_unet_down.weight": (4, 4)}, "ControlNet-LLLite"),
    ],
)
def test_other_weights_are_named(
    tmp_path: Path, tensors: dict[str, tuple[int, ...]], said: str
) -> None:
    path = tmp_path / "other.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in tensors.items()}, path)
    with pytest.raises(WrongArchitecture, match=said) as refused:
        load_controlnet(file_at(path), CPU, torch.float32)
    assert "other.safetensors" in str(refused.value)
    assert "Stable Diffusion 1.x" in str(refused.value)


def test_the_kinds_by_the_text_they_read() -> None:
    def shapes(width: int) -> dict[str, tuple[int, ...]]:
        return {"controlnet_down_blocks.0.weight": (1,), "x.attn2.to_k.weight": (320, width)}

    assert kind_of(shapes(768)) is ControlKind.SD1
    assert kind_of(shapes(1024)) is ControlKind.SD2


def test_broken_files_are_named(tmp_path: Path, original: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(original.read_bytes()[:100_000])
    tensors = load_file(original)
    del tensors["control_model.input_hint_block.14.weight"]
    save_file(tensors, tmp_path / "part.safetensors")
    for name in ("cut", "part"):
        with pytest.raises(ModelUnreadable, match=name):
            load_controlnet(file_at(tmp_path / f"{name}.safetensors"), CPU, torch.float32)


def test_global_pooling_by_name_or_configuration(tmp_path: Path, original: Path) -> None:
    for name in ("control_v11e_sd15_shuffle", "other", "asked"):
        (tmp_path / f"{name}.safetensors").symlink_to(original)
    (tmp_path / "asked.yaml").write_text(
        "model: {params: {global_average_pooling: true, unet_config: {params: {num_heads: 8}}}}"
    )
    pools = {
        name: load_controlnet(
            file_at(tmp_path / f"{name}.safetensors"), CPU, torch.float32
        ).averages_residuals
        for name in ("control_v11e_sd15_shuffle", "other", "asked")
    }
    assert pools == {"control_v11e_sd15_shuffle": True, "other": False, "asked": True}


def test_the_last_used_stay_and_a_replaced_file_is_read_again(
    tmp_path: Path, original: Path
) -> None:
    files = []
    for name in "abc":
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(original.read_bytes())
        files.append(file_at(path))
    a, b, c = files
    controls = ControlNetCache(CPU, torch.float32)
    first = controls.load(a)
    controls.load(b)
    assert controls.load(a) is first
    controls.load(c)
    assert [controls.is_loaded(file) for file in files] == [True, False, True]
    a.path.write_bytes(original.read_bytes())
    again = file_at(a.path)
    assert controls.load(again) is not first
    assert not controls.is_loaded(a)
