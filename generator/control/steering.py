"""Applies ControlNet units to each call of the U-Net in a pass (contract section 10.5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from generator.control.corrections import correct_output
from generator.control.picture_attention import attend_to_pictures
from generator.control.prepared_unit import PreparedUnit
from generator.control.reference import Fidelity, ReferenceHooks
from generator.control.units import CONTROL_FIRST, PROMPT_FIRST
from generator.control.weights import acts_in_pass, is_active, residual_weights
from generator.models.added_condition import added_arguments
from generator.models.checkpoint import Checkpoint
from generator.models.families.family import Family, Prediction
from generator.pictures.latents import LATENT_FACTOR, encode_pictures
from generator.request import ControlUnit
from generator.sampling.edm import network_time
from generator.sampling.predictor import GuidanceSide, Rows

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


@dataclass(frozen=True, slots=True, eq=False)
class PassContext:
    """The pass that the units steer."""

    vae: "Callable[[], AutoencoderKL]"
    alphas: Tensor  # (1000,), the picture's share in what the U-Net reads at each timestep
    calls_a_step: int = 1
    order: int = 1  # planned calls a step, which DPM fast and adaptive do not keep to
    large: bool = False  # the second pass of hires fix
    passes: int = 1  # of the job
    random: Sequence[torch.Generator] = ()  # one a picture of the batch
    data: float = 1.0  # standard deviation of the latents, which the U-Net reads divided by it


class Steering:
    """The units of one job in one pass.

    What is drawn at random (the noise of reference pictures, the draw from their latents) comes
    in the order of the units from each picture's own generator in ``pass_context.random``, seeded
    with its seed, so that it does not depend on what else is in the batch (contract section 3.8).
    """

    def __init__(self, units: Sequence[PreparedUnit], pass_context: PassContext) -> None:
        large, passes = pass_context.large, pass_context.passes
        self._units = [each for each in units if acts_in_pass(each.unit, large, passes)]
        self._context = pass_context
        self._latents: dict[int, Tensor] = {}  # (B,4,h,w) by unit, for those that need one

    @property
    def has_units(self) -> bool:
        """Whether any unit acts in the pass."""
        return bool(self._units)

    def predict(
        self, checkpoint: Checkpoint, x: Tensor, t: Tensor, context: Tensor, rows: Rows
    ) -> Tensor:
        """The U-Net's answer with the units around it, (B,4,h,w) in float32.

        ``x`` (B,C,h,w), ``t`` (B,), ``context`` (B,L,width). Raises
        :class:`generator.errors.WrongArchitecture` for a ControlNet that does not fit.
        """
        unet = checkpoint.unet
        self._check_fits(checkpoint)
        size = (x.shape[-1] * LATENT_FACTOR, x.shape[-2] * LATENT_FACTOR)
        self._encode_pictures(size)
        active = [ready for ready in self._units if self._is_active(ready.unit, rows)]
        time = network_time(checkpoint.edm, t) if checkpoint.edm else t
        added = self._sum_residuals(active, x[:, :4], time, context, rows)
        with (
            ReferenceHooks(unet) as hooks,
            attend_to_pictures(unet, active, rows, (x.shape[-2], x.shape[-1])),
        ):
            self._show_references(hooks, active, x, t, context, rows, checkpoint)
            output: Tensor = unet(
                x.to(unet.dtype),
                time,
                context.to(unet.dtype),
                **_unet_arguments(added, unet.dtype),
                **added_arguments(unet, rows.vectors),
            ).sample
        return self._correct(active, x[:, :4], t, output.float(), rows, checkpoint.prediction)

    def remember_draws(self) -> Callable[[], None]:
        """A function that takes back what is drawn at random from now on, and what came of it."""
        draws, latents = self._context.random, dict(self._latents)
        states = [draw.get_state() for draw in draws]

        def restore() -> None:
            self._latents = dict(latents)
            for draw, state in zip(draws, states, strict=True):
                draw.set_state(state)

        return restore

    def _is_active(self, unit: ControlUnit, rows: Rows) -> bool:
        steps = rows.calls / self._context.order
        return is_active(unit, rows.call, self._context.calls_a_step, steps)

    def _check_fits(self, checkpoint: Checkpoint) -> None:
        for ready in self._units:
            if ready.control is not None:
                ready.control.check_fits(checkpoint)
            if ready.image_prompt is not None:
                ready.image_prompt.adapter.check_fits(checkpoint)

    def _encode_pictures(self, size: tuple[int, int]) -> None:
        for number, ready in enumerate(self._units):
            if ready.needs_latent and number not in self._latents:
                draws = self._context.random
                pictures = [ready.picture_at(size)] * len(draws)
                latents = encode_pictures(self._context.vae(), pictures, draws)
                self._latents[number] = latents / self._context.data

    def _latent_of(self, ready: PreparedUnit, rows: Rows) -> Tensor:
        """The unit's picture for each row, (n,4,h,w), as the U-Net reads latents without noise."""
        return self._latents[self._units.index(ready)][list(rows.owners)]

    def _fresh_noise(self, like: Tensor, rows: Rows) -> Tensor:
        """Fresh noise for each row, picture by picture."""
        noise = torch.empty(like.shape)
        for picture, draw in enumerate(self._context.random):
            own = [row for row, owner in enumerate(rows.owners) if owner == picture]
            noise[own] = torch.randn((len(own), *like.shape[1:]), generator=draw)
        return noise.to(like.device)

    def _sum_residuals(
        self, units: Sequence[PreparedUnit], x: Tensor, t: Tensor, context: Tensor, rows: Rows
    ) -> list[Tensor]:
        """The sum of what all ControlNets add, skips first; nothing where there is none."""
        total: list[Tensor] = []
        for ready in units:
            if ready.control is None:
                continue
            hint = ready.hint_at((x.shape[-1] * LATENT_FACTOR, x.shape[-2] * LATENT_FACTOR)).to(
                x.device
            )
            residuals = ready.control.predict_residuals(
                x, t, context, hint, rows.vectors, ready.control_type
            )
            weighed = self._weigh(ready, residuals, rows)
            total = [a + b for a, b in zip(total, weighed, strict=True)] if total else weighed
        return total

    def _weigh(self, ready: PreparedUnit, residuals: Sequence[Tensor], rows: Rows) -> list[Tensor]:
        assert ready.control is not None
        weights = residual_weights(ready.unit, len(residuals), self._context.large)
        if ready.control.averages_residuals:
            residuals = [each.mean((2, 3), keepdim=True) for each in residuals]
        weighed = [each * weight for each, weight in zip(residuals, weights, strict=True)]
        if ready.control.averages_residuals or ready.unit.control_mode == CONTROL_FIRST:
            sides = _positive_mask(rows).to(weighed[0])[:, None, None, None]
            weighed = [each * sides for each in weighed]
        region = ready.region
        if region is not None:
            weighed = [
                each * functional.interpolate(region.to(each), each.shape[-2:], mode="bilinear")
                for each in weighed
            ]
        return weighed

    def _show_references(
        self,
        hooks: ReferenceHooks,
        units: Sequence[PreparedUnit],
        x: Tensor,
        t: Tensor,
        context: Tensor,
        rows: Rows,
        checkpoint: Checkpoint,
    ) -> None:
        """Run each reference picture, noised like ``x``, through the U-Net for the hooks."""
        unet = checkpoint.unet
        added = added_arguments(unet, rows.vectors)
        time = network_time(checkpoint.edm, t) if checkpoint.edm else t
        for ready in units:
            if not ready.module.is_reference:
                continue
            latent, alpha = self._latent_of(ready, rows), self._alpha_at(t)
            noisy = alpha.sqrt() * latent + (1 - alpha).sqrt() * self._fresh_noise(latent, rows)
            if x.shape[1] > 4:  # inpainting checkpoints also read a mask and a picture
                noisy = torch.cat([noisy, x[:, 4:]], 1)
            fidelity = self._fidelity_of(ready.unit, checkpoint.family)
            hooks.write(ready.module.name, ready.unit.weight, fidelity)
            unet(noisy.to(unet.dtype), time, context.to(unet.dtype), **added)
        hooks.read(
            [row for row, side in enumerate(rows.sides) if side is not GuidanceSide.POSITIVE]
        )

    def _fidelity_of(self, unit: ControlUnit, family: Family) -> Fidelity:
        if unit.control_mode == CONTROL_FIRST:
            return 1.0
        if unit.control_mode == PROMPT_FIRST or self._context.large:
            return 0.0
        fidelity = min(max(float(unit.threshold_a), 0.0), 1.0)
        return fidelity**3 if family.cubes_style_fidelity else fidelity

    def _alpha_at(self, t: Tensor) -> Tensor:
        """The share of the picture in what the U-Net sees, (B,1,1,1)."""
        table = self._context.alphas.to(t.device)
        return table[t.float().round().long()][:, None, None, None]

    def _correct(
        self,
        units: Sequence[PreparedUnit],
        x: Tensor,
        t: Tensor,
        output: Tensor,
        rows: Rows,
        prediction: Prediction,
    ) -> Tensor:
        for ready in units:
            if ready.needs_latent and not ready.module.is_reference:
                output = correct_output(
                    ready,
                    self._latent_of(ready, rows),
                    x,
                    output,
                    alpha=self._alpha_at(t),
                    prediction=prediction,
                    positive=_positive_mask(rows).to(x)[:, None, None, None],
                    large=self._context.large,
                )
        return output


def _positive_mask(rows: Rows) -> Tensor:
    """1 for rows of the prompt, 0 for those of the negative one, (B,)."""
    return torch.tensor([float(side is GuidanceSide.POSITIVE) for side in rows.sides])


def _unet_arguments(added: Sequence[Tensor], dtype: torch.dtype) -> dict[str, object]:
    if not added:
        return {}
    kind = [each.to(dtype) for each in added]
    return {
        "down_block_additional_residuals": tuple(kind[:-1]),
        "mid_block_additional_residual": kind[-1],
    }
