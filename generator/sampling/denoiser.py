"""``denoise(x, sigma) -> x0``: the seam between samplers and the network.

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
from generator.prompt.conditioning import Conditioning
from generator.request import Stop
from generator.sampling.blending import Blend
from generator.sampling.contexts import Contexts, contexts_at
from generator.sampling.hearing import Hearing
from generator.sampling.lcm import consistent, distilled, distilled_timestep
from generator.sampling.network import Network, Refinement, Relief, Rows, Side

Model = Callable[[Tensor, Tensor, Tensor, Rows], Tensor]  # x, level, context
StepWatch = Callable[[int, Tensor | None], Stop]


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


class Interrupted(Ended):
    """A watch asked to stop; :attr:`latent` is the last estimate of the picture, if any."""

    def __init__(self, stop: Stop, latent: Tensor | None) -> None:
        super().__init__(stop)
        self.stop = stop
        self.latent = latent


def unwatched(step: int, estimate: Tensor | None) -> Stop:
    """A step watch that looks at nothing."""
    return Stop.NO


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows to evaluate."""

    contexts: Tensor  # (n, L, width)
    owners: tuple[int, ...]
    sides: tuple[Side, ...]

    def __add__(self, more: "_Rows") -> "_Rows":
        contexts = torch.cat([self.contexts, more.contexts])
        return _Rows(contexts, self.owners + more.owners, self.sides + more.sides)


def _positives(contexts: Contexts) -> _Rows:
    """Picture by picture."""
    return _Rows(contexts.positive, contexts.owners, (Side.POSITIVE,) * len(contexts.owners))


def _negatives(contexts: Contexts, blank: bool) -> _Rows:
    size = len(contexts.negative)
    rows = _Rows(contexts.negative, tuple(range(size)), (Side.NEGATIVE,) * size)
    return rows + replace(rows, sides=(Side.BLANK,) * size) if blank else rows


class Denoiser:
    """Callable ``denoise(x (B,C,h,w), sigma (B,)) -> x0 (B,C,h,w)``; counts its calls.

    ``refiner_switch`` lets another network take over. Raises :class:`Interrupted` when the watch asks
    for it and :class:`NotANumber` on NaN.
    """

    def __init__(
        self,
        network: Network,
        conditioning: Conditioning,
        guidance: Guidance,
        watch: StepWatch = unwatched,
        refinement: Refinement | None = None,
        hearing: Hearing | None = None,
    ) -> None:
        self.conditioning = conditioning
        self.guidance = guidance
        self.watch = watch
        self.refinement = refinement
        self.hearing = hearing
        self.network = self._distilled(network)
        self.calls = 0
        self.seconds = 0.0  # inside the network
        self.estimate: Tensor | None = None  # of the last call, (B, C, h, w)
        self.negative: Tensor | None = None  # the negative's own prediction in the last call

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The clean latent that guidance expects behind ``x`` at noise level ``sigma``."""
        table = self.network.table
        self._begin(lambda: int((table.sigmas.to(sigma.device) - sigma.max()).abs().argmin()))
        joined = self._guided(x, sigma, float(sigma[0]), self._clean)
        if self.hearing:
            joined = self.hearing.step(joined)
        if self.guidance.blend:
            joined = self.guidance.blend(joined, sigma)
        self.estimate = joined
        return joined

    def noise(self, x: Tensor, timestep: Tensor) -> Tensor:
        """The guided eps of ``x`` (scaled to unit variance) at ``timestep`` (B,), whole numbers.

        For the samplers that walk timesteps. A mask blends the network's input only.
        """
        self._begin(lambda: int(timestep.max()))
        if self.guidance.blend:
            x = self.guidance.blend(x, timestep)
        # the threshold of s_min_uncond meets timesteps here, as in AUTOMATIC1111
        eps = self._guided(x, timestep, float(timestep[0]), self._eps)
        alpha = self.network.table.alphas_cumprod.to(x.device)[timestep.long()][:, None, None, None]
        self.estimate = (x - (1 - alpha).sqrt() * eps) / alpha.sqrt()
        if self.hearing is None:
            return eps
        heard = self.hearing.step(self.estimate)
        if heard is self.estimate:
            return eps  # who only looks changes no bit of it
        self.estimate = heard
        return (x - alpha.sqrt() * self.estimate) / (1 - alpha).sqrt()

    def _begin(self, timestep: Callable[[], int]) -> None:
        """Hear the watch, then let the other network take over if it is time."""
        stop = self.watch(self.calls // self.guidance.order, self.estimate)
        if stop is not Stop.NO:
            raise Interrupted(stop, self.estimate)
        if self.refinement is None:
            return
        if self.refinement.by_steps:
            done = self.calls / max(self.guidance.calls, 1)
        else:
            done = (LAST_TIMESTEP - timestep()) / (LAST_TIMESTEP + 1)
        if done >= self.refinement.switch_at:
            self._relieve(self.refinement.take_over())

    def _relieve(self, relief: Relief) -> None:
        self.refinement = None
        self.network = self._distilled(relief.network)
        self.conditioning = relief.conditioning
        self.guidance = replace(self.guidance, empty=relief.empty)

    def _distilled(self, network: Network) -> Network:
        if not self.guidance.consistency:
            return network
        return replace(network, table=distilled(network.table))

    def _guided(self, x: Tensor, level: Tensor, threshold: float, model: Model) -> Tensor:
        contexts = self._padded(contexts_at(self.conditioning, self.calls, self.network.device))
        assert len(contexts.negative) == len(x), (len(contexts.negative), len(x))
        if self._skips_early() or self._skips_negative(threshold):
            parts = self._evaluate(model, x, level, _positives(contexts))
            negative = torch.stack([parts[contexts.owners.index(i)] for i in range(len(x))])
            joined = _join(parts, negative, contexts, 1.0)
        else:
            joined, negative = self._both(model, x, level, contexts)
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

    def _padded(self, contexts: Contexts) -> Contexts:
        """Equal lengths for both, where an option asks for it (contract section 2.7)."""
        if contexts.even:
            return contexts
        if self.guidance.pad_cond_uncond_v0:
            return contexts.repeating()
        if self.guidance.pad_cond_uncond and self.guidance.empty is not None:
            return contexts.filled(self.guidance.empty)
        return contexts

    def _both(
        self, model: Model, x: Tensor, level: Tensor, contexts: Contexts
    ) -> tuple[Tensor, Tensor]:
        """Positives and negatives, in one call where their token lengths agree: (joined, U)."""
        size, image_scale = len(x), self.network.image_guidance
        above = _positives(contexts)
        below = _negatives(contexts, blank=image_scale is not None)
        if contexts.even:
            found = self._evaluate(model, x, level, above + below)
            parts, rest = found.split([len(above.owners), len(below.owners)])
        else:
            parts = self._evaluate(model, x, level, above)
            rest = self._evaluate(model, x, level, below)
        joined = _join(parts, rest[:size], contexts, self.guidance.scale)
        if image_scale is not None:
            joined += (rest[:size] - rest[size:]) * (image_scale - 1)
        return joined, rest[-size:]

    def _evaluate(self, model: Model, x: Tensor, level: Tensor, rows: _Rows) -> Tensor:
        """All rows in one call, or as many at a time as the batch has pictures."""
        width = len(rows.owners) if self.guidance.batch_cond_uncond else len(x)
        parts = []
        for start in range(0, len(rows.owners), width):
            span = slice(start, start + width)
            owners = rows.owners[span]
            told = Rows(owners, rows.sides[span], self.calls, self.guidance.calls)
            who = list(owners)
            parts.append(model(x[who], level[who], rows.contexts[span], told))
        return torch.cat(parts)

    def _clean(self, x: Tensor, sigma: Tensor, context: Tensor, rows: Rows) -> Tensor:
        """x0 from the network's prediction, for noise levels (Karras et al. 2022, table 1)."""
        wide = sigma[:, None, None, None]
        t = self._timestep(sigma)
        scale_in = 1 / (wide**2 + 1) ** 0.5
        found = self._ask(x * scale_in, t, context, rows)
        if self.network.prediction == "v_prediction":
            denoised = found * (-wide * scale_in) + x * (1 / (wide**2 + 1))
        else:
            denoised = x + found * -wide
        return consistent(x, denoised, t) if self.guidance.consistency else denoised

    def _timestep(self, sigma: Tensor) -> Tensor:
        if self.guidance.consistency:
            return distilled_timestep(sigma, self.network.table)
        return self.network.table.sigma_to_t(sigma, self.guidance.quantize)

    def _eps(self, x: Tensor, timestep: Tensor, context: Tensor, rows: Rows) -> Tensor:
        """eps from the network's prediction, for whole timesteps."""
        found = self._ask(x, timestep, context, rows)
        if self.network.prediction == "v_prediction":
            alphas = self.network.table.alphas_cumprod.to(x.device)
            alpha = alphas[timestep.long()][:, None, None, None]
            return alpha.sqrt() * found + (1 - alpha).sqrt() * x
        return found

    def _ask(self, x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        """The network's own answer; the time that it takes is counted."""
        started = time.perf_counter()
        found = self.network.predict(x, t, context, rows)
        # looking for NaN also waits for the device, so that the clock is right
        broken = bool(torch.isnan(found).any())
        self.seconds += time.perf_counter() - started
        if broken and self.guidance.check_nan:
            raise NotANumber(NAN_MESSAGE)
        return found


LAST_TIMESTEP = 999
NAN_MESSAGE = (
    "A tensor with NaNs was produced in Unet. The numbers left the range of half precision, or "
    "the checkpoint holds NaNs itself: try --no-half, or another checkpoint. "
    "Use --disable-nan-check commandline argument to disable this check."
)


def _join(parts: Tensor, negative: Tensor, contexts: Contexts, scale: float) -> Tensor:
    """U + sum of w * scale * (C - U); Liu et al. (2022), "Compositional visual generation"."""
    joined = negative.clone()
    for row, (owner, weight) in enumerate(zip(contexts.owners, contexts.weights, strict=True)):
        joined[owner] += (parts[row] - negative[owner]) * (weight * scale)
    return joined
