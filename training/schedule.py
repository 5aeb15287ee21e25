"""Stages of a whole training in order, with their lengths.

Positions are samples over all runs, so a stage means the same on a slow machine and on a fast one.
Reckoned from the speeds seen, all of it takes some eight hours on two free CPU cores; any part
of it gives a usable file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch


@dataclass(frozen=True)
class TrainingStage:
    """One part of ``train`` with its settings; ``until`` samples of its state, begun at ``since``.

    A part without ``until`` knows by itself what is done already.
    """

    part: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    since: int = 0
    until: int = 0

    @property
    def state(self) -> str:
        """The name of the state that counts this part's samples."""
        return "painter" if self.part == "unet" else self.part


def _stage(part: str, since: int = 0, until: int = 0, **settings: Any) -> TrainingStage:
    return TrainingStage(part, MappingProxyType(settings), since, until)


STAGES = (
    _stage("vae", 0, 300_000, rate=3e-4),
    _stage("latents", pictures=30_000),
    _stage("unet", 0, 100_000, half=True, batch=16, rate=7e-4),
    _stage("latents", pictures=1_300, first=50_000_000, size=512),
    _stage("unet", 100_000, 1_200_000, sizes=2, batch=16, rate=6e-4),
    _stage("decoder", 0, 200_000, rate=2e-4),
    _stage("export"),
)


def samples_of(folder: Path, name: str) -> int:
    """The samples that a state in the folder has seen; 0 without one."""
    state = folder / f"{name}.pt"
    if not state.exists():
        return 0
    progress = torch.load(state, map_location="cpu", weights_only=True)["progress"]
    return int(progress["samples"])
