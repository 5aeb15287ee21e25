"""Store of encoded drawings (latents), made ahead of the U-Net's training."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training import vae
from training.hogwild import run_in_processes
from training.networks import AutoencoderKL
from training.painter import draw

BLOCK = 128  # pictures a file
BATCH = 16


@dataclass(frozen=True)
class Store:
    """Latents (N, 4, s, s) float16 of unit deviation, and what each picture is called."""

    latents: np.ndarray
    captions: tuple[str, ...]


@dataclass(frozen=True)
class SeedRange:
    """The drawings of seeds ``first`` to ``last``, ``size`` pixels a side."""

    size: int
    first: int
    last: int


def fill(model: AutoencoderKL, span: SeedRange, folder: Path, workers: int = 1) -> None:
    """Encode the span's drawings, a file a block, in ``workers`` processes of one thread.

    A block that lies there already is not drawn again, so this can be stopped and gone on with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replica = model.to(torch.bfloat16).to(memory_format=torch.channels_last)
    starts = [
        start
        for start in range(span.first, span.last, BLOCK)
        if not (folder / f"{start:09d}.npz").exists()
    ]
    run_in_processes(_fill, [(replica, span, starts[k::workers], folder) for k in range(workers)])


def _fill(model: AutoencoderKL, span: SeedRange, starts: list[int], folder: Path) -> None:
    torch.set_num_threads(1)
    for start in starts:
        seeds = range(start, min(start + BLOCK, span.last))
        _write(folder / f"{start:09d}.npz", *_encode_block(model, span.size, seeds))


def load(folder: Path) -> Store:
    """Everything that was filled so far."""
    paths = (path for path in sorted(folder.glob("*.npz")) if ".half" not in path.name)
    blocks = [np.load(path) for path in paths]
    captions = [text for block in blocks for text in json.loads(str(block["captions"]))]
    return Store(np.concatenate([block["latents"] for block in blocks]), tuple(captions))


def halve_store(store: Store) -> Store:
    """The store at half the side: means of 2 x 2 latents, close to the half-sized picture's."""
    count, channels, side, _ = store.latents.shape
    parts = store.latents.reshape(count, channels, side // 2, 2, side // 2, 2)
    return Store(parts.astype(np.float32).mean((3, 5)).astype(np.float16), store.captions)


def _encode_block(
    model: AutoencoderKL, size: int, seeds: range
) -> tuple[np.ndarray, tuple[str, ...]]:
    latents, captions = [], []
    for start in range(seeds.start, seeds.stop, BATCH):
        pictures = [draw(seed, size) for seed in range(start, min(start + BATCH, seeds.stop))]
        images = [np.asarray(picture.image) for picture in pictures]
        batch = vae.to_tensor(images).to(torch.bfloat16)  # (B, 3, size, size)
        batch = batch.contiguous(memory_format=torch.channels_last)
        latents.append(vae.encode(model, batch).float().numpy().astype(np.float16))
        captions += [picture.caption for picture in pictures]
    return np.concatenate(latents), tuple(captions)


def _write(target: Path, latents: np.ndarray, captions: tuple[str, ...]) -> None:
    half = target.with_suffix(".half.npz")
    np.savez(half, latents=latents, captions=np.array(json.dumps(captions)))
    half.replace(target)
