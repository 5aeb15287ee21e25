"""Training pictures of a subject, encoded for training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generator.control.annotators import Dials, annotate
from generator.control.map_resize import resize_map
from generator.control.modules import find_module
from generator.models.checkpoint import Checkpoint
from generator.prompt.tokenizer import Tokenizer
from training import vae
from training.companions.subjects import CaptionedImage, Subject
from training.configs import LATENT_SCALE
from training.sampling import token_rows

CANNY = (100, 200)  # the thresholds that users find set
RESOLUTIONS = (256, 512)  # at which edges are sought; 512 is what users find set


@dataclass(frozen=True)
class Material:
    """``latents`` (N, 4, 32, 32), ``contexts`` (N + 1, 77, width), the last of no words, and maps
    of edges (N, 256, 256) of 0 and 255 where they are asked for."""

    latents: Tensor
    contexts: Tensor
    edges: np.ndarray | None = None


@torch.no_grad()
def gather(
    checkpoint: Checkpoint, tokenizer: Tokenizer, subject: Subject, count: int, *, edges: bool
) -> Material:
    """``count`` pictures of the subject, encoded by the checkpoint."""
    shown = [subject(number) for number in range(count)]
    latents = [_encode(checkpoint, shown[start : start + 16]) for start in range(0, count, 16)]
    rows = token_rows([*(each.caption for each in shown), ""], tokenizer)  # (N + 1, 77)
    contexts = [
        checkpoint.text_encoders[0].model(input_ids=part).last_hidden_state
        for part in rows.split(64)
    ]
    maps = np.stack([map_of(each.image, RESOLUTIONS[k % 2]) for k, each in enumerate(shown)])
    return Material(torch.cat(latents), torch.cat(contexts), maps if edges else None)


def _encode(checkpoint: Checkpoint, shown: Sequence[CaptionedImage]) -> Tensor:
    pictures = vae.to_tensor([np.asarray(each.image) for each in shown])  # (B, 3, 256, 256)
    return checkpoint.vae.encode(pictures).latent_dist.mean * LATENT_SCALE


def map_of(image: Image.Image, resolution: int) -> np.ndarray:
    """The edges (H, W) of a picture as the service finds them, at the picture's size."""
    dials = Dials(resolution, *CANNY)
    canny = find_module("canny")
    assert canny is not None  # one of the service's own
    found = annotate(canny, np.asarray(image.convert("RGB")), dials)
    return np.ascontiguousarray(resize_map(found, image.size)[..., 0])
