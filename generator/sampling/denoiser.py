"""``denoise(x, sigma) -> x0``: the seam between samplers and the network.

It hides the parameterisation (eps or v), guidance, AND, prompt schedules, masks, and tells a
watch about each call. Contract sections 2.4, 2.5, 4.4, 4.5 and 4.9.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generator.errors import NotANumber
from generator.prompt.conditioning import Conditioning, Stage
from generator.request import Stop
from generator.sampling.lcm import consistent, distilled_timestep
from generator.sampling.schedules import NoiseSchedule

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
StepWatch = Callable[[int, Tensor | None], Stop]

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Network:
    """A U-Net as the samplers see it.

    ``predict(x (B,C,h,w), t (B,), context (B,L,width))`` returns what the network was trained to
    predict, eps or v by ``prediction`` ("epsilon" | "v_prediction"), in float32; t is a timestep
    0..999, not always whole.
    """

    predict: Predict
    table: NoiseSchedule
    prediction: str = "epsilon"
    device: torch.device = _CPU


@dataclass(frozen=True, slots=True)
class Blend:
    """Where the picture is repainted: ``mask`` is 1 where the new picture shows, 0 elsewhere."""

    initial: Tensor  # (B, C, h, w), the latent that stays
    mask: Tensor  # broadcastable to it

    def __call__(self, x: Tensor) -> Tensor:
        return x * self.mask + self.initial * (1.0 - self.mask)


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


class Interrupted(Exception):
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
    """What one call evaluates: ``owners`` names the picture of each positive row."""

    positive: Tensor  # (P, L, width)
    negative: Tensor  # (B, M, width)
    owners: tuple[int, ...]
    weights: tuple[float, ...]


class Denoiser:
    """Callable ``denoise(x (B,C,h,w), sigma (B,)) -> x0 (B,C,h,w)``; counts its calls.

    Raises :class:`Interrupted` when the watch asks for it and :class:`NotANumber` on NaN.
    """

    def __init__(
        self,
        network: Network,
        conditioning: Conditioning,
        guidance: Guidance,
        watch: StepWatch = unwatched,
    ) -> None:
        self.network = network
        self.conditioning = conditioning
        self.guidance = guidance
        self.watch = watch
        self.calls = 0
        self.seconds = 0.0  # inside the network
        self.estimate: Tensor | None = None  # of the last call, (B, C, h, w)
        self.negative: Tensor | None = None  # the negative's own prediction in the last call

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The clean latent that guidance expects behind ``x`` at noise level ``sigma``."""
        joined = self._guided(x, sigma, float(sigma[0]), self._clean)
        if self.guidance.blend:
            joined = self.guidance.blend(joined)
        self.estimate = joined
        return joined

    def noise(self, x: Tensor, timestep: Tensor) -> Tensor:
        """The guided eps of ``x`` (scaled to unit variance) at ``timestep`` (B,), whole numbers.

        For the samplers that walk timesteps. A mask blends the network's input only.
        """
        if self.guidance.blend:
            x = self.guidance.blend(x)
        # the threshold of s_min_uncond meets timesteps here, as in AUTOMATIC1111
        eps = self._guided(x, timestep, float(timestep[0]), self._eps)
        alpha = self.network.table.alphas_cumprod.to(x.device)[timestep.long()][:, None, None, None]
        self.estimate = (x - (1 - alpha).sqrt() * eps) / alpha.sqrt()
        return eps

    def _guided(self, x: Tensor, level: Tensor, threshold: float, model: Predict) -> Tensor:
        self._ask()
        rows = self._rows(len(x))
        skip_early = self._skips_early()
        if skip_early or self._skips_negative(threshold):
            parts = self._in_batches(model, x, level, rows, len(rows.positive))
            negative = torch.stack([parts[rows.owners.index(i)] for i in range(len(x))])
            joined = _join(parts, negative, rows, 1.0)
        else:
            parts, negative = self._both(model, x, level, rows)
            joined = _join(parts, negative, rows, self.guidance.scale)
        self.negative = negative
        self.calls += 1
        return joined

    def _ask(self) -> None:
        stop = self.watch(self.calls // self.guidance.order, self.estimate)
        if stop is not Stop.NO:
            raise Interrupted(stop, self.estimate)

    def _skips_early(self) -> bool:
        share = self.guidance.skip_early_cond
        return share > 0 and self.calls / max(self.guidance.calls, 1) <= share

    def _skips_negative(self, level: float) -> bool:
        if level >= self.guidance.s_min_uncond:
            return False
        return self.guidance.s_min_uncond_all or self.calls % 2 == 1

    def _rows(self, pictures: int) -> _Rows:
        strands = [(i, s) for i, row in enumerate(self.conditioning.positive) for s in row]
        positive = _stack([_at(strand.stages, self.calls) for _, strand in strands])
        negative = _stack([_at(stages, self.calls) for stages in self.conditioning.negative])
        positive, negative = self._padded(positive, negative)
        where = self.network.device
        assert len(negative) == pictures, (len(negative), pictures)
        return _Rows(
            positive.to(where),
            negative.to(where),
            tuple(i for i, _ in strands),
            tuple(strand.weight for _, strand in strands),
        )

    def _padded(self, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        """Equal lengths for both, where an option asks for it (contract section 2.7)."""
        short = positive.shape[1] - negative.shape[1]
        if short and self.guidance.pad_cond_uncond_v0:
            tail = negative[:, -1:].repeat(1, max(short, 0), 1)
            return positive, torch.cat([negative, tail], 1)[:, : positive.shape[1]]
        if short and self.guidance.pad_cond_uncond and self.guidance.empty is not None:
            return _fill(positive, -short, self.guidance.empty), _fill(
                negative, short, self.guidance.empty
            )
        return positive, negative

    def _both(self, model: Predict, x: Tensor, level: Tensor, rows: _Rows) -> tuple[Tensor, Tensor]:
        """Positives and negatives: in one call where their token lengths agree."""
        size = len(x)
        if rows.positive.shape[1] != rows.negative.shape[1]:
            width = size * 2 if self.guidance.batch_cond_uncond else size
            parts = self._in_batches(model, x, level, rows, width)
            return parts, self._timed(model, x, level, rows.negative)
        owners = list(rows.owners)
        inputs = torch.cat([x[owners], x])  # positives first, picture by picture
        levels = torch.cat([level[owners], level])
        contexts = torch.cat([rows.positive, rows.negative])
        width = len(inputs) if self.guidance.batch_cond_uncond else size
        spans = [slice(a, a + width) for a in range(0, len(inputs), width)]
        found = torch.cat(
            [self._timed(model, inputs[span], levels[span], contexts[span]) for span in spans]
        )
        return found[:-size], found[-size:]

    def _in_batches(
        self, model: Predict, x: Tensor, level: Tensor, rows: _Rows, width: int
    ) -> Tensor:
        """The positives alone, ``width`` rows a call."""
        owners = list(rows.owners)
        return torch.cat(
            [
                self._timed(model, x[who], level[who], context)
                for who, context in (
                    (owners[a : a + width], rows.positive[a : a + width])
                    for a in range(0, len(owners), width)
                )
            ]
        )

    def _timed(self, model: Predict, x: Tensor, level: Tensor, context: Tensor) -> Tensor:
        started = time.perf_counter()
        result = model(x, level, context)
        if torch.isnan(result).any():  # also waits for the device, so that the clock is right
            raise NotANumber(NAN_MESSAGE)
        self.seconds += time.perf_counter() - started
        return result

    def _clean(self, x: Tensor, sigma: Tensor, context: Tensor) -> Tensor:
        """x0 from the network's prediction, for noise levels (Karras et al. 2022, table 1)."""
        wide = sigma[:, None, None, None]
        t = self._timestep(sigma)
        scale_in = 1 / (wide**2 + 1) ** 0.5
        found = self.network.predict(x * scale_in, t, context)
        if self.network.prediction == "v_prediction":
            denoised = found * (-wide * scale_in) + x * (1 / (wide**2 + 1))
        else:
            denoised = x + found * -wide
        return consistent(x, denoised, t) if self.guidance.consistency else denoised

    def _timestep(self, sigma: Tensor) -> Tensor:
        if self.guidance.consistency:
            return distilled_timestep(sigma, self.network.table)
        return self.network.table.sigma_to_t(sigma, self.guidance.quantize)

    def _eps(self, x: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        """eps from the network's prediction, for whole timesteps."""
        found = self.network.predict(x, timestep, context)
        if self.network.prediction == "v_prediction":
            alphas = self.network.table.alphas_cumprod.to(x.device)
            alpha = alphas[timestep.long()][:, None, None, None]
            return alpha.sqrt() * found + (1 - alpha).sqrt() * x
        return found


NAN_MESSAGE = (
    "A tensor with NaNs was produced in Unet. The numbers left the range of half precision, or "
    "the checkpoint holds NaNs itself: try --no-half, or another checkpoint. "
    "Use --disable-nan-check commandline argument to disable this check."
)


def _join(parts: Tensor, negative: Tensor, rows: _Rows, scale: float) -> Tensor:
    """U + sum of w * scale * (C - U); Liu et al. (2022), "Compositional visual generation"."""
    joined = negative.clone()
    for row, (owner, weight) in enumerate(zip(rows.owners, rows.weights, strict=True)):
        joined[owner] += (parts[row] - negative[owner]) * (weight * scale)
    return joined


def _at(stages: Sequence[Stage], call: int) -> Tensor:
    """What holds at this denoiser call: the first stage whose end is not before it."""
    return next((s.context for s in stages if call <= s.end), stages[-1].context)


def _stack(contexts: Sequence[Tensor]) -> Tensor:
    """(n, L, width); shorter ones repeat their last vector."""
    longest = max(len(c) for c in contexts)
    return torch.stack([torch.cat([c, c[-1:].repeat(longest - len(c), 1)]) for c in contexts])


def _fill(context: Tensor, missing: int, empty: Tensor) -> Tensor:
    """``context`` (n, L, width) made ``missing`` tokens longer with empty prompts."""
    if missing <= 0:
        return context
    tail = empty.to(context).repeat(-(-missing // len(empty)), 1)[:missing]
    return torch.cat([context, tail.expand(len(context), -1, -1)], dim=1)
