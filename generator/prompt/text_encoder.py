"""Runs one CLIP text encoder on the tokens of chunks (contract sections 2.9, 2.10 and 2.11)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from generator.models.families.family import END, ClipSkip, TextEncoderSpec

if TYPE_CHECKING:  # its import needs generator.models.torchvision_ops first
    from transformers import CLIPTextModel, CLIPTextModelWithProjection


@dataclass(frozen=True, slots=True, eq=False)
class TextEncoder:
    """A text encoder on its device, and which of its states is read."""

    model: "CLIPTextModel | CLIPTextModelWithProjection"
    spec: TextEncoderSpec

    @property
    def width(self) -> int:
        """Numbers of a token's vector."""
        return int(self.model.config.hidden_size)


@dataclass(frozen=True, slots=True)
class EncodedTokens:
    """What a text encoder says of ``n`` chunks."""

    hidden: Tensor  # (n, 77, width)
    pooled: Tensor | None  # (n, projected width); None for an encoder that does not pool


def encode_tokens(
    encoder: TextEncoder, tokens: Tensor, clip_skip: int, *, sdxl_clip_l_skip: bool = False
) -> EncodedTokens:
    """Encode ``tokens`` (n, 77), padded with END. ``clip_skip`` 1 is no skip, as in the option."""
    spec = encoder.spec
    tokens = _pad(tokens, spec.padding)
    text = encoder.model.text_model if spec.pooled else encoder.model
    skipped = _skipped_layers(spec, clip_skip, sdxl_clip_l_skip)
    skipped = min(skipped, text.config.num_hidden_layers - 1)
    if not skipped and spec.final_norm and not spec.pooled:
        return EncodedTokens(text(input_ids=tokens).last_hidden_state, None)
    output = text(input_ids=tokens, output_hidden_states=True)
    hidden = output.hidden_states[-1 - skipped]
    if spec.final_norm:
        hidden = text.final_layer_norm(hidden)
    if not spec.pooled:
        return EncodedTokens(hidden, None)
    ends = (tokens == END).int().argmax(dim=1)  # the first END of each chunk
    last = output.last_hidden_state[torch.arange(len(tokens), device=tokens.device), ends]
    return EncodedTokens(hidden, encoder.model.text_projection(last))


def _skipped_layers(spec: TextEncoderSpec, clip_skip: int, sdxl_clip_l_skip: bool) -> int:
    if spec.clip_skip is ClipSkip.ALWAYS:
        return max(clip_skip - 1, spec.skipped_layers)
    if spec.clip_skip is ClipSkip.BY_OPTION and sdxl_clip_l_skip:
        return clip_skip - 1
    return spec.skipped_layers


def _pad(tokens: Tensor, padding: int) -> Tensor:
    """``padding`` behind the first END of each row."""
    if padding == END:
        return tokens
    ended = (tokens == END).cumsum(dim=1)
    return torch.where((ended > 1) | ((ended == 1) & (tokens != END)), padding, tokens)
