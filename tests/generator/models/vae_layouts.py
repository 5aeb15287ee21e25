"""A VAE's tensors under the names of several writers."""

import torch
from torch import Tensor

from generator.models.families.ldm import keys
from generator.models.families.ldm.sizes import VAE

Tensors = dict[str, Tensor]

OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def usual(ldm: Tensors) -> Tensors:
    """The VAE with channels that are multiples of 32, as files without metadata have them."""
    sides = sorted({side for t in ldm.values() for side in t.shape if side > 8})
    widths = {side: 32 * (place + 1) for place, side in enumerate(sides)}
    return {n: torch.rand([widths.get(side, side) for side in t.shape]) for n, t in ldm.items()}


def diffusers(ldm: Tensors, conv: bool, old: bool) -> Tensors:
    """The same VAE as diffusers saves it; ``conv``: attention as 1x1 convolutions."""
    named = keys.vae_names({f"{VAE}{n}": tuple(t.shape) for n, t in ldm.items()})
    found = {new: ldm[name.removeprefix(VAE)] for name, new in named.items()}
    made = {}
    for name, tensor in found.items():
        part = next((p for p in OLD if f"attentions.0.{p}." in name), None)
        if part and name.endswith("weight"):
            tensor = tensor.reshape(*tensor.shape[:2], *([1, 1] if conv else []))
        made[name.replace(part, OLD[part]) if part and old else name] = tensor.contiguous()
    return made
