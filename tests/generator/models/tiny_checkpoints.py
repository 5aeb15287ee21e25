"""Tiny checkpoints of each family in LDM's layout, of random weights, and their layers' names."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from generator.models.checkpoint import Checkpoint, load_checkpoint
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.plain_files import stamp_of
from tests.generator.models.ldm_shapes import (
    ShapeTable,
    UnetNumbers,
    clip_shapes,
    open_clip_shapes,
    unet_shapes,
)

WORDS = 100
SHAPES: dict[str, ShapeTable] = {
    "sd1": unet_shapes(UnetNumbers((32, 32, 32, 32), (1, 1, 1, 0), 1, 64, linear=False))
    | clip_shapes("cond_stage_model.transformer.text_model.", 64, 2, WORDS),
    "sd2": unet_shapes(UnetNumbers((64, 64, 64, 64), (1, 1, 1, 0), 1, 128))
    | open_clip_shapes("cond_stage_model.model.", 128, 2, WORDS),
    "sdxl": unet_shapes(UnetNumbers((32, 32, 64), (0, 1, 2), 2, 192, vector=128 + 6 * 256))
    | clip_shapes("conditioner.embedders.0.transformer.text_model.", 64, 2, WORDS)
    | open_clip_shapes("conditioner.embedders.1.model.", 128, 2, WORDS),
}


def values(seed: int, *shape: int, size: float = 0.1) -> Tensor:
    """Numbers around 0 with a deviation of ``size``."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * size


def tensors_of(family: str) -> dict[str, Tensor]:
    """All tensors of the checkpoint of a family; no two are equal."""
    return {
        name: values(number, *shape) + (1 if "norm" in name and name.endswith("weight") else 0)
        for number, (name, shape) in enumerate(SHAPES[family].items())
    }


def load_tiny(family: str, folder: Path) -> Checkpoint:
    """Write and load the checkpoint of a family."""
    path = folder / f"tiny-{family}.safetensors"
    metadata = {"modelspec.prediction_type": "epsilon"}
    save_file(tensors_of(family), path, metadata)
    stamp = stamp_of(path.stat())
    file = ModelFile(ModelKind.CHECKPOINT, path.name, path, *stamp, metadata=metadata)
    return load_checkpoint(file, torch.device("cpu"), torch.float32)


def save_adapter(path: Path, tensors: dict[str, Tensor]) -> ModelFile:
    """A LoRA file of ``tensors``."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return ModelFile(ModelKind.LORA, path.name, path, *stamp_of(path.stat()))


@dataclass(frozen=True)
class NamedLayer:
    """A layer of a checkpoint by the names that files give it."""

    module: nn.Module
    kohya: str
    ldm: str
    dotted: str
    is_text: bool = False


def named_layers(checkpoint: Checkpoint) -> dict[str, NamedLayer]:
    """A linear layer, a convolution and a norm of the U-Net, and a layer of each text encoder."""
    block, place = "down_blocks.1", "input_blocks_4"
    linear, conv = "attentions.0.transformer_blocks.0.attn2.to_k", "resnets.0.conv1"
    unet = {
        "linear": (f"{block}.{linear}", f"{place}_1_{linear[len('attentions.0.') :]}"),
        "conv": (f"{block}.{conv}", f"{place}_0_in_layers_2"),
        "norm": (f"{block}.resnets.0.norm2", f"{place}_0_out_layers_0"),
    }
    layers = {
        role: NamedLayer(
            checkpoint.unet.get_submodule(name),
            f"lora_unet_{name.replace('.', '_')}",
            f"lora_unet_{ldm.replace('.', '_')}",
            f"unet.{name}",
        )
        for role, (name, ldm) in unet.items()
    }
    two = len(checkpoint.text_encoders) > 1
    for number, encoder in enumerate(checkpoint.text_encoders, 1):
        name = "encoder.layers.0.self_attn.q_proj" if number > 1 else "encoder.layers.1.mlp.fc1"
        module = getattr(encoder.model, "text_model", encoder.model).get_submodule(name)
        flat = f"lora_te{number if two else ''}_text_model_{name.replace('.', '_')}"
        dotted = f"text_encoder{'_2' if number > 1 else ''}.text_model.{name}"
        layers[f"text {number}"] = NamedLayer(module, flat, flat, dotted, is_text=True)
    return layers
