"""CompVis' safety checker, where its folder lies in ``models/safety_checker/``.

A CLIP vision tower whose embedding is compared with 17 + 3 embeddings of concepts, each with a
threshold of its own (Rando et al. 2022, "Red-Teaming the Stable Diffusion Safety Filter"). The
arithmetic is diffusers'. Computed on the CPU in float32, 1.2 GB: a worker does not know how much of
the device's memory is left.
"""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image

from generator.models import torchvision_ops
from generator.reasons import reason_of
from plugins.nsfw_censor.names import COMPVIS, INSTALL_HINTS

torchvision_ops.prepare()  # before transformers, which imports torchvision
from diffusers.pipelines.stable_diffusion.safety_checker import (  # noqa: E402
    StableDiffusionSafetyChecker,
)
from transformers import CLIPImageProcessor  # noqa: E402

MAX_WINDOWS = 16
"""Pictures that are longer still are widened first: each takes a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Checker:
    """The network, and what makes its input of pictures."""

    network: Any
    processor: Any


def load_checker(folder: Path) -> Checker:
    """Read a folder of transformers. Raises ``ValueError`` telling what is missing or wrong."""
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"The detector {COMPVIS} is chosen and not there: {INSTALL_HINTS[COMPVIS]}."
        )
    try:
        network = StableDiffusionSafetyChecker.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(f"The detector {COMPVIS} cannot be read: {reason_of(error)}") from error
    # It warns of every find, in words that are for a pipeline's user; the censor tells it itself.
    logging.getLogger(StableDiffusionSafetyChecker.__module__).setLevel(logging.ERROR)
    side = network.config.vision_config.image_size
    crop = {"height": side, "width": side}
    processor = CLIPImageProcessor(size={"shortest_edge": side}, crop_size=crop)
    return Checker(network.eval(), processor)


@torch.inference_mode()
def is_flagged(checker: Checker, picture: Image) -> bool:
    """Whether it flags any part of the picture."""
    parts = square_windows(picture.convert("RGB"))
    rows = checker.processor(parts, return_tensors="pt")["pixel_values"]  # (n, 3, side, side)
    blank = np.zeros((len(parts), 1, 1, 3), dtype=np.float32)  # it would blacken these
    _, flags = checker.network(images=blank, clip_input=rows)
    return any(flags)


def square_windows(picture: Image) -> list[Image]:
    """Squares that cover a picture along its longer side; one for a square picture.

    CLIP's own preparation looks at the middle square alone, and would miss the sides.
    """
    short, long = sorted(picture.size)
    if long > short * MAX_WINDOWS:
        short = math.ceil(long / MAX_WINDOWS)
        picture = picture.resize((max(picture.width, short), max(picture.height, short)))
    count = math.ceil(long / short)
    starts = [round(place * (long - short) / max(count - 1, 1)) for place in range(count)]
    if picture.width > picture.height:
        return [picture.crop((start, 0, start + short, short)) for start in starts]
    return [picture.crop((0, start, short, start + short)) for start in starts]
