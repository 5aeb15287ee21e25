"""Checkpoints and VAEs of one device, loaded when they are asked for and kept as memory allows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import torch

from generator.models.checkpoint import Checkpoint, load_checkpoint, load_vae
from generator.models.families.family import Family
from generator.models.families.ldm.sizes import latent_config
from generator.models.index import ModelFile
from generator.models.machine_memory import trim_heap
from generator.models.offload import Offloader
from generator.models.residency import Residency, ResidentKind, ram_headroom_of
from generator.models.weight_sizes import bytes_of, expected_bytes
from generator.pictures.latents import Approximation, fit_approximation

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

CHECKPOINT, VAE = ResidentKind.CHECKPOINT, ResidentKind.VAE


@dataclass(slots=True, eq=False)
class LoadedCheckpoint:
    """One loaded checkpoint with the preview approximations fitted to it."""

    checkpoint: Checkpoint
    approximations: dict[object, Approximation] = field(default_factory=dict)  # by VAE


class CheckpointCache:
    """The checkpoints of one device; what stays in memory is :class:`Residency`'s to decide.

    A file that was replaced since it was loaded is loaded again at its next use, and so is one
    whose ``.yaml`` was: both are compared by path, size and time. Not for several threads.
    """

    def __init__(
        self,
        device: torch.device,
        dtype: torch.dtype,
        residency: Residency | None = None,
        offloader: Offloader | None = None,
        families: Callable[[], Sequence[Family]] = tuple,
    ) -> None:
        """``offloader``: what brings parts of networks to the device, which else rest in RAM.

        ``families`` gives those of plugins.
        """
        self._families = families
        self.device = device
        self._offloader = offloader
        self._home = torch.device("cpu") if offloader else device  # where weights are loaded to
        self.dtype = dtype
        self._residency = residency or Residency(ram_headroom_of())

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """The checkpoints in memory, the last used first."""
        return self._residency.files(CHECKPOINT)

    def is_loaded(self, file: ModelFile) -> bool:
        """Whether :meth:`load` would answer without reading the disk."""
        return self._residency.peek(CHECKPOINT, file) is not None

    def load(self, file: ModelFile) -> LoadedCheckpoint:
        """``file``'s networks, loaded if need be; from now on no other checkpoint is in use.

        Raises as :func:`load_checkpoint` does.
        """
        self._residency.release(CHECKPOINT, VAE, ResidentKind.LORA)
        if self._offloader:
            self._offloader.rest()  # before weights are changed: nothing of them is elsewhere
        found = self._residency.find(CHECKPOINT, file)
        if found is None:
            # Before loading, not after: two checkpoints may not fit side by side.
            self._residency.make_room(
                CHECKPOINT, file, expected_bytes(file, self.dtype, self._home)
            )
            found = LoadedCheckpoint(
                load_checkpoint(file, self._home, self.dtype, self._families())
            )
            self._keep(CHECKPOINT, file, found)
            trim_heap()  # what reading and converting took, before a picture's tensors lie above it
        return cast(LoadedCheckpoint, found)

    def vae_for(self, loaded: LoadedCheckpoint, file: ModelFile | None) -> "AutoencoderKL":
        """The VAE to decode with: ``file``'s, or the checkpoint's own for None."""
        if file is None:
            return loaded.checkpoint.vae
        vae = cast("AutoencoderKL | None", self._residency.find(VAE, file))
        latent = loaded.checkpoint.latent
        if vae is None:
            self._residency.make_room(VAE, file, expected_bytes(file, self.dtype, self._home))
            vae = load_vae(file, self._home, self.dtype, latent)
            self._keep(VAE, file, vae)
        # One file may serve two families; how latents are scaled is the checkpoint's.
        own = loaded.checkpoint.own_vae
        scale = own.config.scaling_factor if own else latent.scale
        vae.register_to_config(**latent_config(replace(latent, scale=scale)))
        return vae

    def _keep(self, kind: ResidentKind, file: ModelFile, value: object) -> None:
        self._residency.add(kind, file, value, bytes_of(value))
        if self._offloader:
            self._offloader.manage(value)

    def approximation_for(self, loaded: LoadedCheckpoint, file: ModelFile | None) -> Approximation:
        """The cheap preview of :meth:`vae_for`, fitted at its first use."""
        key = file.state if file else None
        if key not in loaded.approximations:
            loaded.approximations[key] = fit_approximation(self.vae_for(loaded, file))
        return loaded.approximations[key]
