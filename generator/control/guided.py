"""Applies ControlNet units to each call of the U-Net in a pass (contract section 10.5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from generator.control.corrections import corrected
from generator.control.ready import ReadyUnit
from generator.control.reference import Fidelity, Mirror
from generator.control.units import CONTROL_FIRST, PROMPT_FIRST
from generator.control.weights import is_active, scales, takes_part
from generator.models.checkpoint import Checkpoint
from generator.pictures.latents import FACTOR, encode
from generator.request import ControlUnit
from generator.sampling.network import Rows, Side

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """The pass that the units steer."""

    vae: "Callable[[], AutoencoderKL]"
    alphas_cumprod: Tensor  # (1000,)
    calls_a_step: int = 1
    order: int = 1  # planned calls a step, which DPM fast and adaptive do not keep to
    large: bool = False  # the second pass of hires fix
    passes: int = 1  # of the job
    random: Sequence[torch.Generator] = ()  # one a picture of the batch


class Steering:
    """The units of one job in one pass.

    What is drawn at random (the noise of reference pictures, the draw from their latents) comes
    in the order of the units from each picture's own generator in ``pass_context.random``, seeded with
    its seed, so that it does not depend on what else is in the batch (contract section 3.8).
    """

    def __init__(self, units: Sequence[ReadyUnit], around: Around) -> None:
        large, passes = around.large, around.passes
        self._units = [each for each in units if takes_part(each.unit, large, passes)]
        self._around = around
        self._latents: dict[int, Tensor] = {}  # (B,4,h,w) by unit, for those that need one

    def predict(
        self, checkpoint: Checkpoint, x: Tensor, t: Tensor, context: Tensor, rows: Rows
    ) -> Tensor:
        """The U-Net's answer with the units around it, (B,4,h,w) in float32.

        ``x`` (B,C,h,w), ``t`` (B,), ``context`` (B,L,width). Raises
        :class:`generator.errors.WrongArchitecture` for a ControlNet that does not fit.
        """
        unet = checkpoint.unet
        self._must_fit(checkpoint)
        size = (x.shape[-1] * FACTOR, x.shape[-2] * FACTOR)
        self._encode_pictures(size)
        active = [ready for ready in self._units if self._is_active(ready.unit, rows)]
        added = self._residuals(active, x[:, :4], t, context, rows)
        with Mirror(unet) as mirror:
            self._look(mirror, active, x, t, context, rows, unet)
            found: Tensor = unet(
                x.to(unet.dtype), t, context.to(unet.dtype), **_arguments(added, unet.dtype)
            ).sample
        return self._corrected(active, x[:, :4], t, found.float(), rows, checkpoint.prediction)

    def _is_active(self, unit: ControlUnit, rows: Rows) -> bool:
        steps = rows.calls / self._around.order
        return is_active(unit, rows.call, self._around.calls_a_step, steps)

    def _must_fit(self, checkpoint: Checkpoint) -> None:
        for ready in self._units:
            if ready.control is not None:
                ready.control.must_fit(checkpoint.unet, checkpoint.file.name)

    def _encode_pictures(self, size: tuple[int, int]) -> None:
        for number, ready in enumerate(self._units):
            if ready.needs_latent and number not in self._latents:
                draws = self._around.random
                pictures = [ready.picture(size)] * len(draws)
                self._latents[number] = encode(self._around.vae(), pictures, draws)

    def _latent(self, ready: ReadyUnit, rows: Rows) -> Tensor:
        """The unit's picture for each row, (n,4,h,w)."""
        return self._latents[self._units.index(ready)][list(rows.owners)]

    def _noise(self, like: Tensor, rows: Rows) -> Tensor:
        """Fresh noise for each row, picture by picture."""
        noise = torch.empty(like.shape)
        for picture, draw in enumerate(self._around.random):
            own = [row for row, owner in enumerate(rows.owners) if owner == picture]
            noise[own] = torch.randn((len(own), *like.shape[1:]), generator=draw)
        return noise.to(like.device)

    def _residuals(
        self, units: Sequence[ReadyUnit], x: Tensor, t: Tensor, context: Tensor, rows: Rows
    ) -> list[Tensor]:
        """The sum of what all ControlNets add, skips first; nothing where there is none."""
        total: list[Tensor] = []
        for ready in units:
            if ready.control is None:
                continue
            hint = ready.hint((x.shape[-1] * FACTOR, x.shape[-2] * FACTOR)).to(x.device)
            found = ready.control.residuals(x, t, context, hint)
            weighed = self._weighed(ready, found, rows)
            total = [a + b for a, b in zip(total, weighed, strict=True)] if total else weighed
        return total

    def _weighed(self, ready: ReadyUnit, found: Sequence[Tensor], rows: Rows) -> list[Tensor]:
        assert ready.control is not None
        weights = scales(ready.unit, len(found), self._around.large)
        if ready.control.pools:
            found = [each.mean((2, 3), keepdim=True) for each in found]
        weighed = [each * weight for each, weight in zip(found, weights, strict=True)]
        if ready.control.pools or ready.unit.control_mode == CONTROL_FIRST:
            sides = _positive(rows).to(weighed[0])[:, None, None, None]
            weighed = [each * sides for each in weighed]
        region = ready.region
        if region is not None:
            weighed = [
                each * functional.interpolate(region.to(each), each.shape[-2:], mode="bilinear")
                for each in weighed
            ]
        return weighed

    def _look(
        self,
        mirror: Mirror,
        units: Sequence[ReadyUnit],
        x: Tensor,
        t: Tensor,
        context: Tensor,
        rows: Rows,
        unet: "UNet2DConditionModel",
    ) -> None:
        """Run each reference picture, noised like ``x``, through the U-Net for the hooks."""
        for ready in units:
            if not ready.module.refers:
                continue
            latent, alpha = self._latent(ready, rows), self._alpha(t)
            noisy = alpha.sqrt() * latent + (1 - alpha).sqrt() * self._noise(latent, rows)
            if x.shape[1] > 4:  # inpainting checkpoints also read a mask and a picture
                noisy = torch.cat([noisy, x[:, 4:]], 1)
            mirror.write(ready.module.name, ready.unit.weight, self._fidelity(ready.unit))
            unet(noisy.to(unet.dtype), t, context.to(unet.dtype))
        mirror.read([row for row, side in enumerate(rows.sides) if side is not Side.POSITIVE])

    def _fidelity(self, unit: ControlUnit) -> Fidelity:
        if unit.control_mode == CONTROL_FIRST:
            return 1.0
        if unit.control_mode == PROMPT_FIRST or self._around.large:
            return 0.0
        return min(max(float(unit.threshold_a), 0.0), 1.0)

    def _alpha(self, t: Tensor) -> Tensor:
        """The share of the picture in what the U-Net sees, (B,1,1,1)."""
        table = self._around.alphas_cumprod.to(t.device)
        return table[t.float().round().long()][:, None, None, None]

    def _corrected(
        self,
        units: Sequence[ReadyUnit],
        x: Tensor,
        t: Tensor,
        found: Tensor,
        rows: Rows,
        prediction: str,
    ) -> Tensor:
        for ready in units:
            if ready.needs_latent and not ready.module.refers:
                found = corrected(
                    ready,
                    self._latent(ready, rows),
                    x,
                    found,
                    alpha=self._alpha(t),
                    prediction=prediction,
                    positive=_positive(rows).to(x)[:, None, None, None],
                    large=self._around.large,
                )
        return found


def _positive(rows: Rows) -> Tensor:
    """1 for rows of the prompt, 0 for those of the negative one, (B,)."""
    return torch.tensor([float(side is Side.POSITIVE) for side in rows.sides])


def _arguments(added: Sequence[Tensor], dtype: torch.dtype) -> dict[str, object]:
    if not added:
        return {}
    kind = [each.to(dtype) for each in added]
    return {
        "down_block_additional_residuals": tuple(kind[:-1]),
        "mid_block_additional_residual": kind[-1],
    }
