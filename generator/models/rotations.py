"""OFT and BOFT: adapters that rotate a layer's outputs instead of adding to them.

Qiu et al. 2023, "Controlling text-to-image diffusion by orthogonal finetuning"; Liu et al. 2024,
"Parameter-efficient orthogonal finetuning via butterfly factorization". File layouts: kohya's and
LyCORIS' ``oft_blocks`` hold skew matrices before the Cayley transform, with ``alpha`` times the
outputs their greatest norm; LyCORIS' first ``oft_diag`` holds what is added to the identity.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

TINY = 1e-8


def rotate_weight(factors: Mapping[str, Tensor], weight: Tensor) -> Tensor:
    """``weight`` (out,...) with its outputs turned by the factors of a file. fp32.

    Raises RuntimeError where the blocks do not divide the outputs.
    """
    if "oft_diag" in factors:
        added = factors["oft_diag"]
        identity = torch.eye(added.shape[-1], device=added.device)
        rotated_weight = _rotate_blocks(added + identity, weight)
    else:
        blocks = cayley(factors["oft_blocks"], _norm_limit(factors, weight))
        rotated_weight = (
            _rotate_butterfly(blocks, weight)
            if blocks.dim() == 4
            else _rotate_blocks(blocks, weight)
        )
    if "rescale" in factors:
        rotated_weight = rotated_weight * factors["rescale"].reshape(-1, *[1] * (weight.dim() - 1))
    return rotated_weight


def cayley(skew: Tensor, limit: float) -> Tensor:
    """The rotations (I+Q)(I-Q)^-1 of Q = ``skew`` - its transpose; ``skew`` is (...,b,b).

    Where ``limit`` is not 0, the norm of all Q together is held to it.
    """
    q = skew - skew.transpose(-1, -2)
    if limit:
        norm = q.norm()
        q = q * ((norm.clamp(max=limit) + TINY) / (norm + TINY))
    identity = torch.eye(q.shape[-1], device=q.device)
    return (identity + q) @ torch.linalg.inv(identity - q)


def _norm_limit(factors: Mapping[str, Tensor], weight: Tensor) -> float:
    return float(factors["alpha"]) * weight.shape[0] if "alpha" in factors else 0.0


def _rotate_blocks(rotations: Tensor, weight: Tensor) -> Tensor:
    """Turn each run of b outputs by its own block; ``rotations`` are (out/b,b,b)."""
    count, size, _ = rotations.shape
    rows = weight.flatten(1).unflatten(0, (count, size))
    return (rotations.mT @ rows).reshape(weight.shape)


def _rotate_butterfly(rotations: Tensor, weight: Tensor) -> Tensor:
    """Turn outputs in m rounds whose blocks reach ever further; ``rotations`` (m,out/b,b,b)."""
    size = rotations.shape[-1]
    rows = weight.flatten(1)
    for round_, blocks in enumerate(rotations):
        order = _butterfly_order(len(rows), size // 2 * 2**round_).to(weight.device)
        turned = blocks @ rows[order].unflatten(0, (len(blocks), size))
        rows = torch.empty_like(rows).index_copy(0, order, turned.reshape(rows.shape))
    return rows.reshape(weight.shape)


def _butterfly_order(count: int, stride: int) -> Tensor:
    """0..count-1 so that numbers ``stride`` apart become neighbours."""
    return torch.arange(count).reshape(-1, 2, stride).transpose(1, 2).flatten()
