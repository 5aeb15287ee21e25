"""OFT and BOFT against what the papers say: rotations, block by block and round by round."""

import pytest
import torch
from torch import Tensor

from generator.models.deltas import weight_delta
from generator.models.rotations import cayley, rotate_weight


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def rotation_by_series(skew: Tensor) -> Tensor:
    """(I+Q)(I-Q)^-1 as I + 2Q + 2Q^2 + ..., for small Q."""
    q = skew - skew.T
    power, total = torch.eye(len(q)), torch.eye(len(q))
    for _ in range(60):
        power = power @ q
        total = total + 2 * power
    return total


def test_oft_turns_each_block_of_outputs() -> None:
    weight, skew = draw(6, 5), draw(2, 3, 3) * 0.05
    merged = rotate_weight({"oft_blocks": skew}, weight)
    for block in range(2):
        rows = slice(3 * block, 3 * block + 3)
        wanted = rotation_by_series(skew[block]).T @ weight[rows]
        assert torch.allclose(merged[rows], wanted, atol=1e-5)
    assert torch.allclose(merged.norm(dim=0), weight.norm(dim=0), atol=1e-5)


def test_oft_of_a_convolution_keeps_angles() -> None:
    weight = draw(4, 3, 3, 3)
    change = weight_delta({"oft_blocks": draw(2, 2, 2)}, weight)
    one, two = weight.flatten(1), (weight + change).flatten(1)
    assert torch.allclose(one.T @ one, two.T @ two, atol=1e-4)
    assert change.shape == weight.shape


def test_alpha_bounds_the_rotation() -> None:
    skew = torch.tensor([[[0.0, 3.0], [0.0, 0.0]]])
    bound = {"oft_blocks": skew, "alpha": torch.tensor(0.05)}
    norm = 0.05 * 2  # of Q: alpha times the outputs
    corner = norm / 2**0.5
    angle = 2 * torch.atan(torch.tensor(corner))
    merged = rotate_weight(bound, torch.eye(2))
    assert float(merged[0, 0]) == pytest.approx(float(torch.cos(angle)), abs=1e-5)
    assert abs(float(merged[0, 1])) == pytest.approx(float(torch.sin(angle)), abs=1e-5)
    free = {"oft_blocks": skew, "alpha": torch.tensor(0.0)}
    assert torch.allclose(
        rotate_weight(free, torch.eye(2)), rotate_weight({"oft_blocks": skew}, torch.eye(2))
    )


def test_the_first_layout_adds_to_the_identity() -> None:
    weight, added = draw(4, 3), draw(2, 2, 2)
    merged = rotate_weight({"oft_diag": added}, weight)
    wanted = torch.block_diag(*(block + torch.eye(2) for block in added)).T @ weight
    assert torch.allclose(merged, wanted, atol=1e-6)


def test_a_rescaled_row_is_longer() -> None:
    weight, gains = draw(4, 3), torch.tensor([1.0, 2, 3, 4]).reshape(4, 1)
    merged = rotate_weight({"oft_blocks": torch.zeros(2, 2, 2), "rescale": gains}, weight)
    assert torch.allclose(merged, weight * gains)


def test_a_butterfly_of_one_round_is_oft_the_other_way_round() -> None:
    weight, skew = draw(8, 3), draw(4, 2, 2) * 0.2
    assert torch.allclose(
        rotate_weight({"oft_blocks": skew[None]}, weight),
        rotate_weight({"oft_blocks": skew.mT.contiguous()}, weight),
        atol=1e-5,
    )


def test_a_butterfly_mixes_rows_that_are_ever_further_apart() -> None:
    """Blocks of two: round i turns each pair of rows that are 2**i apart, and no other."""
    weight, skew = draw(8, 3), torch.zeros(3, 4, 2, 2)
    for round_ in range(3):
        one = skew.clone()
        one[round_] = draw(4, 2, 2) * 0.3
        merged = rotate_weight({"oft_blocks": one}, weight)
        blocks, reach, wanted = cayley(one[round_], 0.0), 2**round_, weight.clone()
        pairs = [row for row in range(8) if not row // reach % 2]
        for block, row in zip(blocks, pairs, strict=True):
            both = [row, row + reach]
            wanted[both] = block @ weight[both]
        assert torch.allclose(merged, wanted, atol=1e-5)


def test_a_butterfly_is_a_rotation() -> None:
    weight = draw(16, 5)
    merged = rotate_weight({"oft_blocks": draw(3, 4, 4, 4)}, weight)
    assert torch.allclose(merged.T @ merged, weight.T @ weight, atol=1e-3)
    assert not torch.allclose(merged, weight, atol=0.1)


def test_blocks_that_do_not_divide_the_outputs_are_an_error() -> None:
    for blocks in (draw(2, 3, 3), draw(2, 2, 3, 3)):
        with pytest.raises(RuntimeError):
            rotate_weight({"oft_blocks": blocks}, draw(8, 3))
