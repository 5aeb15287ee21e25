"""What adapters add to a weight, against the formulas of their papers."""

import pytest
import torch
from torch import Tensor

from generator.models.deltas import weight_delta

WEIGHT = torch.arange(24.0).reshape(4, 6)


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_lora_is_up_times_down_scaled() -> None:
    up, down = draw(4, 2), draw(2, 6)
    factors = {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(1.0)}
    assert torch.allclose(weight_delta(factors, WEIGHT), up @ down * 0.5)


def test_without_alpha_nothing_is_scaled() -> None:
    up, down = draw(4, 2), draw(2, 6)
    factors = {"lora_up.weight": up, "lora_down.weight": down}
    assert torch.allclose(weight_delta(factors, WEIGHT), up @ down)


def test_a_rank_limit_keeps_the_scale_of_the_whole() -> None:
    up, down = draw(4, 2), draw(2, 6)
    factors = {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(1.0)}
    assert torch.allclose(weight_delta(factors, WEIGHT, 1), up[:, :1] @ down[:1] * 0.5)


def test_a_convolution_in_two_steps_is_one() -> None:
    up, down = draw(4, 2, 1, 1), draw(2, 3, 3, 3)
    x = draw(1, 3, 5, 5)
    found = weight_delta({"lora_up.weight": up, "lora_down.weight": down}, torch.zeros(4, 3, 3, 3))
    twice = torch.conv2d(torch.conv2d(x, down), up)
    assert torch.allclose(torch.conv2d(x, found), twice, atol=1e-5)


def test_a_middle_factor_is_a_third_convolution() -> None:
    up, mid, down = draw(4, 2, 1, 1), draw(2, 2, 3, 3), draw(2, 3, 1, 1)
    factors = {"lora_up.weight": up, "lora_mid.weight": mid, "lora_down.weight": down}
    x = draw(1, 3, 5, 5)
    thrice = torch.conv2d(torch.conv2d(torch.conv2d(x, down), mid), up)
    found = weight_delta(factors, torch.zeros(4, 3, 3, 3))
    assert torch.allclose(torch.conv2d(x, found), thrice, atol=1e-5)


def test_loha_is_a_product_of_two() -> None:
    a1, b1, a2, b2 = draw(4, 2), draw(2, 6), draw(4, 2) + 1, draw(2, 6) - 1
    factors = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2}
    assert torch.allclose(weight_delta(factors, WEIGHT), (a1 @ b1) * (a2 @ b2))


def test_lokr_is_a_kronecker_product() -> None:
    one, a, b = draw(2, 2), draw(2, 1), draw(1, 3)
    factors = {"lokr_w1": one, "lokr_w2_a": a, "lokr_w2_b": b, "alpha": torch.tensor(3.0)}
    assert torch.allclose(weight_delta(factors, WEIGHT), torch.kron(one, a @ b) * 3)


def test_dora_restores_the_magnitude() -> None:
    up, down = draw(4, 2), draw(2, 6)
    magnitude = torch.full((1, 6), 2.0)
    factors = {"lora_up.weight": up, "lora_down.weight": down, "dora_scale": magnitude}
    merged = WEIGHT + weight_delta(factors, WEIGHT)
    assert torch.allclose(merged.norm(dim=0), torch.full((6,), 2.0), atol=1e-5)


def test_ia3_scales_rows_or_columns() -> None:
    gain = torch.tensor([1.0, 0, 0, 0])
    assert torch.allclose(weight_delta({"weight": gain}, WEIGHT)[1:], torch.zeros(3, 6))
    across = {"weight": torch.ones(6), "on_input": torch.tensor(True)}
    assert torch.allclose(weight_delta(across, WEIGHT), WEIGHT)


def test_dora_of_outputs_restores_the_magnitude_of_rows() -> None:
    factors = {"lora_up.weight": draw(4, 2), "lora_down.weight": draw(2, 6)}
    for magnitude in (
        {"dora_scale": torch.full((4, 1), 2.0)},
        {"lora_magnitude_vector": torch.full((4,), 2.0)},
    ):
        merged = WEIGHT + weight_delta(factors | magnitude, WEIGHT)
        assert torch.allclose(merged.norm(dim=1), torch.full((4,), 2.0), atol=1e-5)


def dora_by_hand(weight: Tensor, change: Tensor, magnitude: Tensor) -> Tensor:
    """Column by column, as the paper has it."""
    merged = weight + change
    columns = [
        merged[:, i] / merged[:, i].pow(2).sum().sqrt() * magnitude.flatten()[i]
        for i in range(weight.shape[1])
    ]
    return torch.stack(columns, dim=1) - weight


KINDS = {
    "lora": {"lora_up.weight": draw(4, 2), "lora_down.weight": draw(2, 6)},
    "loha": {
        "hada_w1_a": draw(4, 2),
        "hada_w1_b": draw(2, 6),
        "hada_w2_a": draw(4, 3),
        "hada_w2_b": draw(3, 6),
    },
    "lokr": {"lokr_w1_a": draw(2, 1), "lokr_w1_b": draw(1, 2), "lokr_w2": draw(2, 3)},
    "full": {"diff": draw(4, 6)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_dora_on_each_kind(kind: str) -> None:
    factors = KINDS[kind] | {"alpha": torch.tensor(1.0)}
    magnitude = draw(1, 6).abs() + 1
    found = weight_delta(factors | {"dora_scale": magnitude}, WEIGHT)
    wanted = dora_by_hand(WEIGHT, weight_delta(factors, WEIGHT), magnitude)
    assert torch.allclose(found, wanted, atol=1e-4)


def test_dora_on_a_convolution() -> None:
    weight, up, down = draw(4, 3, 3, 3), draw(4, 2, 1, 1), draw(2, 3, 3, 3)
    magnitude = draw(1, 3, 1, 1).abs() + 1
    factors = {"lora_up.weight": up, "lora_down.weight": down, "dora_scale": magnitude}
    merged = weight + weight_delta(factors, weight)
    assert torch.allclose(merged.transpose(0, 1).flatten(1).norm(dim=1), magnitude.flatten())


def test_loha_with_a_core() -> None:
    cores, lefts, rights = draw(2, 2, 2, 3, 3), draw(2, 2, 5), draw(2, 2, 4)
    factors = {
        f"hada_{name}": tensor
        for n in (0, 1)
        for name, tensor in (
            (f"t{n + 1}", cores[n]),
            (f"w{n + 1}_a", lefts[n]),
            (f"w{n + 1}_b", rights[n]),
        )
    }
    found = weight_delta(factors, torch.zeros(5, 4, 3, 3))
    for o, i in ((0, 0), (4, 3), (2, 1)):
        parts = [
            sum(
                cores[n][r, s] * lefts[n][r, o] * rights[n][s, i]
                for r in range(2)
                for s in range(2)
            )
            for n in (0, 1)
        ]
        assert torch.allclose(found[o, i], parts[0] * parts[1], atol=1e-5)


def test_lokr_of_a_convolution_in_each_form() -> None:
    one = draw(2, 2)
    weight = torch.zeros(6, 4, 3, 3)
    whole = draw(3, 2, 3, 3)
    found = weight_delta({"lokr_w1": one, "lokr_w2": whole}, weight)
    assert torch.allclose(found[3:, 2:], one[1, 1] * whole)
    a, b = draw(3, 2), draw(2, 2, 3, 3)
    found = weight_delta({"lokr_w1": one, "lokr_w2_a": a, "lokr_w2_b": b}, weight)
    assert torch.allclose(found[:3, 2:], one[0, 1] * torch.tensordot(a, b, 1), atol=1e-5)
    core, left, right = draw(2, 2, 3, 3), draw(2, 3), draw(2, 2)
    factors = {"lokr_t2": core, "lokr_w2_a": left, "lokr_w2_b": right}
    found = weight_delta(factors | {"lokr_w1": one}, weight)
    second = torch.tensordot(left.T, torch.tensordot(core, right, ([1], [0])), 1)  # (3,3,3,2)
    assert torch.allclose(found[:3, :2], one[0, 0] * second.permute(0, 3, 1, 2), atol=1e-5)


def test_lokr_is_scaled_only_where_it_has_a_rank() -> None:
    one, two, alpha = draw(2, 2), draw(2, 3), {"alpha": torch.tensor(3.0)}
    assert torch.allclose(
        weight_delta({"lokr_w1": one, "lokr_w2": two} | alpha, WEIGHT), torch.kron(one, two)
    )


def test_glora_is_a_sum_of_two() -> None:
    a1, a2, b1, b2 = draw(2, 6), draw(6, 2), draw(3, 6), draw(4, 3)
    names = {"a1.weight": a1, "a2.weight": a2, "b1.weight": b1, "b2.weight": b2}
    assert torch.allclose(weight_delta(names, WEIGHT), b2 @ b1 + WEIGHT @ a2 @ a1, atol=1e-4)


def test_an_early_sparse_part_is_added() -> None:
    sparse = {
        "bias_indices": torch.tensor([[1], [2]]),
        "bias_values": torch.tensor([5.0]),
        "bias_size": torch.tensor([4, 6]),
    }
    plain = weight_delta(KINDS["lora"], WEIGHT)
    found = weight_delta(KINDS["lora"] | sparse, WEIGHT)
    assert float((found - plain)[1, 2]) == pytest.approx(5)
    assert int((found != plain).sum()) == 1


def test_a_scale_goes_before_alpha() -> None:
    factors = KINDS["lora"] | {"alpha": torch.tensor(7.0), "scale": torch.tensor(0.5)}
    assert torch.allclose(weight_delta(factors, WEIGHT), weight_delta(KINDS["lora"], WEIGHT) * 0.5)


def test_inpainting_channels_stay_as_they_are() -> None:
    up, down = draw(4, 2, 1, 1), draw(2, 4, 3, 3)
    found = weight_delta({"lora_up.weight": up, "lora_down.weight": down}, torch.zeros(4, 9, 3, 3))
    wanted = torch.einsum("or,rikl->oikl", up[:, :, 0, 0], down)
    assert torch.allclose(found[:, :4], wanted, atol=1e-5)
    assert not found[:, 4:].any()


def test_a_missing_factor_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"lora_down.weight"):
        weight_delta({"lora_up.weight": draw(4, 2)}, WEIGHT)


def test_unknown_factors_are_told() -> None:
    assert weight_delta({"from_the_future": draw(1)}, WEIGHT) is None


def test_factors_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(RuntimeError):
        weight_delta({"lora_up.weight": draw(5, 2), "lora_down.weight": draw(2, 6)}, WEIGHT)
