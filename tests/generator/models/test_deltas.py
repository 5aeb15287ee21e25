"""What adapters add to a weight, against the formulas of their papers."""

import pytest
import torch
from torch import Tensor

from generator.models.deltas import delta

WEIGHT = torch.arange(24.0).reshape(4, 6)


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_lora_is_up_times_down_scaled() -> None:
    up, down = draw(4, 2), draw(2, 6)
    factors = {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(1.0)}
    assert torch.allclose(delta(factors, WEIGHT), up @ down * 0.5)


def test_without_alpha_nothing_is_scaled() -> None:
    up, down = draw(4, 2), draw(2, 6)
    factors = {"lora_up.weight": up, "lora_down.weight": down}
    assert torch.allclose(delta(factors, WEIGHT), up @ down)


def test_a_rank_limit_keeps_the_scale_of_the_whole() -> None:
    up, down = draw(4, 2), draw(2, 6)
    factors = {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(1.0)}
    assert torch.allclose(delta(factors, WEIGHT, 1), up[:, :1] @ down[:1] * 0.5)


def test_a_convolution_in_two_steps_is_one() -> None:
    up, down = draw(4, 2, 1, 1), draw(2, 3, 3, 3)
    x = draw(1, 3, 5, 5)
    found = delta({"lora_up.weight": up, "lora_down.weight": down}, torch.zeros(4, 3, 3, 3))
    twice = torch.conv2d(torch.conv2d(x, down), up)
    assert torch.allclose(torch.conv2d(x, found), twice, atol=1e-5)


def test_a_middle_factor_is_a_third_convolution() -> None:
    up, mid, down = draw(4, 2, 1, 1), draw(2, 2, 3, 3), draw(2, 3, 1, 1)
    factors = {"lora_up.weight": up, "lora_mid.weight": mid, "lora_down.weight": down}
    x = draw(1, 3, 5, 5)
    thrice = torch.conv2d(torch.conv2d(torch.conv2d(x, down), mid), up)
    found = delta(factors, torch.zeros(4, 3, 3, 3))
    assert torch.allclose(torch.conv2d(x, found), thrice, atol=1e-5)


def test_loha_is_a_product_of_two() -> None:
    a1, b1, a2, b2 = draw(4, 2), draw(2, 6), draw(4, 2) + 1, draw(2, 6) - 1
    factors = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2}
    assert torch.allclose(delta(factors, WEIGHT), (a1 @ b1) * (a2 @ b2))


def test_lokr_is_a_kronecker_product() -> None:
    one, a, b = draw(2, 2), draw(2, 1), draw(1, 3)
    factors = {"lokr_w1": one, "lokr_w2_a": a, "lokr_w2_b": b, "alpha": torch.tensor(3.0)}
    assert torch.allclose(delta(factors, WEIGHT), torch.kron(one, a @ b) * 3)


def test_dora_restores_the_magnitude() -> None:
    up, down = draw(4, 2), draw(2, 6)
    magnitude = torch.full((1, 6), 2.0)
    factors = {"lora_up.weight": up, "lora_down.weight": down, "dora_scale": magnitude}
    merged = WEIGHT + delta(factors, WEIGHT)
    assert torch.allclose(merged.norm(dim=0), torch.full((6,), 2.0), atol=1e-5)


def test_ia3_scales_rows_or_columns() -> None:
    gain = torch.tensor([1.0, 0, 0, 0])
    assert torch.allclose(delta({"weight": gain}, WEIGHT)[1:], torch.zeros(3, 6))
    across = {"weight": torch.ones(6), "on_input": torch.tensor(True)}
    assert torch.allclose(delta(across, WEIGHT), WEIGHT)


def test_unknown_factors_are_told() -> None:
    assert delta({"oft_blocks": draw(1)}, WEIGHT) is None


def test_factors_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(RuntimeError):
        delta({"lora_up.weight": draw(5, 2), "lora_down.weight": draw(2, 6)}, WEIGHT)
