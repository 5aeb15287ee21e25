"""Computes an adapter's weight change for one layer from the stored factors.

LoRA: Hu et al. 2021. LoHa: Hyeon-Woo et al. 2021 (FedPara). LoKr, LoCon, full and the file
layout: the LyCORIS project. DoRA: Liu et al. 2024. (IA)^3: Liu et al. 2022. Rules: contract 2.6.
What turns the weight instead is in ``rotations``.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from generator.models.adapter_names import MAGNITUDE
from generator.models.rotations import rotate_weight

LATENT, INPAINTING = 4, 9  # channels that the first convolution of a U-Net reads

Factors = Mapping[str, Tensor]  # what follows the layer's name in the file -> fp32 tensor


def bias_delta(factors: Factors) -> Tensor | None:
    """The change of the layer's bias at multiplier 1, where the file holds one."""
    return factors.get("diff_b", factors.get("b_norm"))


def weight_delta(factors: Factors, weight: Tensor, limit: int | None = None) -> Tensor | None:
    """The change of ``weight`` (any shape, fp32) at multiplier 1; None for factors unknown here.

    ``limit`` is the greatest rank to use. The answer has the shape of ``weight``. Raises
    RuntimeError or IndexError for factors of other sizes, KeyError where one of them is missing.
    """
    rule = next((rule for mark, rule in _RULES if mark in factors), None)
    if rule is None:
        return None
    raw, rank = rule(limit_rank(factors, limit), weight)
    if "bias_indices" in factors:
        raw = _add_sparse(raw, factors)
    if "lora_down.weight" in factors:
        rank = factors["lora_down.weight"].shape[0]  # of the whole, even where it was cut
    change = _to_weight_shape(raw, weight) * scale_of(factors, rank)
    if "dora_scale" in factors:
        return apply_dora(weight, change, factors["dora_scale"])
    if MAGNITUDE in factors:
        magnitude = factors[MAGNITUDE].reshape(-1, *[1] * (weight.dim() - 1))
        return apply_dora(weight, change, magnitude)
    return change


def scale_of(factors: Factors, rank: int | None) -> float:
    """What a product of factors is multiplied by: ``scale``, else alpha by rank, else 1."""
    if "scale" in factors:
        return float(factors["scale"])
    if "alpha" in factors and rank:
        return float(factors["alpha"]) / rank
    return 1.0


def _to_weight_shape(raw: Tensor, weight: Tensor) -> Tensor:
    """``raw`` in the shape of ``weight``.

    The first convolution of an inpainting U-Net reads mask and picture in five channels more; what
    was made for the four of the latent leaves those as they are (contract section 2.6).
    """
    kernel = weight.shape[2:]
    narrow = (weight.shape[0], LATENT, *kernel)
    if kernel and weight.shape[1] == INPAINTING and raw.numel() == math.prod(narrow):
        rest = weight.new_zeros(weight.shape[0], INPAINTING - LATENT, *kernel)
        return torch.cat([raw.reshape(narrow), rest], dim=1)
    return raw.reshape(weight.shape)


def _add_sparse(raw: Tensor, factors: Factors) -> Tensor:
    """LoCon's early files: what the low rank missed, as a sparse matrix."""
    indices, values = factors["bias_indices"].long(), factors["bias_values"]
    size = [int(side) for side in factors["bias_size"].tolist()]
    sparse = torch.sparse_coo_tensor(indices, values, size, check_invariants=True)
    return raw + sparse.to_dense().reshape(raw.shape)


def apply_dora(weight: Tensor, change: Tensor, magnitude: Tensor) -> Tensor:
    """DoRA: direction and magnitude apart.

    ``magnitude`` is of each input channel, (1,in,...) or (in,), or of each output, (out,1,...).
    """
    merged = weight + change
    kept_axis = 0 if magnitude.dim() > 1 and magnitude.shape[0] == magnitude.numel() > 1 else 1
    others = [axis for axis in range(merged.dim()) if axis != kept_axis]
    norm = torch.linalg.vector_norm(merged, dim=others, keepdim=True)
    return merged * (magnitude.reshape(norm.shape) / norm) - weight


def _rotation(factors: Factors, weight: Tensor) -> tuple[Tensor, int | None]:
    return rotate_weight(factors, weight) - weight, None


def _lora(factors: Factors, weight: Tensor) -> tuple[Tensor, int | None]:
    up, down = factors["lora_up.weight"], factors["lora_down.weight"]
    middle = factors.get("lora_mid.weight")
    if middle is not None:  # CP decomposition of a convolution
        return _contract_core(middle, up.flatten(1), down.flatten(1)), down.shape[0]
    return up.flatten(1) @ down.flatten(1), down.shape[0]


def _loha(factors: Factors, weight: Tensor) -> tuple[Tensor, int | None]:
    first, second = (_hadamard_part(factors, n) for n in ("hada_w1", "hada_w2"))
    return first * second, factors["hada_w1_b"].shape[0]


def _hadamard_part(factors: Factors, name: str) -> Tensor:
    a, b, core = factors[f"{name}_a"], factors[f"{name}_b"], factors.get(f"hada_t{name[-1]}")
    return a @ b if core is None else _contract_core(core, a.T, b)


def _lokr(factors: Factors, weight: Tensor) -> tuple[Tensor, int | None]:
    (first, rank1), (second, rank2) = (_kronecker_part(factors, n) for n in ("lokr_w1", "lokr_w2"))
    while first.dim() < second.dim():
        first = first.unsqueeze(-1)
    return torch.kron(first, second.contiguous()), rank2 or rank1


def _kronecker_part(factors: Factors, name: str) -> tuple[Tensor, int | None]:
    if name in factors:
        return factors[name], None
    a, b, core = factors[f"{name}_a"], factors[f"{name}_b"], factors.get("lokr_t2")
    if core is not None and name == "lokr_w2":
        return _contract_core(core, a.T, b), b.shape[0]
    spread = a @ b.flatten(1)
    return spread.reshape(a.shape[0], *b.shape[1:]), b.shape[0]


def _contract_core(core: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """A Tucker core (r,s,kh,kw) between ``left`` (out,r) and ``right`` (s,in): (out,in,kh,kw)."""
    return torch.einsum("rskl,or,si->oikl", core, left, right)


def _full_difference(factors: Factors, weight: Tensor) -> tuple[Tensor, int | None]:
    return factors["diff"] if "diff" in factors else factors["w_norm"], None


def _ia3(factors: Factors, weight: Tensor) -> tuple[Tensor, int | None]:
    on_input = bool(factors["on_input"]) if "on_input" in factors else False
    gain = factors["weight"].flatten()
    shape = [1] * weight.dim()
    shape[1 if on_input else 0] = -1
    return weight * gain.reshape(shape), None


def _glora(factors: Factors, weight: Tensor) -> tuple[Tensor, int | None]:
    """W' = W + W·A + B: A = a2·a1 and B = b2·b1 in the first files, since then the reverse."""
    a1, a2, b1, b2 = (factors[f"{n}.weight"].flatten(1) for n in ("a1", "a2", "b1", "b2"))
    flat = weight.flatten(1)
    if len(a2) == flat.shape[1]:
        return b2 @ b1 + (flat @ a2) @ a1, len(a1)
    read = torch.einsum("oi...,ij->oj...", weight, a1 @ a2)
    return b1 @ b2 + read.flatten(1), len(a2)


Rule = Callable[[Factors, Tensor], tuple[Tensor, int | None]]
_RULES: tuple[tuple[str, Rule], ...] = (
    ("lora_up.weight", _lora),
    ("hada_w1_a", _loha),
    ("lokr_w1", _lokr),
    ("lokr_w1_a", _lokr),
    ("diff", _full_difference),
    ("w_norm", _full_difference),
    ("a1.weight", _glora),
    ("oft_blocks", _rotation),
    ("oft_diag", _rotation),
    ("weight", _ia3),
)


def limit_rank(factors: Factors, limit: int | None) -> Factors:
    """The first ``limit`` ranks of a plain LoRA (``dyn`` in a tag); the scale keeps its rank."""
    if limit is None or "lora_up.weight" not in factors or "lora_mid.weight" in factors:
        return factors
    return {
        **factors,
        "lora_up.weight": factors["lora_up.weight"][:, :limit],
        "lora_down.weight": factors["lora_down.weight"][:limit],
    }
