"""LoRA: low-rank updates of a frozen network's layers (Hu et al. 2021)."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from generator.models.adapter_names import UNET

RANK = 8
_SKIPPED = ("time_embedding", "conv_in", "conv_out", "time_emb_proj", "conv_shortcut")


class LowRankPair(nn.Module):
    """What is added to one layer: ``up`` after ``down``; zero at the start."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, rank: int) -> None:
        super().__init__()
        shape = layer.weight.shape  # (out, in) or (out, in, k, k)
        self.down = nn.Parameter(torch.randn(rank, *shape[1:]) / layer.weight[0].numel() ** 0.5)
        self.up = nn.Parameter(torch.zeros(shape[0], rank))

    def forward(self, layer: nn.Linear | nn.Conv2d, inputs: Tensor) -> Tensor:
        """The change of the layer's answer to ``inputs``."""
        if isinstance(layer, nn.Linear):
            return functional.linear(functional.linear(inputs, self.down), self.up)
        inner = functional.conv2d(inputs, self.down, None, layer.stride, layer.padding)
        return functional.conv2d(inner, self.up[..., None, None])


class LowRank(nn.Module):
    """A pair for each layer of a U-Net's attention, feed-forward and residual blocks."""

    def __init__(self, unet: nn.Module, rank: int = RANK) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.pairs = nn.ModuleDict(
            {_key(name): LowRankPair(layer, rank) for name, layer in layers_of(unet).items()}
        )

    def attach(self, unet: nn.Module) -> None:
        """Let the layers of ``unet`` answer with the change from now on."""
        for name, layer in layers_of(unet).items():
            layer.register_forward_hook(_adding_hook(self.pairs[_key(name)]))


def _adding_hook(pair: nn.Module) -> Any:
    """A hook that adds what the pair answers to the layer's inputs."""
    return lambda layer, inputs, answer: answer + pair(layer, inputs[0])


def layers_of(unet: nn.Module) -> dict[str, nn.Linear | nn.Conv2d]:
    """The layers that get a pair, by name."""
    return {
        name: layer
        for name, layer in unet.named_modules()
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and not any(s in name for s in _SKIPPED)
    }


def _key(name: str) -> str:
    return name.replace(".", "_")


def write(learned: LowRank, path: Path, title: str, extra_metadata: dict[str, str]) -> None:
    """Write the pairs as kohya's trainer does, fp16."""
    tensors: dict[str, Tensor] = {}
    for name, pair in learned.pairs.items():
        assert isinstance(pair, LowRankPair)
        down = pair.down
        up = pair.up if down.ndim == 2 else pair.up[..., None, None]
        tensors[f"{UNET}{name}.lora_down.weight"] = down.detach().half().contiguous()
        tensors[f"{UNET}{name}.lora_up.weight"] = up.detach().half().contiguous()
        tensors[f"{UNET}{name}.alpha"] = torch.tensor(float(len(down))).half()
    metadata = {
        "format": "pt",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(RANK),
        "ss_network_alpha": str(RANK),
        "ss_output_name": path.stem,
        "modelspec.title": title,
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.license": "CC0-1.0",
        **extra_metadata,
    }
    save_file(tensors, path, metadata)
    path.chmod(0o644)
