"""Merges and conversions: formulas, forms, metadata, refusals, interruption, memory."""

import json
import math
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from generator.errors import BadRequest, CannotSave, ModelUnreadable, WrongArchitecture
from generator.model_tools import write_model as writer
from generator.model_tools.recipes import (
    ConfigSource,
    EmaChoice,
    MergeMode,
    ModelRecipe,
    OutputForm,
    Precision,
)
from generator.model_tools.write_model import write_model
from generator.models.hashes import HashCache
from generator.models.kinds import ModelKind
from generator.models.registry import Folders, Registry
from generator.request import Progress, Stop

CONV = "model.diffusion_model.input_blocks.0.0.weight"
TEXT = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
VAE = "first_stage_model.decoder.conv_in.weight"
KEPT = "alphas_cumprod"
SD1: Mapping[str, tuple[int, ...]] = {
    CONV: (8, 4, 3, 3), TEXT: (8, 16), VAE: (8, 4, 3, 3), KEPT: (5,),
}  # fmt: skip
SUM, DIFFERENCE = MergeMode.WEIGHTED_SUM, MergeMode.ADD_DIFFERENCE


def tensors(
    seed: int, shapes: Mapping[str, tuple[int, ...]] = SD1, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    numbers = torch.Generator().manual_seed(seed)
    made = {name: torch.randn(shape, generator=numbers).to(dtype) for name, shape in shapes.items()}
    return {**made, IDS: torch.arange(7)[None]}


@pytest.fixture
def models(tmp_path: Path) -> Registry:
    folders = Folders.under(tmp_path)
    for folder in folders.folders_to_create():
        folder.mkdir(parents=True)
    kept = tmp_path / "kept"
    return Registry(folders, HashCache(tmp_path / "hashes.db"), kept_in=kept)


def place(models: Registry, name: str, kind: ModelKind = ModelKind.CHECKPOINT) -> Path:
    return models.folders.of(kind)[0] / name


def add(
    models: Registry, name: str, content: Mapping[str, Tensor], **metadata: str
) -> dict[str, Tensor]:
    save_file(dict(content), place(models, name), metadata=metadata or None)
    return dict(content)


def add_pickle(path: Path, content: object) -> None:
    torch.save(content, path)
    os.utime(path, (1e9, 1e9))  # still for long: it is listed at once


def made(models: Registry, recipe: ModelRecipe) -> dict[str, Tensor]:
    return load_file(write_model(recipe, models).path)


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return dict(file.metadata())


def test_weighted_sum_is_a1111s_formula(models: Registry) -> None:
    a, b = add(models, "a.safetensors", tensors(1)), add(models, "b.safetensors", tensors(2))
    written = write_model(ModelRecipe(("a", "b"), SUM, 0.3), models)
    merged = load_file(written.path)
    assert written.name == "0.7(a) + 0.3(b).safetensors"
    assert written.size == written.path.stat().st_size
    for name in (CONV, TEXT, VAE):
        assert torch.allclose(merged[name], 0.7 * a[name] + 0.3 * b[name], rtol=1e-6, atol=1e-7)
        assert not torch.allclose(merged[name], a[name], atol=1e-2)
    assert torch.equal(merged[KEPT], a[KEPT])  # no "model" in its name
    assert torch.equal(merged[IDS], a[IDS])
    assert models.refresh().find_checkpoint("0.7(a) + 0.3(b)").path == written.path


def test_difference_is_added_and_what_one_lacks_stays(models: Registry) -> None:
    only_a = {"model.extra.weight": torch.ones(2)}
    a = add(models, "a.safetensors", tensors(1) | only_a)
    b = add(models, "b.safetensors", tensors(2) | {"model.other.weight": torch.ones(2)})
    c = add(models, "c.safetensors", {k: v for k, v in tensors(3).items() if k != TEXT})
    written = write_model(ModelRecipe(("a", "b", "c"), DIFFERENCE, 1.0, name="mine"), models)
    merged = load_file(written.path)
    assert torch.allclose(merged[CONV], a[CONV] + (b[CONV] - c[CONV]), rtol=1e-6, atol=1e-6)
    assert torch.equal(merged[TEXT], a[TEXT])
    assert torch.equal(merged["model.extra.weight"], torch.ones(2))
    assert "model.other.weight" not in merged
    assert any("2 tensors are as in a.safetensors" in note for note in written.notes)


def test_half_precision_is_rounded_once(models: Registry) -> None:
    a = add(models, "a.safetensors", tensors(1, dtype=torch.float16))
    b = add(models, "b.safetensors", tensors(2))
    form = OutputForm(precision=Precision.FP16)
    merged = made(models, ModelRecipe(("a", "b"), SUM, 0.5, form=form))
    by_hand = (0.5 * a[CONV].float() + 0.5 * b[CONV]).half()
    assert merged[CONV].dtype is torch.float16
    assert torch.equal(merged[CONV], by_hand)
    kept = made(models, ModelRecipe(("b", "a"), SUM, 0.5, name="kept"))
    assert kept[CONV].dtype is torch.float32
    assert merged[KEPT].dtype is torch.float16
    both = made(
        models, ModelRecipe(("b", "a"), SUM, 0.5, name="bf", form=OutputForm(Precision.BF16))
    )
    assert both[CONV].dtype is torch.bfloat16
    assert both[KEPT].dtype is torch.float32  # a table of the schedule is no weight


def test_only_the_channels_that_b_has_change_in_an_inpainting_model(models: Registry) -> None:
    wide = {**SD1, CONV: (8, 9, 3, 3)}
    a, b = add(models, "a.safetensors", tensors(1, wide)), add(models, "b.safetensors", tensors(2))
    written = write_model(ModelRecipe(("a", "b"), SUM, 0.25, name="m"), models)
    merged = load_file(written.path)[CONV]
    assert written.name == "m.inpainting.safetensors"
    assert torch.allclose(merged[:, :4], 0.75 * a[CONV][:, :4] + 0.25 * b[CONV], atol=1e-6)
    assert torch.equal(merged[:, 4:], a[CONV][:, 4:])
    with pytest.raises(
        WrongArchitecture, match=r"A must be the inpainting model.*b\.safe.*a\.safe"
    ):
        write_model(ModelRecipe(("b", "a"), SUM), models)
    add(models, "edit.safetensors", tensors(3, {**SD1, CONV: (8, 8, 3, 3)}))
    written = write_model(ModelRecipe(("edit", "b"), SUM, name="m"), models)
    assert written.name == "m.instruct-pix2pix.safetensors"


def test_architectures_are_not_mixed(models: Registry) -> None:
    add(models, "a.safetensors", tensors(1))
    xl = {"conditioner.embedders.1.model.ln_final.weight": (4,), CONV: (8, 4, 3, 3)}
    add(models, "xl.safetensors", tensors(2, xl))
    add(models, "fat.safetensors", tensors(2, {**SD1, TEXT: (8, 32)}))
    for other, words in (
        ("xl", "xl.safetensors is Stable Diffusion XL"),
        ("fat", r"\[8, 32\] in fat"),
    ):
        with pytest.raises(WrongArchitecture, match=words) as refusal:
            write_model(ModelRecipe(("a", other), SUM), models)
        assert "a.safetensors" in str(refusal.value)
    assert sorted(p.name for p in place(models, "").iterdir()) == [
        "a.safetensors", "fat.safetensors", "xl.safetensors",
    ]  # fmt: skip


def test_the_recipe_stands_in_the_metadata(models: Registry) -> None:
    add(models, "a.safetensors", tensors(1), author="ann", format="pt")
    add(models, "b.safetensors", tensors(2), **{"modelspec.hash_sha256": "of b"})
    first = write_model(ModelRecipe(("a", "b"), SUM, 0.3, name="one"), models).path
    second = write_model(ModelRecipe(("one", "b"), SUM, 0.5, name="two"), models).path
    told, facts = json.loads(metadata_of(first)["sd_merge_recipe"]), metadata_of(second)
    hashes = {
        f.stem: f.sha256
        for f in map(models.ensure_hashes, models.refresh().files_of(ModelKind.CHECKPOINT))
    }
    assert facts["author"] == "ann"
    assert "modelspec.hash_sha256" not in facts
    assert (told["type"], told["interp_method"], told["multiplier"]) == (
        "webui",
        "Weighted sum",
        0.3,
    )
    assert told["primary_model_hash"] == hashes["a"]
    assert told["tertiary_model_hash"] is None
    history = json.loads(facts["sd_merge_models"])
    assert set(history) == {hashes["a"], hashes["b"], hashes["one"]}
    assert history[hashes["one"]]["sd_merge_recipe"]["primary_model_hash"] == hashes["a"]


def test_conversion_drops_what_a_training_keeps(models: Registry) -> None:
    averages = {"model_ema.diffusion_modelinput_blocks00weight": torch.full((8, 4, 3, 3), 2.0),
                "model_ema.decay": torch.tensor(0.9)}  # fmt: skip
    state = {"state_dict": tensors(1) | averages, "optimizer_states": [{"exp_avg": torch.ones(9)}]}
    add_pickle(place(models, "a.ckpt"), state)
    plain = made(models, ModelRecipe(("a",), form=OutputForm(Precision.FP16)))
    assert set(plain) == set(tensors(1))
    assert torch.equal(plain[CONV], tensors(1)[CONV].half())
    used = made(models, ModelRecipe(("a.ckpt",), name="u", form=OutputForm(ema=EmaChoice.USE)))
    assert torch.equal(used[CONV], torch.full((8, 4, 3, 3), 2.0))
    kept = made(models, ModelRecipe(("a.ckpt",), name="k", form=OutputForm(ema=EmaChoice.KEEP)))
    assert set(averages) <= set(kept)
    with pytest.raises(BadRequest, match="no running averages"):
        write_model(ModelRecipe(("u",), name="v", form=OutputForm(ema=EmaChoice.USE)), models)


def test_vae_is_baked_in(models: Registry) -> None:
    a = add(models, "a.safetensors", tensors(1))
    own = torch.full((8, 4, 3, 3), 7.0)
    vae_place = place(models, "v.safetensors", ModelKind.VAE)
    save_file({"decoder.conv_in.weight": own, "loss.logvar": torch.ones(1)}, vae_place)
    form = OutputForm(vae="v.safetensors", precision=Precision.FP16)
    baked = made(models, ModelRecipe(("a",), name="x", form=form))
    assert torch.equal(baked[VAE], own.half())
    assert torch.equal(baked[CONV], a[CONV].half())
    assert "first_stage_model.loss.logvar" not in baked
    save_file({"decoder.conv_in.weight": torch.ones(8, 16, 3, 3)}, vae_place)
    with pytest.raises(WrongArchitecture, match=r"\[8, 16, 3, 3\] in v\.safetensors"):
        write_model(ModelRecipe(("a",), name="y", form=form), models)


def test_what_is_discarded_and_copied(models: Registry) -> None:
    add(models, "a.safetensors", tensors(1))
    place(models, "a.yaml").write_text("model: {}")
    written = write_model(
        ModelRecipe(("a",), name="b", form=OutputForm(discard="^first_stage")), models
    )
    assert VAE not in load_file(written.path)
    assert place(models, "b.yaml").read_text() == "model: {}"
    none = OutputForm(config=ConfigSource.NONE)
    write_model(ModelRecipe(("a",), name="c", form=none), models)
    assert not place(models, "c.yaml").exists()
    for expression, words in (("(", "no regular expression"), (".*", "nothing is left")):
        with pytest.raises(BadRequest, match=words):
            write_model(ModelRecipe(("a",), name="d", form=OutputForm(discard=expression)), models)


def test_numbers_that_fp16_cannot_hold_are_refused_and_nan_is_told(models: Registry) -> None:
    add(models, "big.safetensors", tensors(1) | {TEXT: torch.full((8, 16), 1e6)})
    add(models, "nan.safetensors", tensors(1) | {TEXT: torch.full((8, 16), math.nan)})
    form = OutputForm(Precision.FP16)
    with pytest.raises(BadRequest, match="beyond 65504"):
        write_model(ModelRecipe(("big",), form=form), models)
    assert not list(place(models, "").glob(".*"))
    written = write_model(ModelRecipe(("nan",), form=form), models)
    assert any("hold NaN" in note for note in written.notes)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (ModelRecipe(("a",), SUM), "takes 2 models"),
        (ModelRecipe(("a", "a"), SUM, math.nan), "multiplier"),
        (ModelRecipe(("a", "none"), SUM), "There is no checkpoint 'none'"),
        (ModelRecipe(("a",), name="a"), "is there already"),
        (ModelRecipe(("a",), name="../a"), "no name of a file"),
        (ModelRecipe(("a",), name="é" * 200), "too long"),
        (ModelRecipe(("a",), name="x", form=OutputForm(vae="none")), "no vae .*none"),
    ],
)
def test_recipes_that_cannot_be(models: Registry, recipe: ModelRecipe, words: str) -> None:
    add(models, "a.safetensors", tensors(1))
    with pytest.raises(BadRequest, match=words):
        write_model(recipe, models)


def test_a_file_may_be_replaced_by_its_own_conversion(models: Registry) -> None:
    a = add(models, "a.safetensors", tensors(1))
    recipe = ModelRecipe(("a",), name="a", form=OutputForm(Precision.FP16), overwrite=True)
    assert torch.equal(made(models, recipe)[CONV], a[CONV].half())


def test_interruption_leaves_nothing(models: Registry) -> None:
    add(models, "a.safetensors", tensors(1))
    seen: list[Progress] = []

    def watch(progress: Progress, preview: object) -> Stop:
        seen.append(progress)
        return Stop.INTERRUPT if progress.textinfo == "Writing the model" else Stop.NO

    written = write_model(ModelRecipe(("a",), name="b"), models, watch)
    assert written.interrupted
    assert [p.name for p in place(models, "").iterdir()] == ["a.safetensors"]
    assert seen[-1].job == "convert"


def test_a_full_disk_and_damaged_files_are_told(
    models: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(models, "a.safetensors", tensors(1))
    usage = writer.shutil.disk_usage("/")
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda _: usage._replace(free=1))
    with pytest.raises(CannotSave, match="1 are free"):
        write_model(ModelRecipe(("a",), name="b"), models)
    file = models.find_checkpoint("a")
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[:-1])
    monkeypatch.setattr(Registry, "find_chosen", lambda self, name: file)
    with pytest.raises(ModelUnreadable, match=r"a\.safetensors"):
        write_model(ModelRecipe(("a",), name="b"), models)
    add(models, "q.safetensors", {f"{CONV[:-7]}.scale_weight": torch.ones(1)})
    monkeypatch.undo()
    with pytest.raises(WrongArchitecture, match=r"q\.safetensors is quantised as scaled float8"):
        write_model(ModelRecipe(("q",), name="b"), models)


MEASURE = """
import sys, torch
from pathlib import Path
from generator.model_tools.recipes import MergeMode, ModelRecipe
from generator.model_tools.write_model import write_model
from generator.models.registry import Folders, Registry
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(l for l in lines if l.startswith("VmHWM")).split()[1]) // 1024
registry = Registry(Folders.under(Path(sys.argv[1])))
(torch.ones(9) * 0.5 + 1).half()
before = peak()
write_model(ModelRecipe(("a", "b", "c"), MergeMode.ADD_DIFFERENCE, name="m"), registry)
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_models(models: Registry, tmp_path: Path) -> None:
    size = 128 << 20  # bytes, of one tensor
    shapes = {CONV: [8, 4, 3, 3], "model.diffusion_model.large.weight": [size // 2]}
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    for name in "abc":
        with place(models, f"{name}.safetensors").open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + end)  # zeros, which take no disk
    words = [sys.executable, "-c", MEASURE, str(tmp_path)]
    told = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert int(told.stdout) < 64  # MiB; one model has 128


def test_other_kinds_are_converted_too(models: Registry) -> None:
    lora = {"lora_unet_x.lora_up.weight": torch.randn(4, 2), "lora_unet_x.alpha": torch.tensor(2.0)}
    add_pickle(place(models, "l.pt", ModelKind.LORA), lora)
    recipe = ModelRecipe(("l",), kind=ModelKind.LORA, form=OutputForm(Precision.FP16))
    written = write_model(replace(recipe, note_recipe=False), models)
    assert written.path == place(models, "l.safetensors", ModelKind.LORA)
    converted = load_file(written.path)
    assert converted["lora_unet_x.lora_up.weight"].dtype is torch.float16
    assert converted["lora_unet_x.alpha"].dtype is torch.float32
    assert "sd_merge_recipe" not in metadata_of(written.path)
