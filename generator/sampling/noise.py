"""Noise per picture: the same seed gives the same noise in any batch.

Contract sections 3.1 to 3.5. Each picture has a generator of its own, seeded with its seed; the
first draw starts the picture, later draws feed ancestral and churning samplers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generator.request import Seeds
from generator.sampling.philox import Philox

Shape = tuple[int, int, int]  # channels, height, width of a latent
Draw = Callable[[tuple[int, ...]], Tensor]


def make_random_source(seed: int, source: str, device: str | torch.device = "cpu") -> Draw:
    """A function that draws standard normal float32 tensors, on the CPU, from ``seed``.

    ``source`` is "CPU" (mt19937), "NV" (Philox in software) or "GPU" (CUDA's own generator; on a
    machine without CUDA the same numbers as "CPU").
    """
    if source == "NV":
        philox = Philox(seed)
        return lambda shape: torch.from_numpy(philox.randn(shape))
    on_cuda = source == "GPU" and torch.device(device).type == "cuda"
    where = torch.device(device) if on_cuda else torch.device("cpu")
    source_of_bits = torch.Generator(where).manual_seed(seed)
    return lambda shape: torch.randn(shape, generator=source_of_bits, device=where).cpu()


def slerp(strength: float, low: Tensor, high: Tensor) -> Tensor:
    """AUTOMATIC1111's interpolation of two noises (C, h, w) for variation seeds.

    Great circles are taken along dimension 1, the rows; nearly parallel noises are mixed linearly
    with the weights the wrong way round, as there (contract section 3.3).
    """
    low_unit = low / torch.norm(low, dim=1, keepdim=True)
    high_unit = high / torch.norm(high, dim=1, keepdim=True)
    dot = (low_unit * high_unit).sum(1)  # (C, w)
    if dot.mean() > 0.9995:
        return low * strength + high * (1 - strength)
    angle = torch.acos(dot)
    sine = torch.sin(angle)
    from_low = (torch.sin((1.0 - strength) * angle) / sine).unsqueeze(1)  # (C, 1, w)
    from_high = (torch.sin(strength * angle) / sine).unsqueeze(1)
    return from_low * low + from_high * high


def paste_centred(small: Tensor, onto: Tensor) -> Tensor:
    """``small`` (C, h, w) laid on the middle of ``onto`` (C, H, W), cropped where it is larger."""
    result = onto.clone()
    spans = []
    for inner, outer in zip(small.shape[1:], onto.shape[1:], strict=True):
        offset = (outer - inner) // 2
        length = inner if offset >= 0 else inner + 2 * offset
        spans.append(
            (
                slice(max(offset, 0), max(offset, 0) + length),
                slice(max(-offset, 0), None),
            )
        )
    (to_y, from_y), (to_x, from_x) = spans
    rows, columns = to_y.stop - to_y.start, to_x.stop - to_x.start
    result[:, to_y, to_x] = small[:, from_y, from_x][:, :rows, :columns]
    return result


@dataclass(frozen=True, slots=True)
class PictureSeed:
    """What decides the noise of one picture."""

    seed: int
    variation_seed: int = 0
    variation_strength: float = 0.0
    resize_from: tuple[int, int] | None = None  # latent height, width


def picture_seeds(seeds: Seeds, first: int, count: int) -> tuple[PictureSeed, ...]:
    """Seeds of pictures ``first .. first+count-1`` of a job (contract section 3.1)."""
    height, width = seeds.resize_from_height, seeds.resize_from_width
    resize_from = (height // 8, width // 8) if height > 0 and width > 0 else None
    return tuple(
        PictureSeed(
            seeds.seed if seeds.variation_strength else seeds.seed + i,
            seeds.variation_seed + i,
            seeds.variation_strength,
            resize_from,
        )
        for i in range(first, first + count)
    )


class PictureNoise:
    """The noise of a batch: ``draw_initial()`` once, then ``draw_next()`` as often as a sampler
    asks.

    Both return float32 tensors (B, C, h, w) on the CPU.
    """

    def __init__(
        self,
        pictures: Sequence[PictureSeed],
        shape: Shape,
        source: str = "CPU",
        ensd: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.pictures = tuple(pictures)
        self.shape = shape
        self.source = source
        self.device = device
        self._ensd = ensd
        self._draws = [make_random_source(p.seed, source, device) for p in self.pictures]

    def draw_initial(self) -> Tensor:
        """The noise that the pictures start from, variation seed and seed resize applied."""
        rows = [self._initial_row(p, d) for p, d in zip(self.pictures, self._draws, strict=True)]
        if self._ensd:
            seeds = [p.seed + self._ensd for p in self.pictures]
            self._draws = [make_random_source(seed, self.source, self.device) for seed in seeds]
        return torch.stack(rows)  # (B, C, h, w)

    def draw_next(self) -> Tensor:
        """Fresh noise, each row from its own picture's generator."""
        return torch.stack([draw(self.shape) for draw in self._draws])  # (B, C, h, w)

    def _initial_row(self, picture: PictureSeed, draw: Draw) -> Tensor:
        base_shape = (self.shape[0], *(picture.resize_from or self.shape[1:]))
        resized = base_shape != self.shape
        start = make_random_source(picture.seed, self.source, self.device) if resized else draw
        noise = start(base_shape)
        if picture.variation_strength:
            other = make_random_source(picture.variation_seed, self.source, self.device)(base_shape)
            noise = slerp(picture.variation_strength, noise, other)
        return paste_centred(noise, draw(self.shape)) if resized else noise


def picture_noise(
    seeds: Seeds,
    first: int,
    count: int,
    source: str,
    ensd: int,
    shape: Shape,
    device: str | torch.device = "cpu",
) -> PictureNoise:
    """Noise of pictures ``first .. first+count-1`` of a job, each (C, h, w) = ``shape``."""
    return PictureNoise(picture_seeds(seeds, first, count), shape, source, ensd, device)
