"""A store of encoded drawings, so that the U-Net's training does not wait for the encoder."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from generator.default_checkpoint import vae
from generator.default_checkpoint.drawing import draw
from generator.default_checkpoint.networks import AutoencoderKL

BLOCK = 128  # pictures a file
BATCH = 16


@dataclass(frozen=True)
class Store:
    """Latents (N, 4, s, s) float16 of unit deviation, and what each picture is called."""

    latents: np.ndarray
    captions: tuple[str, ...]


def fill(model: AutoencoderKL, size: int, first: int, last: int, folder: Path) -> None:
    """Encode the drawings of seeds ``first`` to ``last`` at ``size`` pixels, a file a block.

    A block that lies there already is not drawn again, so this can be stopped and gone on with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replica = model.to(torch.bfloat16).to(memory_format=torch.channels_last)
    for start in range(first, last, BLOCK):
        target = folder / f"{start:09d}.npz"
        if not target.exists():
            _write(target, *_encoded(replica, size, range(start, min(start + BLOCK, last))))


def load(folder: Path) -> Store:
    """Everything that was filled so far."""
    whole = (path for path in sorted(folder.glob("*.npz")) if ".half" not in path.name)
    blocks = [np.load(path) for path in whole]
    captions = [text for block in blocks for text in json.loads(str(block["captions"]))]
    return Store(np.concatenate([block["latents"] for block in blocks]), tuple(captions))


def pooled(store: Store) -> Store:
    """The store at half the side: means of 2 x 2 latents, close to the half-sized picture's."""
    count, channels, side, _ = store.latents.shape
    parts = store.latents.reshape(count, channels, side // 2, 2, side // 2, 2)
    return Store(parts.astype(np.float32).mean((3, 5)).astype(np.float16), store.captions)


def _encoded(model: AutoencoderKL, size: int, seeds: range) -> tuple[np.ndarray, tuple[str, ...]]:
    latents, captions = [], []
    for start in range(seeds.start, seeds.stop, BATCH):
        pictures = [draw(seed) for seed in range(start, min(start + BATCH, seeds.stop))]
        resized = [np.asarray(_resized(picture.image, size)) for picture in pictures]
        batch = vae.to_tensor(resized).to(torch.bfloat16)  # (B, 3, size, size)
        batch = batch.contiguous(memory_format=torch.channels_last)
        latents.append(vae.encode(model, batch).float().numpy().astype(np.float16))
        captions += [picture.caption for picture in pictures]
    return np.concatenate(latents), tuple(captions)


def _resized(image: Image.Image, size: int) -> Image.Image:
    return image if image.width == size else image.resize((size, size), Image.Resampling.BOX)


def _write(target: Path, latents: np.ndarray, captions: tuple[str, ...]) -> None:
    half = target.with_suffix(".half.npz")
    np.savez(half, latents=latents, captions=np.array(json.dumps(captions)))
    half.replace(target)
