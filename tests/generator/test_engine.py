"""The engine draws each picture alone, tells how far it is, and stops when asked.

That it draws what the reference drew is shown in tests/parity.
"""

import base64
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from generator.engine import Engine
from generator.errors import ModelNotFound, ModelUnreadable
from generator.request import (
    GenerationRequest,
    HiresFix,
    Mask,
    Origin,
    Progress,
    Sampling,
    Seeds,
    Snapshot,
    Stop,
)
from tests.image_compare import is_same_drawing
from tests.parity.compare import psnr
from tests.parity.service import build_engine


@pytest.fixture(scope="module")
def engine(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    torch.set_num_threads(1)
    return build_engine(goldens, tmp_path_factory.mktemp("data"))


@pytest.fixture
def small() -> GenerationRequest:
    return GenerationRequest(
        prompt="a red cat",
        seeds=Seeds(7),
        sampling=Sampling("Euler a", steps=4),
        width=64,
        height=64,
        checkpoint="tinysd15",
        options=Snapshot(randn_source="CPU"),
    )


def test_a_picture_is_the_same_alone_and_in_a_batch(
    engine: Engine, small: GenerationRequest
) -> None:
    batch = engine.run(replace(small, batch_size=4)).pictures
    alone = engine.run(replace(small, seeds=Seeds(9))).pictures[0]
    assert batch[2].seed == alone.seed == 9
    assert psnr(batch[2].image, alone.image) >= 60
    assert batch[2].infotext == alone.infotext
    assert psnr(batch[1].image, alone.image) < 40


def test_weights_are_bit_equal_after_a_lora(engine: Engine, small: GenerationRequest) -> None:
    before = engine.run(small).pictures[0].image
    changed = engine.run(replace(small, prompt="a red cat<lora:tinylora:1>")).pictures[0].image
    assert psnr(before, changed) < 40
    assert is_same_drawing(engine.run(small).pictures[0].image, before)


def test_a_missing_lora_is_a_comment(engine: Engine, small: GenerationRequest) -> None:
    drawn = engine.run(replace(small, prompt="a red cat<lora:nowhere:1>"))
    assert drawn.comments == ("Lora not found: nowhere",)
    assert is_same_drawing(drawn.pictures[0].image, engine.run(small).pictures[0].image)


def test_progress_is_told_step_by_step(engine: Engine, small: GenerationRequest) -> None:
    told: list[Progress] = []
    previews: list[Image.Image] = []

    def watch(progress: Progress, preview: Callable[[], Image.Image] | None) -> Stop:
        told.append(progress)
        if preview and progress.step == 3:
            previews.append(preview())
        return Stop.NO

    engine.run(replace(small, batches=2, batch_size=2), watch)
    steps = [(p.job, p.batch, p.step) for p in told if p.textinfo is None]
    assert ("Batch 1 out of 2", 0, 3) in steps
    assert ("Batch 2 out of 2", 1, 3) in steps
    assert all(p.batches == 2 and p.steps == 4 for p in told)
    assert [image.size for image in previews] == [(16, 8)] * 2
    assert np.asarray(previews[0]).std() > 0


def test_an_interrupt_returns_what_there_is(engine: Engine, small: GenerationRequest) -> None:
    def watch(progress: Progress, _: object) -> Stop:
        return Stop.INTERRUPT if (progress.batch, progress.step) == (1, 2) else Stop.NO

    drawn = engine.run(replace(small, batches=3), watch)
    assert drawn.stopped
    assert len(drawn.pictures) == 2
    whole = engine.run(replace(small, batches=2)).pictures
    assert is_same_drawing(drawn.pictures[0].image, whole[0].image)
    assert not is_same_drawing(drawn.pictures[1].image, whole[1].image)


def test_an_interrupt_between_batches_draws_no_more(
    engine: Engine, small: GenerationRequest
) -> None:
    def watch(progress: Progress, _: object) -> Stop:
        return Stop.INTERRUPT if progress.batch == 1 else Stop.NO

    drawn = engine.run(replace(small, batches=3), watch)
    assert drawn.stopped
    assert len(drawn.pictures) == 1


def test_a_skip_goes_on_with_the_next_batch(engine: Engine, small: GenerationRequest) -> None:
    def watch(progress: Progress, _: object) -> Stop:
        return Stop.SKIP if (progress.batch, progress.step) == (0, 1) else Stop.NO

    drawn = engine.run(replace(small, batches=2), watch)
    assert len(drawn.pictures) == 2
    assert not drawn.stopped


def test_a_watch_that_raises_fails_the_job(engine: Engine, small: GenerationRequest) -> None:
    def watch(_: Progress, __: object) -> Stop:
        raise KeyError("lost")

    with pytest.raises(KeyError, match=r"lost"):
        engine.run(small, watch)


def test_times_and_names_are_told(engine: Engine, small: GenerationRequest) -> None:
    drawn = engine.run(small)
    assert drawn.checkpoint_name == "tinysd15"
    assert drawn.checkpoint_hash == "3346f3a1dd"
    assert 0 < drawn.network_seconds < drawn.seconds
    assert engine.loaded_checkpoints == ("tinysd15.safetensors [3346f3a1dd]",)
    engine.unload()
    assert engine.loaded_checkpoints == ()


def test_an_unknown_checkpoint_is_named(engine: Engine, small: GenerationRequest) -> None:
    with pytest.raises(ModelNotFound, match=r"nothing-here"):
        engine.run(replace(small, checkpoint="nothing-here"))


def test_an_unknown_vae_is_named(engine: Engine, small: GenerationRequest) -> None:
    with pytest.raises(ModelNotFound, match=r"nothing-here"):
        engine.run(replace(small, vae="nothing-here"))


def test_a_replaced_checkpoint_is_drawn_with_at_its_next_use(
    goldens: Path, tmp_path: Path, small: GenerationRequest
) -> None:
    engine = build_engine(goldens, tmp_path)
    folder = tmp_path / "models/Stable-diffusion"
    first = engine.run(small)
    other = folder / "tinysd15b.safetensors"
    other.replace(folder / "tinysd15.safetensors")
    second = engine.run(small)
    assert second.checkpoint_hash == "4740314a9c"
    assert psnr(first.pictures[0].image, second.pictures[0].image) < 40
    (folder / "tinysd15.safetensors").write_bytes(b"garbage")
    with pytest.raises((ModelNotFound, ModelUnreadable)):
        engine.run(small)


def test_what_is_saved_beside_a_picture(engine: Engine, small: GenerationRequest) -> None:
    options = replace(
        small.options,
        save_mask=True,
        save_mask_composite=True,
        save_images_before_highres_fix=True,
    )
    larger = engine.run(replace(small, options=options, hires=HiresFix(0.5), batches=2))
    assert [(each.picture, each.suffix) for each in larger.asides] == [
        (0, "before-highres-fix"),
        (1, "before-highres-fix"),
    ]
    alone = engine.run(replace(small, seeds=Seeds(8))).pictures[0]
    assert psnr(larger.asides[1].image, alone.image) > 60
    mask = Mask(_png("white"), only_masked=False)
    origin = Origin((_png("red"),), mask=mask, fingerprint="0a1b")
    painted = engine.run(replace(small, options=options, origin=origin, batch_size=2))
    assert [(each.picture, each.suffix) for each in painted.asides] == [
        (0, "mask"),
        (0, "mask-composite"),
        (1, "mask"),
        (1, "mask-composite"),
    ]
    assert "Init image hash: 0a1b" in painted.pictures[0].infotext
    assert painted.maps == ()


def test_each_pass_tells_its_own_schedule(engine: Engine, small: GenerationRequest) -> None:
    drawn = engine.run(replace(small, hires=HiresFix(0.5, sampler="DPM++ 2M")))
    text = drawn.pictures[0].infotext
    assert "Sampler: Euler a, Schedule type: Automatic" in text
    assert "Hires sampler: DPM++ 2M, Hires schedule type: Karras" in text


def _png(colour: str) -> str:
    buffer = BytesIO()
    Image.new("RGB", (64, 64), colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
