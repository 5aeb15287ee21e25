"""Hypernetworks are read as AUTOMATIC1111 reads them, its defaults included."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from generator.errors import ModelUnreadable
from generator.models.hypernetworks import ACTIVATIONS, read_hypernetwork
from generator.models.registry import Folders, ModelKind, Registry

CPU = torch.device("cpu")
WIDTH = 8
CONTEXT = torch.linspace(-2, 2, 3 * WIDTH).reshape(1, 3, WIDTH)


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def layers(first: str, second: str, middle: int = 2 * WIDTH) -> dict[str, Tensor]:
    return {
        f"{first}.weight": draw(middle, WIDTH),
        f"{first}.bias": draw(middle),
        f"{second}.weight": draw(WIDTH, middle),
        f"{second}.bias": draw(WIDTH),
    }


def linear(state: dict[str, Tensor], name: str, value: Tensor) -> Tensor:
    return nn.functional.linear(value, state[f"{name}.weight"], state[f"{name}.bias"])


@pytest.fixture
def read(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the keys' network of a file answers for ``CONTEXT``."""
    monkeypatch.setattr("generator.models.scan.SETTLE_SECONDS", 0.0)
    folder = data_dir / "models/hypernetworks"
    folder.mkdir(parents=True)

    def apply_network(state: dict[str, Tensor], **facts: Any) -> Tensor:
        torch.save({WIDTH: (state, state), **facts}, folder / "mine.pt")
        file = Registry(Folders.under(data_dir)).find(ModelKind.HYPERNETWORK, "mine")
        found = read_hypernetwork(file, CPU, torch.float32)
        return found.layers[WIDTH][0](CONTEXT)

    return apply_network


def test_the_first_files_name_their_layers_linear1_and_linear2(read: Any) -> None:
    state = layers("linear1", "linear2")
    wanted = linear(state, "linear2", linear(state, "linear1", CONTEXT))
    assert torch.allclose(read(state, name="old", step=10, sd_checkpoint="abc"), wanted)


@pytest.mark.parametrize("output", [None, True, False])
def test_the_output_is_activated_unless_the_file_says_no(read: Any, output: bool | None) -> None:
    state = layers("linear.0", "linear.2")
    facts = {} if output is None else {"activate_output": output}
    inner = linear(state, "linear.2", linear(state, "linear.0", CONTEXT).relu())
    wanted = inner if output is False else inner.relu()
    found = read(state, activation_func="relu", optional_info="", use_dropout=False, **facts)
    assert torch.allclose(found, wanted)


def test_norms_dropout_and_all_that_trainers_note(read: Any) -> None:
    state = layers("linear.0", "linear.4") | {
        "linear.2.weight": draw(2 * WIDTH),
        "linear.2.bias": draw(2 * WIDTH),
    }
    norm = (2 * WIDTH,), state["linear.2.weight"], state["linear.2.bias"]
    inner = nn.functional.layer_norm(linear(state, "linear.0", CONTEXT).tanh(), *norm)
    wanted = linear(state, "linear.4", inner)
    told = {
        "layer_structure": [1, 2, 1], "weight_initialization": "XavierNormal", "step": 1,
        "is_layer_norm": True, "last_layer_dropout": False, "dropout_structure": [0, 0.3, 0],
        "activate_output": False, "optional_info": "mine", "use_dropout": True,
    }  # fmt: skip
    assert torch.allclose(read(state, activation_func="tanh", **told), wanted, atol=1e-6)


def test_every_activation_of_torch_is_known_by_its_name() -> None:
    for name in nn.modules.activation.__all__:
        known = ACTIVATIONS.get(name.lower())
        assert (known is getattr(nn, name)) != (name in ("MultiheadAttention", "Threshold"))


@pytest.mark.parametrize(
    "name",
    ["linear", "swish", "selu", "celu", "softplus", "hardtanh", "relu6", "hardswish", "mish"],
)
def test_activations_are_applied(read: Any, name: str) -> None:
    state = layers("linear.0", "linear.2")
    own = {"linear": nn.Identity, "swish": nn.Hardswish}
    made = own.get(name) or {n.lower(): f for n, f in vars(nn).items()}[name]
    act = made().eval()
    wanted = act(linear(state, "linear.2", act(linear(state, "linear.0", CONTEXT))))
    assert torch.allclose(read(state, activation_func=name), wanted, atol=1e-6)


def test_learned_slopes_are_read(read: Any) -> None:
    state = layers("linear.0", "linear.2") | {"linear.1.weight": torch.tensor([0.3])}
    inner = nn.functional.prelu(linear(state, "linear.0", CONTEXT), torch.tensor([0.3]))
    wanted = linear(state, "linear.2", inner)
    assert torch.allclose(read(state, activation_func="prelu", activate_output=False), wanted)


@pytest.mark.parametrize(
    ("name", "said"), [("sin", "'sin'.*Known:.*relu6"), ("glu", "mine.pt"), ("threshold", "Known")]
)
def test_an_activation_that_is_none_is_named(read: Any, name: str, said: str) -> None:
    with pytest.raises(ModelUnreadable, match=said):
        read(layers("linear.0", "linear.2"), activation_func=name)


def test_layers_that_do_not_fit_each_other_are_refused(read: Any) -> None:
    state = layers("linear.0", "linear.1") | {"linear.1.weight": draw(WIDTH, 3)}
    with pytest.raises(ModelUnreadable, match=r"mine\.pt"):
        read(state)
