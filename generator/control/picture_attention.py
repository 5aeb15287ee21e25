"""Lets a U-Net's cross-attentions read the tokens of pictures beside the text.

Decoupled cross-attention: each layer's query attends to the text and to the picture's tokens, by
keys and values of the IP-Adapter's own, and both answers are added (Ye et al. 2023,
arXiv:2308.06721). Hooks on the layer's query and before its output leave the way of attending to
text, and changes of others to it, alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from generator.control.image_prompts import ImagePrompt
from generator.control.ip_adapters import ImageAttention, cross_attentions
from generator.control.prepared_unit import PreparedUnit
from generator.control.weights import transformer_weights
from generator.sampling.predictor import GuidanceSide, Rows

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import Attention


@contextmanager
def attend_to_pictures(
    unet: "UNet2DConditionModel",
    units: Sequence[PreparedUnit],
    rows: Rows,
    latent_size: tuple[int, int],
) -> Iterator[None]:
    """Until the block ends, ``unet`` reads the image prompts of ``units``, too; they add up.

    ``latent_size`` is (height, width) of what it is called with, row by row as ``rows`` tell.
    Raises :class:`generator.errors.BadRequest` for weights that are not as many as transformers.
    """
    prompted = [(ready, ready.image_prompt) for ready in units if ready.image_prompt]
    with ExitStack() as stack:
        if prompted:
            sides = [int(side is not GuidanceSide.POSITIVE) for side in rows.sides]
            layers = cross_attentions(unet)
            count = 1 + max((transformer for transformer, _ in layers), default=-1)
            weights = [transformer_weights(ready.unit, count) for ready, _ in prompted]
            for place, (transformer, layer) in enumerate(layers):
                pictures = [
                    _Picture(prompt, place, weight[transformer], ready.region)
                    for (ready, prompt), weight in zip(prompted, weights, strict=True)
                    if weight[transformer]
                ]
                hook = _AttentionHook(layer, pictures, sides, latent_size)
                stack.callback(layer.to_q.register_forward_hook(hook.keep_query).remove)
                stack.callback(layer.to_out[0].register_forward_pre_hook(hook.add).remove)
        yield


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """One image prompt for one cross-attention."""

    prompt: ImagePrompt
    place: int  # of the layer in the IP-Adapter
    weight: float
    region: Tensor | None  # (1,1,H,W) in 0..1, where it acts

    def keys_and_values(self) -> tuple[Tensor, Tensor]:
        """Of the picture and of none, each (2,tokens,width)."""
        layer = self.prompt.adapter.layers[self.place]
        assert isinstance(layer, ImageAttention)
        return layer.to_k(self.prompt.tokens), layer.to_v(self.prompt.tokens)


@dataclass(slots=True, eq=False)
class _AttentionHook:
    """Adds what one cross-attention reads of pictures to what it reads of the text."""

    layer: "Attention"
    pictures: Sequence[_Picture]
    sides: Sequence[int]  # of each row: 0 sees the pictures, 1 sees none
    latent_size: tuple[int, int]
    query: Tensor | None = field(default=None)  # (B,positions,width)

    def keep_query(self, _: nn.Module, __: object, query: Tensor) -> None:
        """Remember the layer's query."""
        self.query = query

    def add(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The answer to the text (B,positions,width), with that to the pictures."""
        (answer,) = inputs
        query, self.query = self.query, None
        assert query is not None
        for picture in self.pictures:
            answer = answer + self._attend(query, picture) * picture.weight
        return (answer,)

    def _attend(self, query: Tensor, picture: _Picture) -> Tensor:
        rows, positions, width = query.shape
        keys, values = (each[list(self.sides)].to(query) for each in picture.keys_and_values())
        heads = self.layer.heads
        q, k, v = (
            each.view(rows, -1, heads, width // heads).transpose(1, 2)
            for each in (query, keys, values)
        )
        read = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        read = read.reshape(rows, positions, width)
        return read if picture.region is None else read * self._mask(picture.region, read)

    def _mask(self, region: Tensor, read: Tensor) -> Tensor:
        """The region at the layer's positions, (1,positions,1)."""
        size = grid_of(read.shape[1], self.latent_size)
        mask = functional.interpolate(region.to(read), size, mode="bilinear")
        return mask.reshape(1, -1, 1)


def grid_of(positions: int, latent_size: tuple[int, int]) -> tuple[int, int]:
    """The height and width of a level of the U-Net that has so many positions.

    Each level has half of the sides of the one before it, rounded up.
    """
    height, width = latent_size
    while height * width > positions and (height, width) != (1, 1):
        height, width = -(-height // 2), -(-width // 2)
    if height * width != positions:
        raise ValueError(f"no level of a latent of {latent_size} has {positions} positions")
    return height, width
