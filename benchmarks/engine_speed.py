"""How much of a job's time is spent outside its networks, with networks that cost next to nothing.

The tiny checkpoint of the recorded cases makes everything else weigh as much as it ever will.
Outside is all but the U-Net with its prompts' encoding and the VAE's decoding: samplers, guidance,
noise, the walk over batches, infotext.
"""

import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STEPS = {64: 20, 512: 4}  # by pixels a side; attention at 512 takes seconds a step
MAX_OUTSIDE_SHARE = 0.15  # at 512x512


@dataclass(frozen=True, slots=True)
class Speed:
    """The engine at one size."""

    size: int  # pixels a side
    steps_a_second: float
    outside: float  # share of the wall time


def measure(goldens: Path, rounds: int = 3) -> Iterator[Speed]:
    """The medians of ``rounds`` runs at each size, in this process, after one to warm up."""
    from generator.request import (  # torch: not before it is needed
        GenerationRequest,
        Sampling,
        Seeds,
    )
    from tests.parity.service import build_engine

    with tempfile.TemporaryDirectory(prefix="easel-bench-") as name:
        engine = build_engine(goldens, Path(name))
        for size, steps in STEPS.items():
            request = GenerationRequest(
                "a photo of a red cat",
                Seeds(1),
                "blurry",
                Sampling("Euler a", steps=steps),
                size,
                size,
                checkpoint="tinysd15",
            )
            engine.run(request)
            runs = [engine.run(request) for _ in range(rounds)]
            yield Speed(
                size,
                statistics.median(steps / run.seconds for run in runs),
                statistics.median(1 - run.network_seconds / run.seconds for run in runs),
            )
