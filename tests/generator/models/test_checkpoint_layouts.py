"""Checkpoints as people have them: old names, trainers' leavings, mixed precision."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from generator.engine import Engine
from generator.models.checkpoint import Checkpoint, load_checkpoint
from generator.models.families.ldm.sizes import TEXT, UNET
from generator.models.registry import Folders, Registry
from generator.request import GenerationRequest, Sampling, Seeds, Snapshot

CPU = torch.device("cpu")
Tensors = dict[str, Tensor]
Load = Callable[[Tensors, str], Checkpoint]


class Callback:
    """Of the trainer that wrote the first checkpoints; its code is not here."""


@pytest.fixture(scope="module")
def tensors(goldens: Path) -> Tensors:
    torch.set_num_threads(1)
    return load_file(goldens / "checkpoint" / "tinysd15.safetensors")


@pytest.fixture
def load(goldens: Path, data_dir: Path) -> Load:
    folder = data_dir / "models/Stable-diffusion"
    folder.mkdir(parents=True)

    def save_and_load(content: Tensors, suffix: str = ".safetensors") -> Checkpoint:
        path = folder / f"mine{suffix}"
        if suffix == ".ckpt":
            leavings = {"callbacks": {Callback: Callback()}, "global_step": 470000}
            torch.save({"state_dict": content, **leavings}, path)
        else:
            save_file(content, path)
        config = (goldens / "checkpoint" / "tinysd15.yaml").read_bytes()
        path.with_suffix(".yaml").write_bytes(config)
        file = Registry(Folders.under(data_dir)).find_checkpoint("mine")
        return load_checkpoint(file, CPU, torch.float32)

    return save_and_load


def same(found: Checkpoint, tensors: Tensors) -> bool:
    """Whether the U-Net's first layer and the text encoder's words arrived."""
    first = tensors[f"{UNET}input_blocks.0.0.weight"]
    words = tensors[f"{TEXT}embeddings.token_embedding.weight"]
    return torch.equal(found.unet.conv_in.weight, first) and torch.equal(
        found.text_encoders[0].model.get_input_embeddings().weight, words
    )


def test_leavings_of_the_training_are_passed_over(
    load: Load, tensors: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.models.scan.SETTLE_SECONDS", 0.0)
    more = {
        "model_ema.decay": torch.tensor(0.999),
        "model_ema.diffusion_modelinput_blocks00weight": torch.zeros(32, 4, 3, 3),
        f"{TEXT}embeddings.position_ids": torch.arange(77)[None].double(),
        "cond_stage_model.logit_scale": torch.tensor(4.6),
        "cond_stage_model.transformer.text_projection.weight": torch.zeros(128, 128),
        "betas": torch.zeros(1000),
    }
    assert same(load(tensors | more, ".ckpt"), tensors)


@pytest.mark.parametrize(
    "stem", ["cond_stage_model.transformer.", "cond_stage_model.clip_l.transformer.text_model."]
)
def test_other_names_of_the_text_encoder(load: Load, tensors: Tensors, stem: str) -> None:
    renamed = {
        name.replace(TEXT, stem, 1) if name.startswith(TEXT) else name: tensor
        for name, tensor in tensors.items()
    }
    assert same(load(renamed, ".safetensors"), tensors)


def test_a_merge_of_several_precisions(load: Load, tensors: Tensors) -> None:
    mixed = {
        name: tensor.half() if "input_blocks" in name else tensor.bfloat16()
        for name, tensor in tensors.items()
    }
    found = load(mixed, ".safetensors")
    kinds = {
        p.dtype
        for n in (found.unet, found.vae, found.text_encoders[0].model)
        for p in n.parameters()
    }
    assert kinds == {torch.float32}
    assert torch.equal(
        found.unet.conv_in.weight.half(), tensors[f"{UNET}input_blocks.0.0.weight"].half()
    )


def test_a_yaml_makes_it_predict_velocity(load: Load, tensors: Tensors) -> None:
    first = load(tensors, ".safetensors").file
    assert first.config is not None
    text = first.config.read_text()
    first.config.write_text(text.replace("params:", "params:\n    parameterization: v", 1))
    assert load_checkpoint(first, CPU, torch.float32).prediction == "v_prediction"


def test_vaes_by_preference(goldens: Path, data_dir: Path) -> None:
    """Contract 5.12: the setting, the user's note beside the checkpoint, the name in turn."""
    source = goldens / "checkpoint"
    models = data_dir / "models/Stable-diffusion"
    for name, place in (
        ("tinysd15.safetensors", models / "mine.safetensors"),
        ("tinysd15.yaml", models / "mine.yaml"),
        ("tinyvae.safetensors", models / "mine.vae.safetensors"),
        ("tinyvae.safetensors", data_dir / "models/VAE/noted.safetensors"),
        ("tinyvae.safetensors", data_dir / "models/VAE/set.safetensors"),
    ):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((source / name).read_bytes())
    engine = Engine(Registry(Folders.under(data_dir)))
    request = GenerationRequest(
        "a cat", Seeds(1), sampling=Sampling(steps=1), width=64, height=64,
        options=Snapshot(randn_source="CPU"),
    )  # fmt: skip
    later = replace(request.options, sd_vae_overrides_per_model_preferences=False)

    def find_vae_name(vae: str, options: Snapshot = request.options) -> str | None:
        return engine.run(replace(request, vae=vae, options=options)).vae_name

    assert find_vae_name("Automatic") == "mine.vae.safetensors"
    assert find_vae_name("None") is None
    assert find_vae_name("set") == "set.safetensors"
    (models / "mine.json").write_text('{"vae": "noted.safetensors", "activation text": "dog"}')
    assert find_vae_name("Automatic") == "noted.safetensors"
    assert find_vae_name("set") == "set.safetensors"
    assert find_vae_name("set", later) == "noted.safetensors"
    assert find_vae_name("None", later) == "noted.safetensors"
    (models / "mine.json").write_text("{")
    assert find_vae_name("set", later) == "mine.vae.safetensors"
    (models / "mine.vae.safetensors").unlink()
    assert find_vae_name("set", later) == "set.safetensors"
