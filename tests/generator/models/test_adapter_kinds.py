"""Every kind of adapter on every family, by every naming: the weight's change as by hand.

The formulas are those of the papers and of the trainers' own code, in numpy and by loops.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from generator.models import adapters
from generator.models.adapter_files import read_adapter
from generator.models.adapters import AppliedAdapter, apply_adapters
from generator.models.checkpoint import Checkpoint
from tests.generator.models.tiny_checkpoints import (
    SHAPES,
    NamedLayer,
    load_tiny,
    named_layers,
    save_adapter,
)

Array = np.ndarray
Factors = dict[str, Array]
Shape = tuple[int, ...]
Kind = Callable[[Shape], tuple[Factors, Callable[[Array], Array]]]
RANK = 4
PEFT = {"lora_down.weight": "lora_A.weight", "lora_up.weight": "lora_B.weight"}
TEXT_STRENGTH, UNET_STRENGTH = 0.5, 2.0


def draw(*shape: int) -> Array:
    seed = sum(number * size for number, size in enumerate(shape, 3))
    return np.random.default_rng(seed).normal(0, 0.3, shape)


def product(up: Array, down: Array) -> Array:
    """``up`` (out,r) and ``down`` (r,...) multiplied, number by number of the rank."""
    return sum(np.multiply.outer(up[:, n].reshape(len(up)), down[n]) for n in range(len(down)))


def scalar(number: float) -> Array:
    return np.array(number)


def ones(shape: Shape) -> Shape:
    """1x1 for a convolution, nothing for a linear layer."""
    return (1,) * (len(shape) - 2)


def lora(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    up, down = draw(shape[0], RANK, *ones(shape)), draw(RANK, *shape[1:])
    factors = {"lora_up.weight": up, "lora_down.weight": down, "alpha": scalar(2.0)}
    change = product(up.reshape(shape[0], RANK), down) * 2 / RANK
    return factors, lambda weight: change


def lora_without_alpha(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    factors, change = lora(shape)
    del factors["alpha"]
    return factors, lambda weight: change(weight) * RANK / 2


def lora_with_scale(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    factors, change = lora(shape)
    return factors | {"scale": scalar(0.25)}, lambda weight: change(weight) * RANK / 2 / 4


def locon_cp(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    up, middle, down = (
        draw(shape[0], RANK, 1, 1), draw(RANK, RANK, *shape[2:]), draw(RANK, shape[1], 1, 1),
    )  # fmt: skip
    change = np.zeros(shape)
    for m, n in itertools.product(range(RANK), range(RANK)):
        corner = np.multiply.outer(up[:, m, 0, 0], down[n, :, 0, 0])
        change += corner[:, :, None, None] * middle[m, n]
    factors = {"lora_up.weight": up, "lora_mid.weight": middle, "lora_down.weight": down}
    return factors | {"alpha": scalar(1.0)}, lambda weight: change / RANK


def locon_sparse(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    factors, change = lora(shape)
    added = np.zeros(shape).reshape(shape[0], -1)
    added[1, 2], added[3, 0] = 0.5, -0.75
    sparse = {
        "bias_indices": np.array([[1, 3], [2, 0]]),
        "bias_values": np.array([0.5, -0.75]),
        "bias_size": np.array(added.shape),
    }
    return factors | sparse, lambda weight: change(weight) + added.reshape(shape) * 2 / RANK


def loha(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    wide = math.prod(shape[1:])
    a1, b1, a2, b2 = (
        draw(shape[0], RANK), draw(RANK, wide), draw(shape[0], RANK) + 1, draw(RANK, wide) - 1,
    )  # fmt: skip
    factors = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2}
    change = (product(a1, b1) * product(a2, b2)).reshape(shape) * 3 / RANK
    return factors | {"alpha": scalar(3.0)}, lambda weight: change


def loha_tucker(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    factors: Factors = {"alpha": scalar(3.0)}
    parts = []
    for number in (1, 2):
        core = draw(RANK, RANK, *shape[2:]) + number
        a, b = draw(RANK, shape[0]), draw(RANK, shape[1])
        part = np.zeros(shape)
        for m, n in itertools.product(range(RANK), range(RANK)):
            part += np.multiply.outer(a[m], b[n])[:, :, None, None] * core[m, n]
        parts.append(part)
        factors |= {f"hada_t{number}": core, f"hada_w{number}_a": a, f"hada_w{number}_b": b}
    return factors, lambda weight: parts[0] * parts[1] * 3 / RANK


def kronecker(first: Array, second: Array) -> Array:
    """(o1,i1) and (o2,i2,...) as (o1*o2,i1*i2,...), block by block."""
    rows = [np.concatenate([number * second for number in row], axis=1) for row in first]
    return np.concatenate(rows, axis=0)


def lokr(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    first, second = draw(4, 2), draw(shape[0] // 4, shape[1] // 2, *shape[2:])
    factors = {"lokr_w1": first, "lokr_w2": second, "alpha": scalar(9.0)}  # without effect
    return factors, lambda weight: kronecker(first, second)


def lokr_factored(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    a1, b1 = draw(4, RANK), draw(RANK, 2)
    a2, b2 = draw(shape[0] // 4, RANK), draw(RANK, shape[1] // 2, *shape[2:])
    factors = {"lokr_w1_a": a1, "lokr_w1_b": b1, "lokr_w2_a": a2, "lokr_w2_b": b2}
    change = kronecker(product(a1, b1), product(a2, b2)) * 2 / RANK
    return factors | {"alpha": scalar(2.0)}, lambda weight: change


def lokr_half_factored(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    a1, b1 = draw(4, RANK), draw(RANK, 2)
    second = draw(shape[0] // 4, shape[1] // 2, *shape[2:])
    factors = {"lokr_w1_a": a1, "lokr_w1_b": b1, "lokr_w2": second, "alpha": scalar(2.0)}
    return factors, lambda weight: kronecker(product(a1, b1), second) * 2 / RANK


def lokr_tucker(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    first, core = draw(4, 2), draw(RANK, RANK, *shape[2:])
    a, b = draw(RANK, shape[0] // 4), draw(RANK, shape[1] // 2)
    second = np.zeros((shape[0] // 4, shape[1] // 2, *shape[2:]))
    for m, n in itertools.product(range(RANK), range(RANK)):
        second += np.multiply.outer(a[m], b[n])[:, :, None, None] * core[m, n]
    factors = {"lokr_w1": first, "lokr_t2": core, "lokr_w2_a": a, "lokr_w2_b": b}
    return factors | {"alpha": scalar(2.0)}, lambda weight: kronecker(first, second) * 2 / RANK


def rotations(skew: Array, most: float) -> Array:
    """Cayley's of each block; the norm of all together is at most ``most``."""
    q = np.stack([block - block.T for block in skew])
    norm = math.sqrt((q**2).sum())
    q = q * min(1.0, most / norm)
    eye = np.eye(q.shape[-1])
    return np.stack([(eye + block) @ np.linalg.inv(eye - block) for block in q])


def turned(blocks: Array, weight: Array) -> Array:
    """The outputs of ``weight``, run by run, by the transposed blocks."""
    size, rows = blocks.shape[-1], weight.reshape(len(weight), -1)
    runs = [block.T @ rows[n * size : (n + 1) * size] for n, block in enumerate(blocks)]
    return np.concatenate(runs).reshape(weight.shape)


def oft(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    skew = draw(shape[0] // 8, 8, 8)
    return {"oft_blocks": skew}, lambda w: turned(rotations(skew, math.inf), w) - w


def oft_constrained(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    skew = draw(shape[0] // 8, 8, 8)
    factors = {"oft_blocks": skew, "alpha": scalar(0.01)}
    return factors, lambda w: turned(rotations(skew, 0.01 * shape[0]), w) - w


def oft_rescaled(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    skew, gain = draw(shape[0] // 8, 8, 8), draw(shape[0], 1, *ones(shape)) + 1
    factors = {"oft_blocks": skew, "rescale": gain}
    return factors, lambda w: turned(rotations(skew, math.inf), w) * gain - w


def oft_diag(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    added = draw(shape[0] // 8, 8, 8)
    return {"oft_diag": added}, lambda w: turned(added + np.eye(8), w) - w


def boft(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    """Three rounds: in round i rows 4 * 2**i apart share a block of 8."""
    skew = draw(3, shape[0] // 8, 8, 8)

    def change(weight: Array) -> Array:
        rows = weight.reshape(len(weight), -1)
        blocks = rotations(skew.reshape(-1, 8, 8), math.inf).reshape(skew.shape)
        for number, round_ in enumerate(blocks):
            reach = 4 * 2**number
            order = [
                start + offset + side
                for start in range(0, len(rows), 2 * reach)
                for offset in range(reach)
                for side in (0, reach)
            ]
            after = rows.copy()
            for block in range(len(round_)):
                own = order[8 * block : 8 * block + 8]
                after[own] = round_[block] @ rows[own]
            rows = after
        return rows.reshape(weight.shape) - weight

    return {"oft_blocks": skew}, change


def ia3(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    gain = draw(shape[0])
    column = gain.reshape(-1, *(1,) * (len(shape) - 1))
    return {"weight": gain, "on_input": np.array(False)}, lambda weight: weight * column


def ia3_on_input(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    gain = draw(shape[1])
    row = gain.reshape(1, -1, *ones(shape))
    return {"weight": gain, "on_input": np.array(True)}, lambda weight: weight * row


def glora(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    wide = math.prod(shape[1:])
    a1, a2, b1, b2 = draw(RANK, wide), draw(wide, RANK), draw(RANK, wide), draw(shape[0], RANK)
    factors = {f"{n}.weight": f for n, f in (("a1", a1), ("a2", a2), ("b1", b1), ("b2", b2))}

    def change(weight: Array) -> Array:
        flat = weight.reshape(shape[0], -1)
        return (b2 @ b1 + flat @ (a2 @ a1)).reshape(shape) * 2 / RANK

    return factors | {"alpha": scalar(2.0)}, change


def glora_of_lycoris(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    a1, a2 = draw(shape[1], RANK, *ones(shape)), draw(RANK, shape[1], *ones(shape))
    b1, b2 = draw(shape[0], RANK, *ones(shape)), draw(RANK, *shape[1:])
    factors = {f"{n}.weight": f for n, f in (("a1", a1), ("a2", a2), ("b1", b1), ("b2", b2))}

    def change(weight: Array) -> Array:
        inner = a1.reshape(shape[1], RANK) @ a2.reshape(RANK, shape[1])
        read = np.moveaxis(np.moveaxis(weight, 1, -1) @ inner, -1, 1)
        return (read + product(b1.reshape(shape[0], RANK), b2)) * 2 / RANK

    return factors | {"alpha": scalar(2.0)}, change


def full(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    return {"diff": draw(*shape)}, lambda weight: draw(*shape)


def norm(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
    return {"w_norm": draw(*shape), "b_norm": draw(*shape) + 1}, lambda weight: draw(*shape)


def dora_of(kind: Kind, *, by_output: bool, key: str = "dora_scale") -> Kind:
    def dora(shape: Shape) -> tuple[Factors, Callable[[Array], Array]]:
        factors, change = kind(shape)
        size = shape[0 if by_output else 1]
        magnitude = abs(draw(size)) + 1
        place = (size, 1) if by_output else (1, size)

        def restored(weight: Array) -> Array:
            merged = weight + change(weight)
            for n in range(size):
                part = merged[n] if by_output else merged[:, n]
                part *= magnitude[n] / math.sqrt((part**2).sum())
            return merged - weight

        kept = magnitude if key != "dora_scale" else magnitude.reshape(*place, *ones(shape))
        return factors | {key: kept}, restored

    return dora


KINDS: Mapping[str, Kind] = {
    "lora": lora, "lora without alpha": lora_without_alpha, "lora with scale": lora_with_scale,
    "locon cp": locon_cp, "locon sparse": locon_sparse,
    "loha": loha, "loha tucker": loha_tucker,
    "lokr": lokr, "lokr factored": lokr_factored, "lokr half factored": lokr_half_factored,
    "lokr tucker": lokr_tucker,
    "oft": oft, "oft constrained": oft_constrained, "oft rescaled": oft_rescaled,
    "oft diag": oft_diag, "boft": boft,
    "dora": dora_of(lora, by_output=False), "dora by output": dora_of(lora, by_output=True),
    "dora of peft": dora_of(lora, by_output=True, key="lora_magnitude_vector"),
    "dora of loha": dora_of(loha, by_output=False), "dora of lokr": dora_of(lokr, by_output=True),
    "dora of full": dora_of(full, by_output=False),
    "ia3": ia3, "ia3 on input": ia3_on_input, "glora": glora, "glora of lycoris": glora_of_lycoris,
    "full": full, "norm": norm,
}  # fmt: skip
FOR_CONVOLUTIONS = {"locon cp", "loha tucker", "lokr tucker"}
ONLY_KOHYA = {"ia3", "ia3 on input"}  # elsewhere "layer.weight" is the layer's own weight
NAMINGS = ("kohya", "ldm", "dotted")


@pytest.fixture(scope="module", params=SHAPES)
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    torch.set_num_threads(1)
    return load_tiny(request.param, tmp_path_factory.mktemp("checkpoint"))


def layers_for(kind: str, checkpoint: Checkpoint) -> dict[str, NamedLayer]:
    layers = named_layers(checkpoint)
    if kind == "norm":
        return {"norm": layers["norm"]}
    unfit = {"norm"} | (layers.keys() - {"conv"} if kind in FOR_CONVOLUTIONS else set())
    return {role: layer for role, layer in layers.items() if role not in unfit}


def key_of(layer: NamedLayer, naming: str, factor: str) -> str:
    factor = PEFT.get(factor, factor) if naming == "dotted" else factor
    return f"{getattr(layer, naming)}.{factor}"


def to_tensor(array: Array) -> Tensor:
    return torch.from_numpy(array).to(torch.float32 if array.dtype.kind == "f" else torch.int64)


@pytest.mark.parametrize(
    ("kind", "naming"),
    [
        (kind, naming)
        for kind, naming in itertools.product(KINDS, NAMINGS)
        if kind not in ONLY_KOHYA or naming != "dotted"
    ],
)
def test_the_change_is_the_one_computed_by_hand(
    checkpoint: Checkpoint, tmp_path: Path, kind: str, naming: str
) -> None:
    layers = layers_for(kind, checkpoint)
    tensors, wanted, before = {}, {}, {}
    for role, layer in layers.items():
        weight = layer.module.weight.detach().clone()
        factors, change = KINDS[kind](tuple(weight.shape))
        tensors |= {key_of(layer, naming, name): to_tensor(f) for name, f in factors.items()}
        wanted[role], before[role] = change(weight.double().numpy()), weight
    adapter = read_adapter(save_adapter(tmp_path / "mine.safetensors", tensors))
    applied = AppliedAdapter(adapter, TEXT_STRENGTH, UNET_STRENGTH)
    with apply_adapters(checkpoint, [applied]) as told:
        assert told == ()
        for role, layer in layers.items():
            strength = TEXT_STRENGTH if layer.is_text else UNET_STRENGTH
            change = (layer.module.weight.detach() - before[role]).numpy()
            np.testing.assert_allclose(change, wanted[role] * strength, atol=2e-5, err_msg=role)
    assert all(torch.equal(layer.module.weight, before[role]) for role, layer in layers.items())


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize(("factor", "role"), [("b_norm", "norm"), ("diff_b", "conv")])
def test_a_bias_is_changed_beside_the_weight(
    checkpoint: Checkpoint, tmp_path: Path, naming: str, factor: str, role: str
) -> None:
    layer = named_layers(checkpoint)[role]
    bias, change = layer.module.bias.detach().clone(), draw(len(layer.module.bias))
    tensors = {key_of(layer, naming, factor): to_tensor(change)}
    adapter = read_adapter(save_adapter(tmp_path / "mine.safetensors", tensors))
    with apply_adapters(checkpoint, [AppliedAdapter(adapter, 1.0, 3.0)]) as told:
        assert told == ()
        found = (layer.module.bias.detach() - bias).numpy()
        np.testing.assert_allclose(found, 3 * change, atol=1e-5)
    assert torch.equal(layer.module.bias, bias)


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_named_often_is_merged_once_with_the_sum(
    checkpoint: Checkpoint, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role, layer = next(iter(layers_for(kind, checkpoint).items()))
    weight = layer.module.weight.detach().clone()
    factors, change = KINDS[kind](tuple(weight.shape))
    tensors = {key_of(layer, "kohya", name): to_tensor(f) for name, f in factors.items()}
    adapter = read_adapter(save_adapter(tmp_path / "mine.safetensors", tensors))
    merges = []

    def count(*arguments: object) -> object:
        merges.append(role)
        return weight_delta(*arguments)

    weight_delta = adapters.weight_delta
    monkeypatch.setattr(adapters, "weight_delta", count)
    with apply_adapters(checkpoint, [AppliedAdapter(adapter, 0.002, 0.002, mentions=500)]):
        found = (layer.module.weight.detach() - weight).numpy()
        np.testing.assert_allclose(found, change(weight.double().numpy()), atol=2e-5)
    assert len(merges) == 1


def test_an_interrupt_is_heard_between_ten_that_are_merged(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = layers_for("lora", checkpoint)
    tensors = {
        key_of(layer, "kohya", name): to_tensor(factor)
        for layer in layers.values()
        for name, factor in lora(tuple(layer.module.weight.shape))[0].items()
    }
    files = [save_adapter(tmp_path / f"number{n}.safetensors", tensors) for n in range(10)]
    before = {role: layer.module.weight.detach().clone() for role, layer in layers.items()}
    begun: list[int] = []

    class Interrupted(BaseException):
        pass

    def merge(*arguments: object) -> object:
        begun.append(len(begun))
        return weight_delta(*arguments)

    def pause() -> None:  # the interrupt comes while the third is merged
        if len(begun) > 2 * len(layers):
            raise Interrupted

    weight_delta = adapters.weight_delta
    monkeypatch.setattr(adapters, "weight_delta", merge)
    many = [AppliedAdapter(read_adapter(file)) for file in files]
    with pytest.raises(Interrupted), apply_adapters(checkpoint, many, pause):
        pass
    assert 2 * len(layers) < len(begun) <= 3 * len(layers)
    assert all(torch.equal(layer.module.weight, before[role]) for role, layer in layers.items())
