"""A job whose memory runs out takes smaller pieces, draws the same, and says so; others follow."""

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from generator import default_checkpoint
from generator.engine import Engine
from generator.memory_errors import find_memory_error
from generator.models.checkpoint import Checkpoint, load_vae
from generator.models.header import read_header
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.memory_relief import FREED, MemoryRelief
from generator.models.residency import ResidentKind
from generator.pictures.latents import TILED, decode_latents, encode_pictures
from generator.pictures.tiled_vae import join_tiles, tile_sides
from generator.request import ControlUnit, GenerationRequest, HiresFix, Sampling, Seeds, Snapshot
from generator.sampling.row_splitter import SPLIT
from tests.parity.compare import psnr
from tests.parity.service import build_engine

CPU = torch.device("cpu")
DEFAULT = Path(default_checkpoint.__file__).with_name("easel-default.safetensors")
BATCH = GenerationRequest(
    prompt="a red cat",
    seeds=Seeds(7),
    sampling=Sampling("Euler a", steps=3),
    width=64,
    height=64,
    batch_size=3,
    checkpoint="tinysd15",
    options=Snapshot(randn_source="CPU"),
)
Lacks = Callable[[int, tuple[Any, ...]], bool]  # the call's number from 1, its inputs


@pytest.fixture(scope="module")
def engine(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    torch.set_num_threads(1)
    return build_engine(goldens, tmp_path_factory.mktemp("data"))


def checkpoint_of(engine: Engine) -> Checkpoint:
    """The checkpoint in memory."""
    (file,) = engine._residency.files(ResidentKind.CHECKPOINT)
    return engine._checkpoints.load(file).checkpoint


@contextmanager
def memory_that_ends(network: nn.Module, lacks: Lacks) -> Iterator[None]:
    """Calls of ``network`` run out of memory where ``lacks`` says so, as a graphics card's do."""
    count = 0

    def before(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        nonlocal count
        count += 1
        if lacks(count, inputs):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.")

    hook = network.register_forward_pre_hook(before)
    try:
        yield
    finally:
        hook.remove()


def test_a_batch_is_split_and_the_pictures_stay(engine: Engine) -> None:
    engine.unload()
    plain = engine.run(BATCH)
    seen: list[int] = []

    def more_than_two(_: int, inputs: tuple[Any, ...]) -> bool:
        seen.append(len(inputs[0]))
        return len(inputs[0]) > 2

    with memory_that_ends(checkpoint_of(engine).unet, more_than_two):
        split = engine.run(BATCH)
    assert split.comments == (SPLIT,)
    assert seen[:3] == [6, 3, 2]  # three prompts and negatives at once, then halves
    assert set(seen[3:]) <= {1, 2}  # what did not fit once is not tried again
    for one, other in zip(plain.pictures, split.pictures, strict=True):
        assert psnr(one.image, other.image) >= 60
        assert one.infotext == other.infotext
    assert engine.run(BATCH).comments == ()


def needs_more_than_16_cells(_: int, inputs: tuple[Any, ...]) -> bool:
    channels, *sides = inputs[0].shape[1:]
    return max(sides) > 16 * (8 if channels == 3 else 1)


def test_the_vae_works_in_tiles(engine: Engine) -> None:
    fix = HiresFix(0.5, 1.5, upscaler="Lanczos")
    request = replace(BATCH, batch_size=1, width=128, height=96, hires=fix)
    engine.run(request)
    vae = checkpoint_of(engine).vae
    with (
        memory_that_ends(vae.decoder, needs_more_than_16_cells),
        memory_that_ends(vae.encoder, needs_more_than_16_cells),
    ):
        tiled = engine.run(request)
    assert tiled.comments == (TILED,)
    assert tiled.pictures[0].image.size == (192, 144)


def test_a_trained_vae_draws_nearly_the_same_in_tiles() -> None:
    size, metadata = DEFAULT.stat().st_size, read_header(DEFAULT).metadata
    file = ModelFile(ModelKind.CHECKPOINT, DEFAULT.name, DEFAULT, size, 0, 0, metadata=metadata)
    vae = load_vae(file, CPU, torch.float32)
    picture = Image.open(DEFAULT.with_name("grid.png")).convert("RGB").resize((256, 192))
    with torch.no_grad():
        latent = encode_pictures(vae, [picture])
        (whole,) = decode_latents(vae, latent)
        relief = MemoryRelief()
        with memory_that_ends(vae.decoder, needs_more_than_16_cells):
            (tiled,) = decode_latents(vae, latent, relief=relief)
        with memory_that_ends(vae.encoder, needs_more_than_16_cells):
            encoded = encode_pictures(vae, [picture], relief=relief)
        (again,) = decode_latents(vae, encoded)
    assert tuple(relief.remarks) == (TILED,)
    assert psnr(tiled, whole) >= 33
    assert psnr(again, whole) >= 33


def test_weights_that_the_job_does_not_need_go_first(engine: Engine) -> None:
    engine.unload()
    engine.run(replace(BATCH, checkpoint="tinysd15b"))
    plain = engine.run(BATCH)
    assert len(engine.loaded_checkpoints) == 2
    file = engine._residency.files(ResidentKind.CHECKPOINT)[0]
    unet = engine._checkpoints.load(file).checkpoint.unet
    with memory_that_ends(unet, lambda call, _: call == 2):
        freed = engine.run(BATCH)
    assert freed.comments == (FREED,)
    assert engine.loaded_checkpoints == (file.title,)
    assert psnr(plain.pictures[2].image, freed.pictures[2].image) >= 60


def test_draws_of_an_attempt_that_failed_are_taken_back(engine: Engine) -> None:
    picture = io.BytesIO()
    engine.run(replace(BATCH, batch_size=1)).pictures[0].image.save(picture, "PNG")
    unit = ControlUnit("reference_only", image=base64.b64encode(picture.getvalue()).decode())
    request = replace(BATCH, batch_size=2, controls=(unit,))
    engine.unload()
    plain = engine.run(request)
    with memory_that_ends(checkpoint_of(engine).unet, lambda call, _: call == 2):
        split = engine.run(request)
    assert split.comments == (SPLIT,)
    for one, other in zip(plain.pictures, split.pictures, strict=True):
        assert psnr(one.image, other.image) >= 60


def test_what_does_not_fit_at_all_is_an_error_and_the_next_job_draws(engine: Engine) -> None:
    engine.unload()
    plain = engine.run(BATCH)
    with (
        memory_that_ends(checkpoint_of(engine).unet, lambda *_: True),
        pytest.raises(torch.OutOfMemoryError) as caught,
    ):
        engine.run(BATCH)
    assert find_memory_error(caught.value)
    again = engine.run(BATCH)
    assert again.comments == ()
    assert psnr(plain.pictures[0].image, again.pictures[0].image) >= 60


def test_relief_tries_in_order_and_raises_what_is_no_lack_of_memory() -> None:
    log: list[str] = []

    def lacks(name: str) -> Callable[[], str]:
        def act() -> str:
            log.append(name)
            raise MemoryError(name)

        return act

    relief = MemoryRelief(lambda: log.append("free") or 5)
    found = relief.run(
        lacks("whole"), ("half", lacks("half")), ("tiny", lambda: "done"),
        restore=lambda: log.append("undo"),
    )  # fmt: skip
    assert found == "done"
    assert log == ["whole", "free", "undo", "whole", "undo", "half", "undo"]
    assert tuple(relief.remarks) == ("tiny",)
    with pytest.raises(MemoryError, match=r"first"):
        relief.run(lacks("first"), ("half", lacks("second")))
    with pytest.raises(KeyError):
        relief.run(lambda: {}["x"], ("never", lambda: pytest.fail("tried")))


def test_tiles_cover_every_cell_and_fade_without_a_seam() -> None:
    cells = torch.randn(1, 2, 37, 70, generator=torch.Generator().manual_seed(1))
    for side in tile_sides(37, 70):
        joined = join_tiles(lambda y, x: cells[..., y, x], (37, 70), side, 1)
        assert torch.allclose(joined, cells, atol=1e-5)
    assert tile_sides(16, 16) == ()
