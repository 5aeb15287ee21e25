"""Hypernetworks: small networks that bend what attention reads (contract section 2.6).

Ha et al. 2016, in the form that AUTOMATIC1111's trainer writes: for each width, one network for
the keys and one for the values.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generator.errors import ModelUnreadable
from generator.models.index import ModelFile
from generator.models.weights import read_with_facts
from generator.reasons import reason_of

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "elu": nn.ELU,
    "swish": nn.Hardswish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softsign": nn.Softsign,
    "mish": nn.Mish,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


BROKEN = (
    RuntimeError, OSError, EOFError, LookupError, ValueError, TypeError, ArithmeticError,
    AttributeError, RecursionError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Hypernetwork:
    """For each width of what is read, the networks for keys and for values."""

    file: ModelFile
    layers: Mapping[int, tuple[nn.Module, nn.Module]]


def read_hypernetwork(file: ModelFile, device: torch.device, dtype: torch.dtype) -> Hypernetwork:
    """The hypernetwork in ``file``. Raises :class:`ModelUnreadable`."""
    try:
        tensors, facts = read_with_facts(file.path, file.kept_in)
        states: dict[int, dict[str, dict[str, Tensor]]] = {}
        for name, tensor in tensors.items():  # "768.0.linear.0.weight"
            width, _, rest = name.partition(".")
            which, _, rest = rest.partition(".")
            if width.isdigit():
                states.setdefault(int(width), {}).setdefault(which, {})[rest] = tensor

        def network(state: Mapping[str, Tensor]) -> nn.Module:
            return _network(state, facts).to(device, dtype).eval()

        return Hypernetwork(
            file,
            {width: (network(pair["0"]), network(pair["1"])) for width, pair in states.items()},
        )
    except BROKEN as error:
        raise ModelUnreadable(
            f"{file.name} is no readable hypernetwork: {reason_of(error)}"
        ) from error


@contextmanager
def reading_through(
    unet: nn.Module, mounts: Sequence[tuple[Hypernetwork, float]]
) -> Iterator[None]:
    """Let every attention of ``unet`` read through the hypernetworks, each with its strength."""
    hooks = [
        getattr(module, projection).register_forward_pre_hook(_reader(mounts, which))
        for module in unet.modules()
        for which, projection in enumerate(("to_k", "to_v"))
        if mounts and hasattr(module, "to_k") and hasattr(module, "to_v")
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _reader(
    mounts: Sequence[tuple[Hypernetwork, float]], which: int
) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    def read(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        context = inputs[0]  # (B,tokens,width)
        for hypernetwork, strength in mounts:
            pair = hypernetwork.layers.get(context.shape[-1])
            if pair is not None:
                context = context + pair[which](context) * strength
        return (context, *inputs[1:])

    return read


def _network(state: Mapping[str, Tensor], facts: Mapping[str, object]) -> nn.Module:
    """Layers at the places that their names tell; activations stand between the linear ones."""
    places = sorted({int(name.split(".")[1]) for name in state})
    activation = ACTIVATIONS[str(facts.get("activation_func") or "linear")]
    linear = [place for place in places if state[f"linear.{place}.weight"].dim() == 2]
    layers: list[nn.Module] = []
    for place in places:
        weight, bias = state[f"linear.{place}.weight"], state[f"linear.{place}.bias"]
        width = weight.shape[0]
        layer = nn.Linear(weight.shape[1], width) if place in linear else nn.LayerNorm(width)
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers.append(layer)
        if place in linear and (place != linear[-1] or facts.get("activate_output")):
            layers.append(activation())
    return nn.Sequential(*layers).requires_grad_(False)
