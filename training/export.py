"""Writes the trained networks as the shipped single file, and reads it back."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from generator import default_checkpoint
from generator.models.checkpoint import Checkpoint, load_checkpoint
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.weights import read_metadata, read_tensors
from training import layout, vae
from training.configs import PICTURE, TEXT, UNET, VAE, VOCABULARY
from training.diffusion import Painter, build
from training.networks import AutoencoderKL, CLIPTextConfig, CLIPTextModel

FILE = Path(default_checkpoint.__file__).with_name("easel-default.safetensors")
LIMIT = 25_000_000  # bytes


@dataclass(frozen=True)
class TrainedNetworks:
    """What training made: latents of ``autoencoder`` are white, see ``vae.whiten``."""

    painter: Painter
    autoencoder: AutoencoderKL


def write(trained: TrainedNetworks, path: Path, score: Mapping[str, object]) -> None:
    """Write the single file, fp16, atomically; ``score`` goes into its metadata."""
    tensors = {
        **layout.unet_tensors(trained.painter.unet, UNET["layers_per_block"]),
        **layout.vae_tensors(trained.autoencoder, len(VAE["block_out_channels"])),
        **layout.text_tensors(spread_out(trained.painter)),
    }
    halved = {name: _to_half(tensor) for name, tensor in tensors.items()}
    half = path.with_suffix(".half")
    save_file(halved, half, metadata=metadata(score, trained.painter))
    half.chmod(0o644)
    half.replace(path)


def metadata(score: Mapping[str, object], painter: Painter) -> dict[str, str]:
    """What tensor shapes cannot tell, and what the file is."""
    unet = {**UNET, "attention_head_dim": int(painter.heads)}
    return {
        "format": "pt",
        "easel.unet_config": json.dumps(unet),
        "easel.vae_config": json.dumps(dict(VAE)),
        "easel.text_config": json.dumps(dict(TEXT)),
        "easel.preferred_size": f"{PICTURE}x{PICTURE}",
        "easel.score": json.dumps(dict(score)),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.implementation": "sgm",
        "modelspec.title": "Easel default",
        "modelspec.description": "Draws simple scenes in named colours; trained on drawings only.",
        "modelspec.author": "Easel",
        "modelspec.license": "CC0-1.0",
        "modelspec.date": date.today().isoformat(),
        "modelspec.resolution": f"{PICTURE}x{PICTURE}",
        "modelspec.prediction_type": "epsilon",
    }


def _to_half(tensor: Tensor) -> Tensor:
    floats = tensor.is_floating_point()
    return (tensor.detach().half() if floats else tensor).contiguous()


def spread_out(painter: Painter) -> CLIPTextModel:
    """The text encoder with CLIP's whole vocabulary: rows of unknown tokens are zero."""
    text = CLIPTextModel(CLIPTextConfig(**TEXT))
    state = dict(painter.text.state_dict())
    name = next(key for key in state if key.endswith("token_embedding.weight"))
    table = torch.zeros(VOCABULARY, state[name].shape[1])  # (49408, width)
    table[painter.known] = state[name][1:].float()
    text.load_state_dict(state | {name: table})
    return text


def read_score(path: Path) -> dict[str, Any]:
    """The score in the file's metadata; empty where there is no file or no score."""
    score: dict[str, Any] = {}
    if path.exists():
        score = json.loads(read_metadata(path).get("easel.score", "{}"))
    return score


def as_model_file(path: Path) -> ModelFile:
    """The file as the registry would know it, without a registry."""
    status = path.stat()
    return ModelFile(
        kind=ModelKind.CHECKPOINT,
        name=path.name,
        path=path.resolve(),
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
        ctime_ns=status.st_ctime_ns,
        metadata=read_metadata(path),
    )


def read(path: Path) -> Checkpoint:
    """The file's networks, fp32 on the CPU, by the service's own loader."""
    return load_checkpoint(as_model_file(path), torch.device("cpu"), torch.float32)


@torch.no_grad()
def resume(path: Path, known: Sequence[int], heads: int | None = None) -> TrainedNetworks:
    """Networks to train on, from a shipped file. Words that it does not know start anew.

    The file's tensors must have the shapes of ``configs``; of its metadata only the number of
    heads is asked, where ``heads`` does not tell another.
    """
    tensors = read_tensors(path)
    unet_config = json.loads(read_metadata(path).get("easel.unet_config", "{}"))
    painter = build(
        known, heads or unet_config.get("attention_head_dim", UNET["attention_head_dim"])
    )
    autoencoder = AutoencoderKL(**VAE)
    named = {
        **layout.unet_tensors(painter.unet, UNET["layers_per_block"]),
        **layout.vae_tensors(autoencoder, len(VAE["block_out_channels"])),
        **layout.text_tensors(painter.text),
    }
    for name, tensor in named.items():
        if name.endswith("token_embedding.weight"):
            rows = tensors[name][torch.tensor(known)].to(tensor.dtype)  # (len(known), width)
            learned = rows.abs().sum(1, keepdim=True) > 0
            tensor[1:] = torch.where(learned, rows, tensor[1:])
        elif not name.endswith("position_ids"):
            tensor.copy_(tensors[name])  # state_dict's tensors share the networks' memory
    return TrainedNetworks(painter, autoencoder)


def whiten_copy(autoencoder: AutoencoderKL) -> AutoencoderKL:
    """A copy whose latents are white at the standard scaling factor."""
    final = copy.deepcopy(autoencoder).float()
    vae.whiten(final, vae.unseen_pictures(48))
    return final
