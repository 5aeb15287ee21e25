"""Refiner, hires fix and img2img inside a job: batches, stops, neighbours, NaN."""

import base64
import gc
import io
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from generator.engine import Engine
from generator.errors import NotANumber
from generator.img2img import init_images
from generator.job.loaded_model import LoadedModel, ModelComponents
from generator.job.passes import PassPlan
from generator.models import checkpoint_cache
from generator.models.checkpoint import Checkpoint, load_checkpoint
from generator.models.registry import Folders, Registry
from generator.request import (
    GenerationRequest,
    HiresFix,
    Mask,
    Origin,
    Progress,
    Refiner,
    Sampling,
    Seeds,
    Snapshot,
    SoftInpainting,
    Stop,
)
from generator.sampling.sampler_names import SAMPLER_NAMES
from tests.image_compare import is_same_drawing
from tests.parity.compare import psnr
from tests.parity.service import build_engine


@pytest.fixture(scope="module")
def engine(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    torch.set_num_threads(1)
    return build_engine(goldens, tmp_path_factory.mktemp("data"))


def base64_of(image: Image.Image) -> str:
    data = io.BytesIO()
    image.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def gradient() -> Image.Image:
    return Image.merge(
        "RGB", [Image.linear_gradient("L").resize((64, 64)).rotate(a) for a in (0, 90, 180)]
    )


def box() -> Image.Image:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 40))
    return mask


TXT = GenerationRequest(
    prompt="a red cat",
    negative_prompt="blurry",
    seeds=Seeds(7),
    sampling=Sampling("Euler", steps=4),
    width=64,
    height=64,
    checkpoint="tinysd15",
    options=Snapshot(randn_source="CPU"),
)
REFINED = replace(TXT, refiner=Refiner("tinysd15b", 0.3))
IMG = replace(TXT, origin=Origin((base64_of(gradient()),), 0.75))
PAINT = replace(TXT, origin=replace(IMG.origin, mask=Mask(base64_of(box()))))
HIRES = replace(TXT, hires=HiresFix(0.6, 1.5))
JOBS = {
    "refiner": REFINED,
    "img2img": IMG,
    "inpaint": PAINT,
    "latent noise": replace(
        PAINT, origin=replace(PAINT.origin, mask=Mask(base64_of(box()), fill=2))
    ),
    "soft": replace(PAINT, soft_inpainting=SoftInpainting()),
    "colours": replace(IMG, options=replace(IMG.options, img2img_color_correction=True)),
    "hires": HIRES,
    "hires by picture": replace(TXT, hires=HiresFix(0.6, 1.5, upscaler="Lanczos")),
    "token merging": replace(TXT, options=replace(TXT.options, token_merging_ratio=0.5)),
    "adaptive refiner": replace(
        IMG,
        refiner=Refiner("tinysd15b", 0.99),
        sampling=Sampling("DPM adaptive", steps=30),
        origin=replace(IMG.origin, strength=0.05),  # few steps
    ),
}


# DPM adaptive takes the steps that suit its whole batch.
STEADY = [s.name for s in SAMPLER_NAMES if s.name != "DPM adaptive"]


@pytest.mark.parametrize("name", STEADY)
def test_no_sampler_lets_neighbours_in(engine: Engine, name: str) -> None:
    request = replace(TXT, sampling=Sampling(name, steps=3))
    batch = engine.run(replace(request, batch_size=4)).pictures
    alone = engine.run(replace(request, seeds=Seeds(8))).pictures[0]
    assert batch[1].seed == 8
    assert psnr(batch[1].image, alone.image) >= 60
    assert psnr(batch[0].image, alone.image) < 40


@pytest.mark.parametrize(
    "name", [name for name in JOBS if name not in ("latent noise", "adaptive refiner")]
)
def test_no_pass_lets_neighbours_in(engine: Engine, name: str) -> None:
    batch = engine.run(replace(JOBS[name], batch_size=2)).pictures
    alone = engine.run(replace(JOBS[name], seeds=Seeds(8))).pictures[0]
    assert psnr(batch[1].image, alone.image) >= 60
    assert batch[1].infotext == alone.infotext


@pytest.mark.parametrize("name", ["refiner", "soft", "hires", "token merging"])
def test_each_batch_starts_afresh(engine: Engine, name: str) -> None:
    second = engine.run(replace(JOBS[name], batches=2)).pictures[1]
    alone = engine.run(replace(JOBS[name], seeds=Seeds(8))).pictures[0]
    assert psnr(second.image, alone.image) >= 60


def test_latent_noise_is_the_first_batchs(engine: Engine) -> None:
    """As in AUTOMATIC1111 (contract section 3.5)."""
    second = engine.run(replace(JOBS["latent noise"], batches=2)).pictures[1]
    alone = engine.run(replace(JOBS["latent noise"], seeds=Seeds(8))).pictures[0]
    assert psnr(second.image, alone.image) < 40


def test_pictures_are_encoded_once_a_job(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    encode = init_images.encode_pixels

    def count_and_encode(*arguments: object) -> torch.Tensor:
        nonlocal count
        count += 1
        return encode(*arguments)

    monkeypatch.setattr(init_images, "encode_pixels", count_and_encode)
    assert len(engine.run(replace(PAINT, batches=3, batch_size=2)).pictures) == 6
    assert count == 1


def test_a_refiner_takes_over_with_the_prompts_networks(engine: Engine) -> None:
    plain, refined = (engine.run(r).pictures[0] for r in (TXT, REFINED))
    assert psnr(plain.image, refined.image) < 40
    assert "Refiner: tinysd15b [4740314a9c], Refiner switch at: 0.3" in refined.infotext
    lora = replace(REFINED, prompt="a red cat<lora:tinylora:1>")
    assert psnr(engine.run(lora).pictures[0].image, refined.image) < 40
    for request, before in ((TXT, plain), (REFINED, refined)):
        assert is_same_drawing(engine.run(request).pictures[0].image, before.image)


def test_a_refiner_that_never_acts_is_not_mentioned(engine: Engine) -> None:
    for refiner in (Refiner("tinysd15b", 1.0), Refiner("tinysd15", 0.3)):
        found = engine.run(replace(TXT, refiner=refiner)).pictures[0]
        assert "Refiner" not in found.infotext
        assert is_same_drawing(found.image, engine.run(TXT).pictures[0].image)


@pytest.mark.parametrize("acts", ["first pass", "second pass", "both passes"])
def test_a_refiner_acts_in_the_passes_it_is_asked_for(
    engine: Engine, acts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches, used = [0], []  # batches as the watch sees them; checkpoints with their batch
    use = LoadedModel.use

    def note_use(model: LoadedModel, plan: PassPlan) -> ModelComponents:
        used.append((plan.checkpoint, batches[-1]))
        return use(model, plan)

    def watch(progress: Progress, _: object) -> Stop:
        batches.append(progress.batch)
        return Stop.NO

    monkeypatch.setattr(LoadedModel, "use", note_use)

    request = replace(HIRES, refiner=REFINED.refiner)
    options = replace(request.options, hires_fix_refiner_pass=acts)
    found = engine.run(replace(request, options=options), watch).pictures[0]
    refined = {batch for checkpoint, batch in used if "tinysd15b" in checkpoint}
    assert refined == {"first pass": {0}, "second pass": {1}, "both passes": {0, 1}}[acts]
    assert (f"Hires refiner: {acts}" in found.infotext) == (acts != "second pass")


def stopping(batch: int, step: int, how: Stop) -> Callable[..., Stop]:
    return lambda progress, _: how if (progress.batch, progress.step) == (batch, step) else Stop.NO


def test_an_interrupt_in_the_first_pass_skips_the_second(engine: Engine) -> None:
    found = engine.run(replace(HIRES, batches=2), stopping(0, 2, Stop.INTERRUPT))
    assert found.stopped
    assert [p.image.size for p in found.pictures] == [(64, 64)]


def test_an_interrupt_in_the_second_pass_keeps_its_size(engine: Engine) -> None:
    found = engine.run(replace(HIRES, batches=2), stopping(1, 2, Stop.INTERRUPT))
    assert found.stopped
    assert [p.image.size for p in found.pictures] == [(96, 96)]


@pytest.mark.parametrize("name", ["refiner", "soft", "hires"])
def test_a_skip_goes_on_with_the_next_batch(engine: Engine, name: str) -> None:
    request = replace(JOBS[name], batches=2, batch_size=2)
    found = engine.run(request, stopping(0, 1, Stop.SKIP))
    assert not found.stopped
    assert len(found.pictures) == 4
    whole = engine.run(request).pictures
    assert found.pictures[0].image.tobytes() != whole[0].image.tobytes()
    assert psnr(found.pictures[3].image, whole[3].image) >= 60


def test_a_skip_ends_the_batch_of_an_adaptive_sampler(engine: Engine) -> None:
    request = replace(JOBS["adaptive refiner"], batch_size=2)
    found = engine.run(request, stopping(0, 1, Stop.SKIP))
    assert len(found.pictures) == 2
    assert not found.stopped


def test_masks_are_answered_where_asked(engine: Engine) -> None:
    options = replace(PAINT.options, return_mask=True, return_mask_composite=True)
    found = engine.run(replace(PAINT, options=options, batches=2))
    assert [image.mode for image in found.maps] == ["RGB", "RGBA"] * 2
    assert len(found.pictures) == 2
    assert engine.run(PAINT).maps == ()


def test_colours_of_another_picture_can_be_kept(engine: Engine) -> None:
    red = base64_of(Image.new("RGB", (64, 64), "#c02020"))
    request = replace(JOBS["colours"], origin=replace(IMG.origin, colours=red))
    own, other = (engine.run(r).pictures[0].image for r in (JOBS["colours"], request))
    assert psnr(own, other) < 30


@pytest.fixture
def broken_registry(goldens: Path, tmp_path: Path) -> Registry:
    """A checkpoint with a NaN in its U-Net."""
    folder = tmp_path / "models/Stable-diffusion"
    folder.mkdir(parents=True)
    tensors = load_file(goldens / "checkpoint/tinysd15.safetensors")
    tensors["model.diffusion_model.out.2.bias"][0] = torch.nan
    save_file(tensors, folder / "broken.safetensors")
    (folder / "broken.yaml").write_bytes((goldens / "checkpoint/tinysd15.yaml").read_bytes())
    return Registry(Folders.under(tmp_path), None)


def test_nan_is_refused_unless_nobody_looks(broken_registry: Registry) -> None:
    request = replace(TXT, checkpoint="broken")
    with pytest.raises(NotANumber, match=r"NaNs was produced in Unet.*--disable-nan-check"):
        Engine(broken_registry).run(request)
    assert len(Engine(broken_registry, check_nan=False).run(request).pictures) == 1


def test_one_checkpoint_leaves_before_another_comes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[weakref.ref[torch.nn.Module]] = []
    still: list[int] = []

    def load(*arguments: object) -> Checkpoint:
        gc.collect()
        still.append(sum(unet() is not None for unet in drawn))
        found = load_checkpoint(*arguments)
        drawn.append(weakref.ref(found.unet))
        return found

    engine.unload()
    monkeypatch.setattr(checkpoint_cache, "load_checkpoint", load)
    refined = replace(
        REFINED, batches=2, options=replace(REFINED.options, sd_checkpoints_keep_in_cpu=False)
    )
    engine.run(replace(refined, hires=HiresFix(0.6, 1.5, checkpoint="tinysd15b")))
    engine.run(refined)
    assert len(still) > 4
    assert set(still) == {0}
