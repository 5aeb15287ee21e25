"""Tiny IP-Adapters and image encoders, in the layouts that people have."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from generator.control.image_encoders import CLIPVisionConfig, CLIPVisionModelWithProjection

State = dict[str, Tensor]
PATCH_WIDTH, PICTURE_WIDTH, SIDE = 64, 48, 28  # of the encoder; pixels of what it sees
HIDDEN, TOKENS = 64, 5  # of the resampler
ENCODERS = "models/ControlNet-annotators/clip_vision"


def encoder() -> CLIPVisionModelWithProjection:
    """An image encoder of random weights."""
    torch.manual_seed(2)
    config = CLIPVisionConfig(
        hidden_size=PATCH_WIDTH,
        intermediate_size=96,
        projection_dim=PICTURE_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=1,
        image_size=SIDE,
        patch_size=14,
        hidden_act="gelu",
    )
    network = CLIPVisionModelWithProjection(config).eval().requires_grad_(False)
    for weight in network.parameters():
        weight.normal_(std=0.2)
    return network


def save_encoder(data_dir: Path, network: CLIPVisionModelWithProjection) -> None:
    """Write it where Easel looks for it, with the leavings of older versions of transformers."""
    folder = data_dir / ENCODERS
    folder.mkdir(parents=True, exist_ok=True)
    own = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    positions = {"vision_model.embeddings.position_ids": torch.arange(5)[None]}
    save_file(own | positions, folder / "tiny.safetensors")


def adapter_for(unet: Any, kind: str, seed: int = 0) -> dict[str, State]:
    """The two parts of an IP-Adapter as the authors save them: ``linear``, ``plus`` or ``full``."""
    draw = torch.Generator().manual_seed(seed)

    def new(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw) * 0.2

    width = unet.config.cross_attention_dim
    projections = {"linear": _linear, "plus": _resampler, "full": _perceptron, "face": _face}
    layers: State = {}
    numbers = range(1, 1000, 2)
    names = [name for name in unet.attn_processors if "attn2" in name]
    for number, name in zip(numbers, names, strict=False):
        layer = unet.get_submodule(name.removesuffix(".processor"))
        for part in ("k", "v"):
            layers[f"{number}.to_{part}_ip.weight"] = new(layer.to_k.weight.shape[0], width) * 3
    return {"image_proj": projections[kind](new, width), "ip_adapter": layers}


def save_adapter(data_dir: Path, name: str, parts: dict[str, State]) -> None:
    """Write it as safetensors, or, by its name, as the pickle of the first releases."""
    folder = data_dir / "models/ControlNet"
    folder.mkdir(parents=True, exist_ok=True)
    if name.endswith(".bin"):
        torch.save(parts, folder / name)
        return
    flat = {
        f"{part}.{key}": tensor for part, state in parts.items() for key, tensor in state.items()
    }
    save_file(flat, folder / name)


def _linear(new: Any, width: int) -> State:
    return _named("proj", new(4 * width, PICTURE_WIDTH)) | _named("norm", new(width))


def _perceptron(new: Any, width: int) -> State:
    first, second = new(PATCH_WIDTH, PATCH_WIDTH), new(width, PATCH_WIDTH)
    return _named("proj.0", first) | _named("proj.2", second) | _named("proj.3", new(width))


def _face(new: Any, width: int) -> State:
    first, second = new(1024, 512), new(4 * width, 1024)
    return _named("proj.0", first) | _named("proj.2", second) | _named("norm", new(width))


def _resampler(new: Any, width: int) -> State:
    state = {"latents": new(1, TOKENS, HIDDEN)}
    state |= _named("proj_in", new(HIDDEN, PATCH_WIDTH)) | _named("proj_out", new(width, HIDDEN))
    state |= _named("norm_out", new(width))
    for number in range(4):
        block = f"layers.{number}"
        state |= _named(f"{block}.0.norm1", new(HIDDEN)) | _named(f"{block}.0.norm2", new(HIDDEN))
        state |= _named(f"{block}.1.0", new(HIDDEN))
        state[f"{block}.0.to_q.weight"] = new(64, HIDDEN)
        state[f"{block}.0.to_kv.weight"] = new(128, HIDDEN)
        state[f"{block}.0.to_out.weight"] = new(HIDDEN, 64)
        state[f"{block}.1.1.weight"] = new(4 * HIDDEN, HIDDEN)
        state[f"{block}.1.3.weight"] = new(HIDDEN, 4 * HIDDEN)
    return state


def _named(name: str, weight: Tensor) -> State:
    """A layer's weight and bias; a norm's weights lie about 1."""
    if weight.ndim == 1:
        return {f"{name}.weight": 1 + weight, f"{name}.bias": weight.flip(0)}
    return {f"{name}.weight": weight, f"{name}.bias": weight[:, 0].clone()}
