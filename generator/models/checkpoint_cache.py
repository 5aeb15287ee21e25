"""Checkpoints in one device's memory, each with its VAEs; least recently used are dropped."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from generator.models.checkpoint import Checkpoint, load_checkpoint, load_vae
from generator.models.index import ModelFile
from generator.pictures.latents import Approximation, fit_approximation

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


@dataclass(slots=True, eq=False)
class LoadedCheckpoint:
    """One loaded checkpoint with its VAE and the preview approximations fitted to it."""

    checkpoint: Checkpoint
    vae_file: ModelFile | None = None
    vae: "AutoencoderKL | None" = None
    approximations: dict[str, Approximation] = field(default_factory=dict)


class CheckpointCache:
    """The weights of one device. ``limit`` checkpoints stay; the one unused longest leaves.

    A file that was replaced since it was loaded is loaded again at its next use, and so is one
    whose ``.yaml`` was: both are compared by path, size and time. Not for several threads.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, limit: int = 1) -> None:
        self.device = device
        self.dtype = dtype
        self._limit = limit
        self._loaded: list[LoadedCheckpoint] = []  # last used last

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """The checkpoints in memory."""
        return tuple(held.checkpoint.file for held in self._loaded)

    def is_loaded(self, file: ModelFile) -> bool:
        """Whether :meth:`load` would answer at once."""
        return any(held.checkpoint.file.state == file.state for held in self._loaded)

    def load(self, file: ModelFile) -> LoadedCheckpoint:
        """``file``'s networks, loaded if need be. Raises as :func:`load_checkpoint` does."""
        if self.is_loaded(file):
            self._loaded.sort(key=lambda held: held.checkpoint.file.state == file.state)
            return self._loaded[-1]
        self._make_room(file)  # no name here may hold on to what leaves
        self._loaded.append(LoadedCheckpoint(load_checkpoint(file, self.device, self.dtype)))
        return self._loaded[-1]

    def vae_for(self, loaded: LoadedCheckpoint, file: ModelFile | None) -> "AutoencoderKL":
        """The VAE to decode with: ``file``'s, or the checkpoint's own for None."""
        if file is None:
            return loaded.checkpoint.vae
        if loaded.vae is None or loaded.vae_file is None or (loaded.vae_file.state != file.state):
            loaded.vae = load_vae(file, self.device, self.dtype)
            loaded.vae_file = file
            loaded.approximations.pop(file.name, None)
        return loaded.vae

    def approximation_for(self, loaded: LoadedCheckpoint, file: ModelFile | None) -> Approximation:
        """The cheap preview of :meth:`vae_for`, fitted at its first use."""
        name = file.name if file else ""
        if name not in loaded.approximations:
            loaded.approximations[name] = fit_approximation(self.vae_for(loaded, file))
        return loaded.approximations[name]

    def clear(self) -> None:
        """Forget all weights and give the device's memory back."""
        self._loaded.clear()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _make_room(self, file: ModelFile) -> None:
        # Before loading, not after: two checkpoints may not fit side by side.
        stale = [held for held in self._loaded if held.checkpoint.file.path == file.path]
        for held in stale:
            self._loaded.remove(held)
        del self._loaded[: max(0, len(self._loaded) - self._limit + 1)]
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
