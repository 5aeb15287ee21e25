"""VAEs as people have them: in checkpoints without one, by diffusers' names, in its folders."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from generator.errors import ModelUnreadable, WrongArchitecture
from generator.models.checkpoint import load_checkpoint, load_vae
from generator.models.families.ldm.sizes import VAE
from generator.models.registry import Folders, Registry
from tests.conftest import ROOT
from tests.generator.models.vae_layouts import Tensors, diffusers, usual

CPU = torch.device("cpu")
DEFAULT = ROOT / "generator/default_checkpoint/easel-default.safetensors"


@pytest.fixture(scope="module")
def checkpoint_tensors() -> Tensors:
    torch.set_num_threads(1)
    return load_file(DEFAULT)


@pytest.fixture(scope="module")
def ldm(checkpoint_tensors: Tensors) -> Tensors:
    return {n.removeprefix(VAE): t for n, t in checkpoint_tensors.items() if n.startswith(VAE)}


@pytest.fixture(scope="module")
def metadata() -> dict[str, str]:
    with safe_open(DEFAULT, "pt") as file:
        return dict(file.metadata())


@pytest.fixture
def registry(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr("generator.models.scan.SETTLE_SECONDS", 0.0)
    for folder in ("VAE", "Stable-diffusion"):
        (data_dir / "models" / folder).mkdir(parents=True)
    return Registry(Folders.under(data_dir))


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("conv", [False, True])
@pytest.mark.parametrize("prefix", ["", VAE, "vae."])
def test_a_vae_by_the_names_of_diffusers(
    registry: Registry, ldm: Tensors, metadata: dict[str, str], prefix: str, conv: bool, old: bool
) -> None:
    named = {f"{prefix}{n}": t for n, t in diffusers(ldm, conv, old).items()}
    save_file(named, registry.folders.folders_to_create()[2] / "theirs.safetensors", metadata)
    save_file(ldm, registry.folders.folders_to_create()[2] / "ours.safetensors", metadata)
    found, wanted = (
        load_vae(registry.find_vae(name), CPU, torch.float32).state_dict()
        for name in ("theirs", "ours")
    )
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_whole_checkpoint_and_pickles_are_taken_as_vae(
    registry: Registry, ldm: Tensors, checkpoint_tensors: Tensors, metadata: dict[str, str]
) -> None:
    place = registry.folders.folders_to_create()[2]
    save_file(checkpoint_tensors, place / "whole.safetensors", metadata)
    vae = load_vae(registry.find_vae("whole"), CPU, torch.float32)
    assert torch.equal(vae.decoder.conv_in.weight, ldm["decoder.conv_in.weight"].float())
    ldm = usual(ldm)
    torch.save({"state_dict": ldm}, place / "nested.pt")
    torch.save({"state_dict": {f"{VAE}{n}": t for n, t in ldm.items()}}, place / "prefixed.ckpt")
    torch.save(diffusers(ldm, conv=True, old=True), place / "theirs.pt")
    first = ldm["decoder.conv_in.weight"]
    for name in ("nested", "prefixed", "theirs"):
        vae = load_vae(registry.find_vae(name), CPU, torch.float32)
        assert torch.equal(vae.decoder.conv_in.weight, first), name


def test_a_folder_of_diffusers_is_called_by_its_name(registry: Registry, ldm: Tensors) -> None:
    weights = diffusers(ldm, conv=False, old=False)
    for name, groups in (("sd-vae-ft-mse", 8), ("other", 16)):
        folder = registry.folders.folders_to_create()[2] / name
        folder.mkdir()
        save_file(weights, folder / "diffusion_pytorch_model.safetensors")
        save_file(weights, folder / "diffusion_pytorch_model.fp16.safetensors")
        told = {"_class_name": "AutoencoderKL", "norm_num_groups": groups, "scaling_factor": 0.5}
        (folder / "config.json").write_text(json.dumps(told))
    file = registry.find_vae("sd-vae-ft-mse")
    assert (file.vae_name, file.path.name) == (
        "sd-vae-ft-mse",
        "diffusion_pytorch_model.safetensors",
    )
    vae = load_vae(file, CPU, torch.float32)
    assert (vae.config.norm_num_groups, vae.config.scaling_factor) == (8, 0.5)
    assert registry.find_vae("other").path.parent.name == "other"


def test_a_vae_of_another_kind_is_refused_by_name(registry: Registry, ldm: Tensors) -> None:
    wide = ldm | {
        "post_quant_conv.weight": torch.zeros(16, 16, 1, 1),
        "decoder.conv_in.weight": torch.zeros(96, 16, 3, 3),
    }
    save_file(wide, registry.folders.folders_to_create()[2] / "flux.safetensors")
    with pytest.raises(WrongArchitecture, match=r"flux\.safetensors.*latents have 16 channels"):
        load_vae(registry.find_vae("flux"), CPU, torch.float32)


@pytest.mark.parametrize("kept", ["nothing", "a part"])
def test_a_checkpoint_without_a_whole_vae_is_loaded(
    registry: Registry, checkpoint_tensors: Tensors, metadata: dict[str, str], kept: str
) -> None:
    left = {
        n: t for n, t in checkpoint_tensors.items() if not n.startswith(VAE) or kept == "a part"
    }
    left.pop(f"{VAE}decoder.conv_in.weight", None)
    save_file(left, registry.folders.folders_to_create()[0] / "bare.safetensors", metadata)
    found = load_checkpoint(registry.find_checkpoint("bare"), CPU, torch.float32)
    assert found.own_vae is None
    with pytest.raises(ModelUnreadable, match=r"bare\.vae\.safetensors.*sd_vae"):
        _ = found.vae


def test_the_vae_of_the_own_name_goes_before_longer_ones(registry: Registry, ldm: Tensors) -> None:
    place = registry.folders.folders_to_create()[0]
    for name in ("sd.safetensors", "sd-2.vae.safetensors", "sd.vae.safetensors"):
        save_file(ldm, place / name)
    near = registry.vae_for(registry.find_checkpoint("sd"))
    assert near is not None
    assert near.name == "sd.vae.safetensors"
