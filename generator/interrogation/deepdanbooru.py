"""DeepDanbooru for torch, as AUTOMATIC1111 keeps it: ``model-resnet_custom_v3.pt``.

A residual network (He et al., 2016) whose normalisations were folded into its convolutions; they
are numbered ``n_Conv_0`` and on. What each is follows from the shapes of those around it.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from generator.interrogation.describe import Describer
from generator.interrogation.requests import InterrogationRequest
from generator.interrogation.tags import tags_to_prompt
from generator.models.layers import Weights, convolve, count_blocks, explain_misfit, to_weights
from generator.models.weights import read_with_facts
from generator.pictures.resize import FILL, resize_image

SIDE = 512  # pixels
TAGS = "tags"  # the key of their names, beside the weights
NEEDED = "n_Conv_0.weight"


def load_deepdanbooru(file: Path, device: torch.device) -> Describer:
    """The tagger of ``file``. Raises ValueError where the names of its tags are not in it."""
    tensors, facts = read_with_facts(file)
    weights = to_weights(tensors, device, NEEDED, file.name)
    tags = facts.get(TAGS)
    if not isinstance(tags, list) or len(tags) != len(
        weights[f"{name_of(last_of(weights))}.weight"]
    ):
        raise ValueError(
            f"it has no list {TAGS!r} of as many names as its network scores: take "
            "model-resnet_custom_v3.pt as AUTOMATIC1111 publishes it"
        )

    network = nn.ParameterList(nn.Parameter(each, False) for each in weights.values())
    weights = dict(zip(weights, network, strict=True))  # move with the network

    def describe(picture: Image.Image, question: InterrogationRequest) -> str:
        square = np.asarray(resize_image(picture, (SIDE, SIDE), FILL).convert("RGB"))
        pixels = torch.from_numpy(square.copy()).permute(2, 0, 1)[None].to(device)
        with explain_misfit(file.name):
            scores = score_tags(weights, pixels.float() / 255)
        return tags_to_prompt(dict(zip(tags, scores.tolist(), strict=True)), question.tags)

    return Describer(describe, network)


@torch.no_grad()
def score_tags(weights: Weights, pixels: Tensor) -> Tensor:
    """How sure each tag is, 0..1, of a picture (1,3,512,512) in 0..1."""
    seen = F.relu(convolve(weights, name_of(0), F.pad(pixels, (2, 3, 2, 3)), 2, padding=0))
    seen = F.max_pool2d(F.pad(seen, (0, 1, 0, 1), value=float("-inf")), 3, 2)
    number, last = 1, last_of(weights)
    while number < last:
        seen, number = _run_block(weights, seen, number, last)
    return convolve(weights, name_of(last), seen)[0].mean((1, 2)).sigmoid()


def name_of(number: int) -> str:
    """The name of a convolution's weights."""
    return f"n_Conv_{number}"


def last_of(weights: Weights) -> int:
    """The number of the convolution that scores the tags."""
    return count_blocks(weights, "n_Conv_", ".weight") - 1


def _run_block(weights: Weights, seen: Tensor, number: int, last: int) -> tuple[Tensor, int]:
    """Three convolutions beside a shortcut; what comes of them, and the next one's number.

    A shortcut with a convolution halves the sides, but for the first. Its number is before the
    three's, or, where it keeps the channels, behind them.
    """
    main = number if _is_wide(weights, number + 1) else number + 1
    shortcut = number if main > number else main + 3
    if shortcut > number and not _is_shortcut(weights, shortcut, last):
        shortcut = -1
    stride = 2 if shortcut > 1 else 1
    inner = F.relu(convolve(weights, name_of(main), seen))
    inner = F.pad(inner, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
    inner = F.relu(convolve(weights, name_of(main + 1), inner, stride, padding=0))
    inner = convolve(weights, name_of(main + 2), inner)
    if shortcut >= 0:
        seen = convolve(weights, name_of(shortcut), seen, stride)
    return F.relu(inner + seen), max(main + 2, shortcut) + 1


def _is_wide(weights: Weights, number: int) -> bool:
    return weights[f"{name_of(number)}.weight"].shape[-1] == 3


def _is_shortcut(weights: Weights, number: int, last: int) -> bool:
    """Whether the convolution behind a block's three is that block's shortcut."""
    if number >= last or _is_wide(weights, number + 1):
        return False
    made, taken = weights[f"{name_of(number)}.weight"].shape[:2]
    return made == taken
