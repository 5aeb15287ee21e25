"""Single files become networks, sizes read from shapes; what is no checkpoint is refused."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from generator.errors import ModelUnreadable, WrongArchitecture
from generator.models.checkpoint import Checkpoint, load_checkpoint, load_vae
from generator.models.checkpoint_cache import CheckpointCache
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind

CPU = torch.device("cpu")


def model_file(path: Path, config: Path | None = None, **metadata: str) -> ModelFile:
    found = path.stat()
    return ModelFile(
        kind=ModelKind.CHECKPOINT,
        name=path.name,
        path=path,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        inode=found.st_ino,
        sha256=None,
        metadata=metadata,
        config=config,
    )


@pytest.fixture(scope="module")
def tiny(goldens: Path) -> ModelFile:
    folder = goldens / "checkpoint"
    return model_file(folder / "tinysd15.safetensors", folder / "tinysd15.yaml")


@pytest.fixture(scope="module")
def tiny_checkpoint(tiny: ModelFile) -> Checkpoint:
    return load_checkpoint(tiny, CPU, torch.float32)


def test_sizes_are_read_from_shapes(tiny_checkpoint: Checkpoint) -> None:
    assert tiny_checkpoint.unet.config.block_out_channels == [32, 64, 96, 96]
    assert tiny_checkpoint.unet.config.layers_per_block == 2
    assert tiny_checkpoint.unet.config.cross_attention_dim == 128
    assert tiny_checkpoint.unet.config.attention_head_dim == 8
    assert tiny_checkpoint.vae.config.block_out_channels == [32, 32, 64, 64]
    assert tiny_checkpoint.text_encoders[0].model.config.num_hidden_layers == 4
    assert tiny_checkpoint.text_encoders[0].model.config.num_attention_heads == 2
    assert tiny_checkpoint.prediction == "epsilon"


def test_every_tensor_arrives_unchanged(tiny: ModelFile, tiny_checkpoint: Checkpoint) -> None:
    networks = (tiny_checkpoint.unet, tiny_checkpoint.vae, tiny_checkpoint.text_encoders[0].model)
    arrived = [p for n in networks for p in n.state_dict().values()]
    sent = load_file(tiny.path)
    networks_of_file = [
        tensor for name, tensor in sent.items() if "." in name and not name.endswith("position_ids")
    ]
    total = float(sum(tensor.double().sum() for tensor in networks_of_file))
    assert len(arrived) == len(networks_of_file)
    assert float(sum(tensor.double().sum() for tensor in arrived)) == pytest.approx(total, rel=1e-9)
    assert not any(tensor.is_meta for network in networks for tensor in network.buffers())


def test_metadata_tells_heads_where_no_yaml_lies(tiny: ModelFile) -> None:
    metadata = {
        "easel.unet_config": json.dumps({"attention_head_dim": 4}),
        "easel.text_config": json.dumps({"num_attention_heads": 4}),
        "modelspec.prediction_type": "v",
    }
    found = load_checkpoint(replace(tiny, config=None, metadata=metadata), CPU, torch.float32)
    assert found.unet.config.attention_head_dim == 4
    assert found.text_encoders[0].model.config.num_attention_heads == 4
    assert found.prediction == "v_prediction"


def test_a_half_precision_file_computes_in_what_is_asked(tiny: ModelFile) -> None:
    assert load_checkpoint(tiny, CPU, torch.bfloat16).unet.dtype == torch.bfloat16


def test_broken_metadata_is_named(tiny: ModelFile) -> None:
    broken = replace(tiny, config=None, metadata={"easel.unet_config": "{"})
    with pytest.raises(ModelUnreadable, match=r"easel.unet_config"):
        load_checkpoint(broken, CPU, torch.float32)


def test_a_broken_yaml_is_named(tiny: ModelFile, tmp_path: Path) -> None:
    config = tmp_path / "tinysd15.yaml"
    config.write_text("model: [1, 2", "utf-8")
    with pytest.raises(ModelUnreadable, match=r"tinysd15.yaml"):
        load_checkpoint(replace(tiny, config=config), CPU, torch.float32)


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\xff" * 64])
@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
def test_garbage_is_unreadable(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"bad.{ending}"
    path.write_bytes(content)
    with pytest.raises(ModelUnreadable, match=rf"bad.{ending}"):
        load_checkpoint(model_file(path), CPU, torch.float32)


def test_a_truncated_file_is_unreadable(tiny: ModelFile, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    path.write_bytes(tiny.path.read_bytes()[: tiny.size // 2])
    with pytest.raises(ModelUnreadable, match=r"half.safetensors"):
        load_checkpoint(model_file(path), CPU, torch.float32)


def test_a_file_that_vanished_is_unreadable(tiny: ModelFile, tmp_path: Path) -> None:
    with pytest.raises(ModelUnreadable, match=r"gone"):
        load_checkpoint(replace(tiny, path=tmp_path / "no.safetensors"), CPU, torch.float32)


def test_a_missing_part_is_named(tiny: ModelFile, tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    tensors = load_file(tiny.path)
    save_file({k: v for k, v in tensors.items() if k.startswith("model.")}, path)
    with pytest.raises(ModelUnreadable, match=r"incomplete.*cond_stage_model"):
        load_checkpoint(model_file(path), CPU, torch.float32)


@pytest.mark.parametrize(
    ("key", "shape", "kind"),
    [
        ("model.diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale", (4,), "Flux"),
        ("depth_model.x", (4,), "Stable Diffusion 2 depth"),
        ("lora_unet_mid_block.lora_up.weight", (4,), "a LoRA"),
        ("decoder.conv_in.weight", (4,), "a VAE"),
        ("model.diffusion_model.input_blocks.0.0.weight", (8, 7, 3, 3), "7 input channels"),
        ("anything", (4,), "no architecture that Easel knows"),
    ],
)
def test_another_architecture_is_named(
    tmp_path: Path, key: str, shape: tuple[int, ...], kind: str
) -> None:
    path = tmp_path / "other.safetensors"
    save_file({key: torch.zeros(shape)}, path)
    with pytest.raises(WrongArchitecture, match=rf"it is .*{kind}.*Easel draws with"):
        load_checkpoint(model_file(path), CPU, torch.float32)


@pytest.mark.parametrize(
    "key",
    ["conditioner.embedders.1.model.ln_final.weight", "cond_stage_model.model.ln_final.weight"],
)
def test_a_text_encoder_alone_is_no_whole_checkpoint(tmp_path: Path, key: str) -> None:
    path = tmp_path / "part.safetensors"
    save_file({key: torch.zeros(4)}, path)
    with pytest.raises(ModelUnreadable, match=r"incomplete: it lacks model\.diffusion_model"):
        load_checkpoint(model_file(path), CPU, torch.float32)


def test_a_pickle_that_holds_code_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(ModelUnreadable, match=r"evil.ckpt"):
        load_checkpoint(model_file(path), CPU, torch.float32)
    assert not (tmp_path / "ran").exists()


def test_a_ckpt_of_plain_tensors_loads(tiny: ModelFile, tmp_path: Path) -> None:
    path = tmp_path / "old.ckpt"
    torch.save({"state_dict": load_file(tiny.path), "epoch": 3}, path)
    found = load_checkpoint(model_file(path, tiny.config), CPU, torch.float32)
    assert found.unet.config.cross_attention_dim == 128


def test_a_vae_of_its_own_loads(goldens: Path) -> None:
    vae = load_vae(model_file(goldens / "checkpoint" / "tinyvae.safetensors"), CPU, torch.float32)
    assert vae.decode(torch.zeros(1, 4, 2, 2)).sample.shape == (1, 3, 16, 16)


def test_no_vae_is_refused_as_one(goldens: Path) -> None:
    lora = model_file(goldens / "checkpoint" / "tinylora.safetensors")
    with pytest.raises(WrongArchitecture, match=r"tinylora.*a LoRA"):
        load_vae(lora, CPU, torch.float32)


def test_memory_keeps_it_and_notices_replacement(tiny: ModelFile) -> None:
    memory = CheckpointCache(CPU, torch.float32)
    first = memory.load(tiny)
    assert memory.load(tiny) is first
    replaced = replace(tiny, mtime_ns=tiny.mtime_ns + 1)
    assert not memory.is_loaded(replaced)
    assert memory.load(replaced) is not first
    assert memory.files == (replaced,)
    configured = replace(replaced, config_stamp=(1, 2))
    assert not memory.is_loaded(configured)
    assert memory.load(configured).checkpoint.file == configured
    assert memory.files == (configured,)
