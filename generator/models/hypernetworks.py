"""Hypernetworks: small networks applied to attention's keys and values (contract section 2.6).

Ha et al. 2016, in the form that AUTOMATIC1111's trainer writes: for each width, one network for
the keys and one for the values.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules import activation

from generator.errors import ModelUnreadable
from generator.models.index import ModelFile
from generator.models.weights import read_with_facts
from generator.reasons import reason_of

NEED_ARGUMENTS = ("multiheadattention", "threshold")
ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    name.lower(): found
    for name, found in vars(activation).items()
    if isinstance(found, type)
    and found.__module__ == activation.__name__
    and name.lower() not in NEED_ARGUMENTS
} | {"linear": nn.Identity, "swish": nn.Hardswish}
"""As AUTOMATIC1111 names them: torch's own in lower case, and two words of its own."""

OLD_NAMES = {"linear1": "linear.0", "linear2": "linear.1"}  # of its first files


HYPERNETWORK_ERRORS = (
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
                layer, _, part = rest.rpartition(".")
                rest = f"{OLD_NAMES.get(layer, layer)}.{part}"
                states.setdefault(int(width), {}).setdefault(which, {})[rest] = tensor
        if not states:
            raise ModelUnreadable(f"{file.name} is no hypernetwork: it holds no layers by widths")

        def network(width: int, state: Mapping[str, Tensor]) -> nn.Module:
            made = _build_network(file, state, facts).eval()
            if made(torch.zeros(1, 1, width)).shape[-1] != width:
                raise ValueError(f"its layers for {width} answer with another width")
            return made.to(device, dtype)

        return Hypernetwork(
            file,
            {
                width: (network(width, pair["0"]), network(width, pair["1"]))
                for width, pair in states.items()
            },
        )
    except HYPERNETWORK_ERRORS as error:
        raise ModelUnreadable(
            f"{file.name} is no readable hypernetwork: {reason_of(error)}"
        ) from error


@contextmanager
def apply_hypernetworks(
    unet: nn.Module, hypernetworks: Sequence[tuple[Hypernetwork, float]]
) -> Iterator[tuple[str, ...]]:
    """Let every attention of ``unet`` read through the hypernetworks, each with its strength.

    Yields a sentence for each of whose widths none is read here.
    """
    hooks = [
        getattr(module, projection).register_forward_pre_hook(
            _projection_hook(hypernetworks, which)
        )
        for module in (unet.modules() if hypernetworks else ())
        for which, projection in enumerate(("to_k", "to_v"))
        if hasattr(module, "to_k") and hasattr(module, "to_v")
    ]
    try:
        yield tuple(_strangers(unet, hypernetworks))
    finally:
        for hook in hooks:
            hook.remove()


def _strangers(unet: nn.Module, mounts: Sequence[tuple[Hypernetwork, float]]) -> Iterator[str]:
    keys = (getattr(module, "to_k", None) for module in unet.modules()) if mounts else ()
    read = {key.in_features for key in keys if isinstance(key, nn.Linear)}
    for hypernetwork, _ in mounts:
        if not read & hypernetwork.layers.keys():
            widths = ", ".join(map(str, sorted(hypernetwork.layers)))
            yield (
                f"Hypernetwork {hypernetwork.file.stem}: without effect, as it is for the widths "
                f"{widths}, and the checkpoint reads {', '.join(map(str, sorted(read)))}"
            )


def _projection_hook(
    hypernetworks: Sequence[tuple[Hypernetwork, float]], which: int
) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    def read(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        context = inputs[0]  # (B,tokens,width)
        for hypernetwork, strength in hypernetworks:
            pair = hypernetwork.layers.get(context.shape[-1])
            if pair is not None:
                context = context + pair[which](context) * strength
        return (context, *inputs[1:])

    return read


def _build_network(
    file: ModelFile, state: Mapping[str, Tensor], facts: Mapping[str, object]
) -> nn.Module:
    """Layers at the places that their names tell; activations stand behind the linear ones.

    What a file does not say is as in AUTOMATIC1111: no activation, the last layer's output is
    activated too. The widths of the layers (``layer_structure``) and which are norms are read from
    the weights; dropout is for training alone.
    """
    places = sorted({int(name.split(".")[1]) for name in state})
    activated = _activation(file, str(facts.get("activation_func") or "linear").lower())
    weights = {place: state[f"linear.{place}.weight"].float() for place in places}
    linear = [place for place in places if weights[place].dim() == 2]
    layers: list[nn.Module] = []
    for place, weight in weights.items():
        bias = state.get(f"linear.{place}.bias")
        if place in linear:
            layers.append(nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None))
        elif bias is None:  # learned slopes of the activation before it
            layers[-1] = nn.PReLU(weight.numel())
        else:
            layers.append(nn.LayerNorm(weight.shape[0]))
        own = {"weight": weight} if bias is None else {"weight": weight, "bias": bias.float()}
        layers[-1].load_state_dict(own)
        last = place == linear[-1] and not facts.get("activate_output", True)
        if place in linear and not last:
            layers.append(activated())
    return nn.Sequential(*layers).requires_grad_(False)


def _activation(file: ModelFile, name: str) -> Callable[[], nn.Module]:
    if name in ACTIVATIONS:
        return ACTIVATIONS[name]
    raise ModelUnreadable(
        f"{file.name}: the activation function {name[:40]!r} of this hypernetwork is not known. "
        f"Known: {', '.join(sorted(ACTIVATIONS))}"
    )
