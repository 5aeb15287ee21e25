"""A job draws in mixed company what it draws alone, and nobody pays for another's end."""

import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from generator import default_checkpoint
from generator.engine import Engine
from generator.errors import NotANumber
from generator.hooks import Watch, ignore_progress
from generator.job import job as engine_job
from generator.models.registry import Folders, Registry
from generator.models.residency import ResidentKind
from generator.pictures.base64_images import write_base64
from generator.pictures.latents import decode_latents
from generator.prompt.conditioning import EncodedTexts, PromptEncoder
from generator.prompt.text_cache import KeptTexts, TextCache
from generator.request import (
    Generation,
    GenerationRequest,
    HiresFix,
    Mask,
    Origin,
    Progress,
    Sampling,
    Seeds,
    Stop,
)
from tests.parity.compare import psnr
from tests.wait import wait_until

DEFAULT = Path(default_checkpoint.__file__).with_name("easel-default.safetensors")
LATENT_TOLERANCE = 1e-4
PLAIN = GenerationRequest(
    "a red circle", Seeds(7), sampling=Sampling("Euler a", steps=12), width=64, height=64
)
PHOTO = write_base64(Image.effect_noise((64, 64), 90).convert("RGB"))
HALF = write_base64(Image.linear_gradient("L").resize((64, 64)).point(lambda v: 255 * (v > 99)))
LONG = ", ".join(f"{shape} {n}" for n in range(12) for shape in ("red circle", "blue square"))
COMPANY = {
    "plain": PLAIN,
    "more steps": replace(PLAIN, sampling=Sampling("DPM++ 2M", "Karras", 15, 4.5), seeds=Seeds(1)),
    "two calls a step": replace(PLAIN, sampling=Sampling("Heun", steps=8)),
    "timesteps": replace(PLAIN, sampling=Sampling("DDIM", steps=10), prompt="a (blue:1.3) square"),
    "noisy": replace(PLAIN, sampling=Sampling("DPM++ SDE", steps=7), seeds=Seeds(9, 5, 0.4)),
    "long": replace(
        PLAIN,
        prompt=LONG,
        negative_prompt="green",
        batch_size=2,
        sampling=Sampling("DPM++ 2M", steps=11, guidance=5),
    ),
    "both": replace(PLAIN, prompt="a circle AND a square:0.6", sampling=Sampling("UniPC", steps=9)),
    "masked": replace(PLAIN, origin=Origin((PHOTO,), mask=Mask(HALF, only_masked=False))),
    "wide": replace(PLAIN, width=96, batches=2, sampling=Sampling("Euler", steps=6)),
    "larger": replace(PLAIN, hires=HiresFix(0.6, scale=1.5)),
    "tiled": replace(PLAIN, tiling=True),
}
"""Few steps leave in a latent what the first one, at noise of 14.6, makes of the last bits."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data")
    (folder / "models/Stable-diffusion").mkdir(parents=True)
    shutil.copy2(DEFAULT, folder / "models/Stable-diffusion")
    return Engine(Registry(Folders.under(folder)), step_batching=True)


@pytest.fixture
def latents(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[Tensor]]:
    """What was decoded, by the thread of its job."""
    seen: dict[int, list[Tensor]] = defaultdict(list)

    def decode(vae: object, rows: Tensor, *rest: object) -> Iterator[Image.Image]:
        seen[threading.get_ident()].append(rows.clone())
        return decode_latents(vae, rows, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine_job, "decode_latents", decode)
    return seen


@dataclass(eq=False)
class Job:
    """A request with its watch, drawn in a thread of its own."""

    engine: Engine
    request: GenerationRequest
    watch: Watch = ignore_progress
    thread: int = 0

    def __call__(self) -> Generation:
        self.thread = threading.get_ident()
        return self.engine.run(self.request, self.watch)


def draw_together(jobs: Sequence[Job]) -> list[Future[Generation]]:
    """Draw jobs side by side; all have come before the first begins."""
    batcher = jobs[0].engine._batcher
    with ThreadPoolExecutor(len(jobs)) as threads:
        with batcher.seat():
            running = [threads.submit(job) for job in jobs]
            wait_until(lambda: len(batcher._ready) == len(jobs), every=0.001)
        return running


def test_latents_and_pictures_are_those_of_a_lone_run(
    engine: Engine, latents: dict[int, list[Tensor]]
) -> None:
    alone: dict[str, tuple[Generation, list[Tensor]]] = {}
    for name, request in COMPANY.items():
        alone[name] = engine.run(request), latents.pop(threading.get_ident())
    counts = replace(engine.call_counts)
    jobs = {name: Job(engine, request) for name, request in COMPANY.items()}
    drawn = draw_together([*jobs.values()])
    for (name, job), future in zip(jobs.items(), drawn, strict=True):
        own, seen = alone[name]
        for here, there in zip(latents[job.thread], seen, strict=True):
            assert float((here - there).abs().max()) <= LATENT_TOLERANCE, name
        for picture, lone in zip(future.result().pictures, own.pictures, strict=True):
            assert psnr(picture.image, lone.image) >= 60, name
            assert picture.infotext == lone.infotext
    assert engine.call_counts.shared > counts.shared + 3
    assert engine.call_counts.calls - counts.calls < 0.6 * counts.calls


def test_a_new_job_begins_within_two_steps_of_another(engine: Engine) -> None:
    steps: list[int] = []  # of the large job, at each call of its watch
    first_step: list[int] = []  # how many there were when the small job began its own
    arrived: list[int] = []
    small: list[Future[Generation]] = []
    batcher = engine._batcher

    def watch_small(progress: Progress, _: object) -> Stop:
        if progress.textinfo is None and not first_step:
            first_step.append(len(steps))
        return Stop.NO

    def watch_large(progress: Progress, _: object) -> Stop:
        steps.append(progress.step)
        if len(steps) == 8:
            small.append(threads.submit(Job(engine, PLAIN, watch_small)))
            wait_until(lambda: batcher._ready, every=0.001)
            arrived.append(len(steps))
        done = bool(small) and small[0].done()
        return Stop.INTERRUPT if done else Stop.NO

    with ThreadPoolExecutor(2) as threads:
        large = threads.submit(Job(engine, replace(PLAIN, batches=100), watch_large))
        assert large.result().stopped
    assert len(small[0].result().pictures) == 1
    assert first_step[0] - arrived[0] <= 2


def interrupts(progress: Progress, _: object) -> Stop:
    return Stop.INTERRUPT if progress.step == 2 else Stop.NO


def fails(progress: Progress, _: object) -> Stop:
    if progress.step == 2:
        raise KeyError("lost")
    return Stop.NO


def test_what_ends_one_leaves_the_others(engine: Engine) -> None:
    other = replace(PLAIN, sampling=Sampling("Euler", steps=9), seeds=Seeds(3))
    lone = [engine.run(PLAIN).pictures[0].image, engine.run(other).pictures[0].image]
    endless = replace(PLAIN, sampling=Sampling("Euler", steps=4, guidance=float("inf")))
    jobs = [
        Job(engine, PLAIN),
        Job(engine, PLAIN, interrupts),
        Job(engine, PLAIN, fails),
        Job(engine, endless),
        Job(engine, other),
    ]
    plain, stopped, failed, nan, last = draw_together(jobs)
    assert psnr(plain.result().pictures[0].image, lone[0]) >= 60
    assert psnr(last.result().pictures[0].image, lone[1]) >= 60
    assert stopped.result().stopped
    assert isinstance(failed.exception(), KeyError)
    assert isinstance(nan.exception(), NotANumber)


def test_a_deterministic_job_is_the_same_bit_for_bit(
    engine: Engine, latents: dict[int, list[Tensor]]
) -> None:
    request = replace(PLAIN, deterministic=True)
    engine.run(request)
    job = Job(engine, request)
    draw_together([Job(engine, PLAIN), job, Job(engine, PLAIN)])
    assert torch.equal(latents[job.thread][0], latents[threading.get_ident()][0])


def test_a_patched_network_is_shared_with_nobody(engine: Engine) -> None:
    engine.run(PLAIN)
    (file,) = engine._residency.files(ResidentKind.CHECKPOINT)
    unet = engine._checkpoints.load(file).checkpoint.unet
    handle = unet.mid_block.register_forward_hook(lambda _, __, output: output * 0)
    try:
        counts = replace(engine.call_counts)
        draw_together([Job(engine, PLAIN)] * 2)
        assert engine.call_counts == counts
    finally:
        handle.remove()
    draw_together([Job(engine, PLAIN)] * 2)
    assert engine.call_counts.shared > counts.shared


def test_texts_are_encoded_once_for_all_jobs(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Sequence[str]] = []
    encode = PromptEncoder._encode

    def counting(self: PromptEncoder, texts: Sequence[str]) -> KeptTexts:
        ran.append(texts)
        return encode(self, texts)

    monkeypatch.setattr(PromptEncoder, "_encode", counting)
    request = replace(PLAIN, prompt="a circle that nobody has drawn", negative_prompt="seen before")
    engine.run(request)
    engine.run(replace(request, seeds=Seeds(2)))
    assert ran == [["a circle that nobody has drawn"], ["seen before"]]
    skipping = replace(request.options, CLIP_stop_at_last_layers=2)
    engine.run(replace(request, options=skipping))
    assert len(ran) == 4


def test_the_cache_of_texts_keeps_what_was_used_last() -> None:
    one = KeptTexts(EncodedTexts(torch.zeros(1, 77, 8), None), ("word",))
    cache = TextCache(max_bytes=2 * one.size)
    for key in ("a", "b"):
        cache.keep(key, one)
    assert cache.find("a") is one
    cache.keep("c", one)
    assert [key for key in "abc" if cache.find(key)] == ["a", "c"]
    assert cache.size == 2 * one.size
