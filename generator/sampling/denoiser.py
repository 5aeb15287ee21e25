"""``denoise(x, sigma) -> x0``: interface between samplers and the network.

It hides the parameterisation (eps or v), guidance, AND, prompt schedules, masks, and tells a
watch about each call. Contract sections 2.4, 2.5, 4.4, 4.5 and 4.9.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from generator.errors import NotANumber
from generator.hooks import Ended
from generator.models.families.family import Prediction
from generator.prompt.conditioning import Conditioning
from generator.request import Stop
from generator.sampling.contexts import Contexts, contexts_at
from generator.sampling.edm import clean_latent, scale_input
from generator.sampling.lcm import apply_consistency, distilled_table, distilled_timestep
from generator.sampling.mask_blend import Blend
from generator.sampling.predictor import (
    GuidanceSide,
    NoisePredictor,
    RefinerNetwork,
    RefinerSwitch,
    Rows,
)
from generator.sampling.step_hooks import StepHooks

Evaluate = Callable[[Tensor, Tensor, Tensor, Rows], Tensor]  # x, level, context, rows
StepCallback = Callable[[int, Tensor | None], Stop]


@dataclass(frozen=True, slots=True)
class Guidance:
    """How positive and negative predictions are joined, and when one of them is left out."""

    scale: float = 7.0
    calls: int = 20  # denoiser calls planned, twice the steps for second-order samplers
    order: int = 1  # denoiser calls a step
    s_min_uncond: float = 0.0  # below this sigma the negative is skipped on odd calls ...
    s_min_uncond_all: bool = False  # ... or on all calls
    skip_early_cond: float = 0.0  # share of the calls at the start that run without negative
    batch_cond_uncond: bool = True
    pad_cond_uncond: bool = False  # with the encoded empty prompt, ``empty``
    pad_cond_uncond_v0: bool = False  # repeat the last vector, or cut the negative
    quantize: bool = False  # whole timesteps only
    consistency: bool = False  # a latent consistency model, its table the distilled one
    empty: Tensor | None = None  # (77, width)
    blend: Blend | None = None
    check_nan: bool = True


class SamplingInterrupted(Ended):
    """A watch asked to stop; :attr:`latent` is the last estimate of the picture, if any."""

    def __init__(self, stop: Stop, latent: Tensor | None) -> None:
        super().__init__(stop)
        self.stop = stop
        self.latent = latent


def ignore_step(step: int, estimate: Tensor | None) -> Stop:
    """A step watch that looks at nothing."""
    return Stop.NO


@dataclass(frozen=True, slots=True)
class _RowBatch:
    """Rows to evaluate."""

    contexts: Tensor  # (n, L, width)
    owners: tuple[int, ...]
    sides: tuple[GuidanceSide, ...]
    vectors: Tensor | None  # (n, numbers)

    def __add__(self, more: "_RowBatch") -> "_RowBatch":
        return _RowBatch(
            torch.cat([self.contexts, more.contexts]),
            self.owners + more.owners,
            self.sides + more.sides,
            None
            if self.vectors is None or more.vectors is None
            else torch.cat([self.vectors, more.vectors]),
        )


def _positive_rows(contexts: Contexts) -> _RowBatch:
    """Picture by picture."""
    return _RowBatch(
        contexts.positive,
        contexts.owners,
        (GuidanceSide.POSITIVE,) * len(contexts.owners),
        contexts.positive_vectors,
    )


def _negative_rows(contexts: Contexts, blank: bool) -> _RowBatch:
    size = len(contexts.negative)
    rows = _RowBatch(
        contexts.negative,
        tuple(range(size)),
        (GuidanceSide.NEGATIVE,) * size,
        contexts.negative_vectors,
    )
    return rows + replace(rows, sides=(GuidanceSide.BLANK,) * size) if blank else rows


class Denoiser:
    """Callable ``denoise(x (B,C,h,w), sigma (B,)) -> x0 (B,C,h,w)``; counts its calls.

    ``refiner_switch`` lets another network take over. Raises :class:`SamplingInterrupted` when the
    watch asks for it and :class:`NotANumber` on NaN.
    """

    def __init__(
        self,
        network: NoisePredictor,
        conditioning: Conditioning,
        guidance: Guidance,
        watch: StepCallback = ignore_step,
        refiner_switch: RefinerSwitch | None = None,
        step_hooks: StepHooks | None = None,
    ) -> None:
        self.conditioning = conditioning
        self.guidance = guidance
        self.watch = watch
        self.refiner_switch = refiner_switch
        self.step_hooks = step_hooks
        self.network = self._use_distilled_table(network)
        self.calls = 0
        self.seconds = 0.0  # inside the network
        self.estimate: Tensor | None = None  # of the last call, (B, C, h, w)
        self.negative: Tensor | None = None  # the negative's own prediction in the last call

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The clean latent that guidance expects behind ``x`` at noise level ``sigma``."""
        table = self.network.table
        self._before_call(lambda: int((table.sigmas.to(sigma.device) - sigma.max()).abs().argmin()))
        joined = self._predict_guided(x, sigma, float(sigma[0]), self._predict_clean)
        if self.step_hooks:
            joined = self.step_hooks.step(joined)
        if self.guidance.blend:
            joined = self.guidance.blend(joined, sigma)
        self.estimate = joined
        return joined

    def predict_noise(self, x: Tensor, timestep: Tensor) -> Tensor:
        """The guided eps of ``x`` (scaled to unit variance) at ``timestep`` (B,), whole numbers.

        For the samplers that walk timesteps. A mask blends the network's input only.
        """
        self._before_call(lambda: int(timestep.max()))
        if self.guidance.blend:
            x = self.guidance.blend(x, timestep)
        # the threshold of s_min_uncond meets timesteps here, as in AUTOMATIC1111
        eps = self._predict_guided(x, timestep, float(timestep[0]), self._predict_eps)
        alpha = self.network.table.alphas_cumprod.to(x.device)[timestep.long()][:, None, None, None]
        self.estimate = (x - (1 - alpha).sqrt() * eps) / alpha.sqrt()
        if self.step_hooks is None:
            return eps
        changed = self.step_hooks.step(self.estimate)
        if changed is self.estimate:
            return eps  # who only looks changes no bit of it
        self.estimate = changed
        return (x - alpha.sqrt() * self.estimate) / (1 - alpha).sqrt()

    def _before_call(self, timestep: Callable[[], int]) -> None:
        """Hear the watch, then let the other network take over if it is time."""
        stop = self.watch(self.calls // self.guidance.order, self.estimate)
        if stop is not Stop.NO:
            raise SamplingInterrupted(stop, self.estimate)
        if self.refiner_switch is None:
            return
        if self.refiner_switch.by_steps:
            done = self.calls / max(self.guidance.calls, 1)
        else:
            count = (
                self.network.timesteps
            )  # of the model's table, even where a distilled one is used
            done = (count - 1 - timestep()) / count
        if done >= self.refiner_switch.switch_at:
            self._switch_to_refiner(self.refiner_switch.take_over())

    def _switch_to_refiner(self, refiner: RefinerNetwork) -> None:
        self.refiner_switch = None
        self.network = self._use_distilled_table(refiner.network)
        self.conditioning = refiner.conditioning
        self.guidance = replace(self.guidance, empty=refiner.empty)

    def _use_distilled_table(self, network: NoisePredictor) -> NoisePredictor:
        if not self.guidance.consistency:
            return network
        return replace(network, table=distilled_table(network.table))

    def _predict_guided(
        self, x: Tensor, level: Tensor, threshold: float, model: Evaluate
    ) -> Tensor:
        contexts = self._pad_contexts(
            contexts_at(self.conditioning, self.calls, self.network.device)
        )
        assert len(contexts.negative) == len(x), (len(contexts.negative), len(x))
        if self._skips_early() or self._skips_negative(threshold):
            parts = self._evaluate(model, x, level, _positive_rows(contexts))
            negative = torch.stack([parts[contexts.owners.index(i)] for i in range(len(x))])
            joined = _combine(parts, negative, contexts, 1.0)
        else:
            joined, negative = self._predict_both(model, x, level, contexts)
        self.negative = negative
        self.calls += 1
        return joined

    def _skips_early(self) -> bool:
        share = self.guidance.skip_early_cond
        return share > 0 and self.calls / max(self.guidance.calls, 1) <= share

    def _skips_negative(self, level: float) -> bool:
        if level >= self.guidance.s_min_uncond:
            return False
        return self.guidance.s_min_uncond_all or self.calls % 2 == 1

    def _pad_contexts(self, contexts: Contexts) -> Contexts:
        """Equal lengths for both, where an option asks for it (contract section 2.7)."""
        if contexts.has_equal_lengths:
            return contexts
        if self.guidance.pad_cond_uncond_v0:
            return contexts.repeat_negatives()
        if self.guidance.pad_cond_uncond and self.guidance.empty is not None:
            return contexts.fill_with_empty(self.guidance.empty)
        return contexts

    def _predict_both(
        self, model: Evaluate, x: Tensor, level: Tensor, contexts: Contexts
    ) -> tuple[Tensor, Tensor]:
        """Positives and negatives, in one call where their token lengths agree: (joined, U)."""
        size, image_scale = len(x), self.network.image_guidance
        above = _positive_rows(contexts)
        below = _negative_rows(contexts, blank=image_scale is not None)
        if contexts.has_equal_lengths:
            predictions = self._evaluate(model, x, level, above + below)
            parts, rest = predictions.split([len(above.owners), len(below.owners)])
        else:
            parts = self._evaluate(model, x, level, above)
            rest = self._evaluate(model, x, level, below)
        joined = _combine(parts, rest[:size], contexts, self.guidance.scale)
        if image_scale is not None:
            joined += (rest[:size] - rest[size:]) * (image_scale - 1)
        return joined, rest[-size:]

    def _evaluate(self, model: Evaluate, x: Tensor, level: Tensor, rows: _RowBatch) -> Tensor:
        """All rows in one call, or as many at a time as the batch has pictures."""
        width = len(rows.owners) if self.guidance.batch_cond_uncond else len(x)
        parts = []
        for start in range(0, len(rows.owners), width):
            span = slice(start, start + width)
            owners = rows.owners[span]
            vectors = None if rows.vectors is None else rows.vectors[span]
            row_info = Rows(owners, rows.sides[span], self.calls, self.guidance.calls, vectors)
            indices = list(owners)
            parts.append(model(x[indices], level[indices], rows.contexts[span], row_info))
        return torch.cat(parts)

    def _predict_clean(self, x: Tensor, sigma: Tensor, context: Tensor, rows: Rows) -> Tensor:
        """x0 from the network's prediction, for noise levels (Karras et al. 2022, table 1)."""
        wide = sigma[:, None, None, None]
        t = self._timestep_of(sigma)
        if self.network.edm:
            data = self.network.edm.sigma_data
            output = self._call_network(scale_input(x, wide, data), t, context, rows)
            return clean_latent(x, wide, output, data, self.network.prediction)
        scale_in = 1 / (wide**2 + 1) ** 0.5
        prediction = self._call_network(x * scale_in, t, context, rows)
        # A consistency model is read as eps whatever it predicts, as in AUTOMATIC1111.
        if self.network.prediction is Prediction.V and not self.guidance.consistency:
            denoised = prediction * (-wide * scale_in) + x * (1 / (wide**2 + 1))
        else:
            denoised = x + prediction * -wide
        return apply_consistency(x, denoised, t) if self.guidance.consistency else denoised

    def _timestep_of(self, sigma: Tensor) -> Tensor:
        if self.guidance.consistency:
            return distilled_timestep(sigma, self.network.table)
        return self.network.table.sigma_to_t(sigma, self.guidance.quantize)

    def _predict_eps(self, x: Tensor, timestep: Tensor, context: Tensor, rows: Rows) -> Tensor:
        """eps from the network's prediction, for whole timesteps."""
        if self.network.edm:
            sigma = self.network.table.sigmas.to(x.device)[timestep.long()]
            wide = sigma[:, None, None, None]
            noised = x * (wide**2 + 1) ** 0.5
            return (noised - self._predict_clean(noised, sigma, context, rows)) / wide
        prediction = self._call_network(x, timestep, context, rows)
        if self.network.prediction is Prediction.V:
            alphas = self.network.table.alphas_cumprod.to(x.device)
            alpha = alphas[timestep.long()][:, None, None, None]
            return alpha.sqrt() * prediction + (1 - alpha).sqrt() * x
        return prediction

    def _call_network(self, x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        """The network's own answer; the time that it takes is counted."""
        started = time.perf_counter()
        prediction = self.network.predict(x, t, context, rows)
        # looking for NaN also waits for the device, so that the clock is right
        has_nan = bool(torch.isnan(prediction).any())
        self.seconds += time.perf_counter() - started
        if has_nan and self.guidance.check_nan:
            raise NotANumber(NAN_MESSAGE)
        return prediction


NAN_MESSAGE = (
    "A tensor with NaNs was produced in Unet. The numbers left the range of half precision, or "
    "the checkpoint holds NaNs itself: try --no-half, or another checkpoint. "
    "Use --disable-nan-check commandline argument to disable this check."
)


def _combine(parts: Tensor, negative: Tensor, contexts: Contexts, scale: float) -> Tensor:
    """U + sum of w * scale * (C - U); Liu et al. (2022), "Compositional visual generation"."""
    joined = negative.clone()
    for row, (owner, weight) in enumerate(zip(contexts.owners, contexts.weights, strict=True)):
        joined[owner] += (parts[row] - negative[owner]) * (weight * scale)
    return joined
