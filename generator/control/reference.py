"""Reference-only control: conditions attention on a picture, without a ControlNet (contract 10.5).

The U-Net is shown the noisy reference first; what its self-attention read there is remembered,
and read beside what the picture being drawn offers (reference_only). AdaIN gives features the mean
and variance that the reference's had (Huang and Belongie 2017). The method is lllyasviel's
(ControlNet discussion 1236); the layers and their thresholds follow his.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

Fidelity = float  # 0: the negative prompt's rows follow the reference too; 1: they do not
EPS = 1e-6
MIN_FIDELITY = 1e-5


@dataclass(slots=True)
class _HookedLayer:
    """A hooked layer of the U-Net and the features recorded there from reference pictures."""

    module: nn.Module
    threshold: float  # a unit's weight up to which it is left alone
    references: list[tuple[Tensor, ...]] = field(default_factory=list)
    fidelities: list[Fidelity] = field(default_factory=list)

    @property
    def fidelity(self) -> Fidelity:
        return sum(self.fidelities) / len(self.fidelities)


class ReferenceHooks:
    """Hooks in a U-Net for one call of the sampler, taken away at the end of the block.

    ``write`` before each reference goes through the U-Net, ``read`` before the picture does.
    Without a ``write`` the U-Net stays as it is.
    """

    def __init__(self, unet: "UNet2DConditionModel") -> None:
        self._unet = unet
        self._attention: list[_HookedLayer] = []
        self._features: list[_HookedLayer] = []
        self._undo: list[Callable[[], None]] = []
        self._writing = True
        self._attention_weight: float | None = None  # None: this reference is not for attention
        self._feature_weight: float | None = None
        self._fidelity: Fidelity = 0.0
        self._negatives: list[int] = []

    def __enter__(self) -> "ReferenceHooks":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for undo in reversed(self._undo):
            undo()

    def write(self, module: str, weight: float, fidelity: Fidelity) -> None:
        """The next call shows a reference, for the preprocessor ``module``."""
        self._install()
        self._writing = True
        self._attention_weight = None if module == "reference_adain" else weight
        self._feature_weight = weight if "adain" in module else None
        self._fidelity = fidelity

    def read(self, negatives: Sequence[int]) -> None:
        """The next call draws; ``negatives`` are the rows of the negative prompt."""
        self._writing = False
        self._negatives = list(negatives)

    def _install(self) -> None:
        if self._undo:
            return
        self._attention = list(_attention_layers(self._unet))
        self._features = list(_feature_layers(self._unet))
        for place in self._attention:
            self._wrap(place)
        for place in self._features:
            handle = place.module.register_forward_hook(self._feature_hook(place))
            self._undo.append(handle.remove)

    def _wrap(self, place: _HookedLayer) -> None:
        """Let one self-attention read what it saw of references too."""
        module, before = place.module, place.module.forward
        own = "forward" in vars(module)

        def forward(hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            def attend(rows: Tensor, context: Tensor) -> Tensor:
                arguments = {**kwargs, "encoder_hidden_states": context}
                return before(rows, *args, **arguments)

            return self._attend(place, hidden_states, attend)

        def undo() -> None:
            if own:
                module.forward = before
            else:
                del module.forward

        module.forward = forward
        self._undo.append(undo)

    def _attend(
        self, place: _HookedLayer, hidden: Tensor, attend: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """(B,tokens,width) -> the same shape."""
        if self._writing:
            if self._attention_weight is not None and self._attention_weight > place.threshold:
                place.references.append((hidden.detach().clone(),))
                place.fidelities.append(self._fidelity)
            return attend(hidden, hidden)
        if not place.references:
            return attend(hidden, hidden)
        steered = attend(
            hidden, torch.cat([hidden, *(each for (each,) in place.references)], dim=1)
        )
        return self._blend_by_fidelity(
            place, steered, lambda rows: attend(hidden[rows], hidden[rows])
        )

    def _feature_hook(self, place: _HookedLayer) -> Callable[..., Any]:
        def hook(_: nn.Module, inputs: object, output: Any) -> Any:
            if isinstance(output, tuple):
                return (self._adapt(place, output[0]), *output[1:])
            return self._adapt(place, output)

        return hook

    def _adapt(self, place: _HookedLayer, features: Tensor) -> Tensor:
        """(B,C,h,w) with the means and variances seen."""
        variance, mean = torch.var_mean(features, dim=(2, 3), keepdim=True, correction=0)
        if self._writing:
            if self._feature_weight is not None and self._feature_weight > place.threshold:
                place.references.append((mean, variance))
                place.fidelities.append(self._fidelity)
            return features
        if not place.references:
            return features
        wanted_mean, wanted_variance = (
            torch.stack(each).mean(0) for each in zip(*place.references, strict=True)
        )
        scale = wanted_variance.clamp(min=EPS).sqrt() / variance.clamp(min=EPS).sqrt()
        steered = (features - mean) * scale + wanted_mean
        return self._blend_by_fidelity(place, steered, lambda rows: features[rows])

    def _blend_by_fidelity(
        self, place: _HookedLayer, steered: Tensor, plain: Callable[[list[int]], Tensor]
    ) -> Tensor:
        """``steered``, its negative rows drawn back towards what they are without a reference."""
        fidelity = place.fidelity
        if not self._negatives or fidelity <= MIN_FIDELITY:
            return steered
        mixed = steered.clone()
        mixed[self._negatives] = (
            fidelity * plain(self._negatives) + (1 - fidelity) * steered[self._negatives]
        )
        return mixed


def _attention_layers(unet: "UNet2DConditionModel") -> Iterator[_HookedLayer]:
    """Self-attentions, the widest first: a small weight reaches only those."""
    parts = (*unet.down_blocks, unet.mid_block, *unet.up_blocks)
    attention_blocks = [
        (block.norm1.normalized_shape[0], block.attn1)
        for part in parts
        for block in part.modules()
        if hasattr(block, "attn1") and hasattr(block, "norm1")
    ]
    attention_blocks.sort(key=lambda each: -each[0])
    for place, (_, attention) in enumerate(attention_blocks):
        yield _HookedLayer(attention, place / len(attention_blocks))


def _feature_layers(unet: "UNet2DConditionModel") -> Iterator[_HookedLayer]:
    """The blocks below the finest level, the middle first: a small weight reaches only that.

    A weight of 1 reaches the inner half; only one of 2 and more reaches all (case
    ``cn_reference_adain``).
    """
    yield _HookedLayer(unet.mid_block, 0.0)
    down = _layers(unet.down_blocks[1:])
    for place, module in enumerate(down):
        yield _HookedLayer(module, 2 * (1 - place / len(down)))
    up = _layers(unet.up_blocks[:-1])[:-1]
    for place, module in enumerate(up):
        yield _HookedLayer(module, 2 * place / len(up))


def _layers(blocks: Any) -> list[nn.Module]:
    return [
        _last_module_of_layer(block, place)
        for block in blocks
        for place in range(len(block.resnets))
    ]


def _last_module_of_layer(block: Any, place: int) -> nn.Module:
    """The last module of the ``place``-th layer, as LDM groups them."""
    upsamplers = getattr(block, "upsamplers", None)
    layers: Any = getattr(block, "attentions", None) or block.resnets
    if upsamplers is not None and place == len(block.resnets) - 1:
        layers, place = upsamplers, 0
    last_module: nn.Module = layers[place]
    return last_module
