"""Eight clients at once against one after another: ``python -m benchmarks.step_batching``.

With the default checkpoint, in one run: through the engine alone, and through a whole service over
HTTP. Both figures of a pair are medians of rounds that take turns, so that what else the machine
does falls on both. Pictures are pairwise compared: batching must not change them.
"""

import base64
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.figures import Figure, as_markdown, machine
from benchmarks.service import Service, run_easel
from tests.parity.compare import psnr

CLIENTS = 8
STEPS = 20
BARS = {256: 1.8, 128: 3.5}  # by pixels a side
LEAST_PSNR = 60.0
ROUNDS = 3
PROMPT = "a red house on green grass at night"
DEFAULT = Path(__file__).resolve().parents[1] / "generator/default_checkpoint"

Draw = Callable[[int], Image.Image]  # a picture by its seed


@dataclass(frozen=True, slots=True)
class Ratio:
    """How much sooner eight pictures are there when they are drawn together."""

    road: str  # engine | service
    size: int  # pixels a side
    apart: float  # seconds
    together: float
    psnr: float  # the least of all pairs

    @property
    def ratio(self) -> float:
        """Of the times."""
        return self.apart / self.together


def compare(road: str, size: int, draw: Draw) -> Ratio:
    """Medians over ``ROUNDS`` of eight pictures drawn one after another, and at once."""
    seeds = range(1, CLIENTS + 1)
    apart, together = list[float](), list[float]()
    alone: Sequence[Image.Image] = []
    joint: Sequence[Image.Image] = []
    draw(0)
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(draw, seeds))
        for _ in range(ROUNDS):
            started = time.perf_counter()
            alone = [draw(seed) for seed in seeds]
            between = time.perf_counter()
            joint = list(clients.map(draw, seeds))
            apart.append(between - started)
            together.append(time.perf_counter() - between)
    least = min(psnr(one, other) for one, other in zip(alone, joint, strict=True))
    return Ratio(road, size, statistics.median(apart), statistics.median(together), least)


def measure_engine() -> Iterator[Ratio]:
    """Through the engine, from threads."""
    from generator.engine import Engine  # torch: not before it is needed
    from generator.models.registry import Folders, Registry
    from generator.request import GenerationRequest, Sampling, Seeds

    with tempfile.TemporaryDirectory(prefix="easel-bench-") as name:
        models = Path(name) / "models/Stable-diffusion"
        models.mkdir(parents=True)
        (models / "easel-default.safetensors").symlink_to(DEFAULT / "easel-default.safetensors")
        engine = Engine(Registry(Folders.under(Path(name))), step_batching=True)
        for size in BARS:

            def draw(seed: int, size: int = size) -> Image.Image:
                sampling = Sampling("Euler a", steps=STEPS)
                request = GenerationRequest(PROMPT, Seeds(seed), "", sampling, size, size)
                return engine.run(request).pictures[0].image

            yield compare("engine", size, draw)


def measure_service() -> Iterator[Ratio]:
    """Through a whole service, over HTTP."""
    with (
        tempfile.TemporaryDirectory(prefix="easel-bench-") as name,
        run_easel(Path(name)) as service,
    ):
        service.wait_for_ping()
        for size in BARS:

            def draw(seed: int, size: int = size) -> Image.Image:
                return txt2img(service, seed, size)

            yield compare("service", size, draw)


def txt2img(service: Service, seed: int, size: int) -> Image.Image:
    """One synchronous request."""
    body: dict[str, Any] = {
        "prompt": PROMPT, "steps": STEPS, "width": size, "height": size, "seed": seed,
        "sampler_name": "Euler a", "do_not_save_samples": True,
    }  # fmt: skip
    answer = service.post("/sdapi/v1/txt2img", body)
    return Image.open(io.BytesIO(base64.b64decode(answer["images"][0]))).convert("RGB")


def batching_figures() -> Iterator[Figure]:
    """The figures with their bars."""
    for each in (*measure_engine(), *measure_service()):
        bar = BARS[each.size]
        yield Figure(
            f"{CLIENTS} clients at once against one after another, {each.road}, {each.size}²",
            f"{each.ratio:.2f} × ({each.apart:.2f} s, {each.together:.2f} s; "
            f"pictures alike to {each.psnr:.0f} dB)",
            f"≥ {bar} ×, ≥ {LEAST_PSNR:.0f} dB",
            each.ratio >= bar and each.psnr >= LEAST_PSNR,
        )


if __name__ == "__main__":
    print(as_markdown([*batching_figures()], machine()))
