"""The report of models: sizes, duplicates, what no picture names, LoRA without a base."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from generator.model_tools.bases import BaseReader, base_of_adapter
from generator.model_tools.report import ModelReport, ModelUses, compose_report
from generator.model_tools.report_text import report_lines, to_size
from generator.models.families.architecture import Architecture
from generator.models.hashes import HashCache
from generator.models.kinds import ModelKind
from generator.models.registry import Folders, Registry

CONV = "model.diffusion_model.input_blocks.0.0.weight"
SD1 = {CONV: (2, 4, 3, 3), "model.diffusion_model.x.attn2.to_k.weight": (4, 768)}
SD1_LORA = {"lora_unet_x_attn2_to_k.lora_down.weight": (4, 768)}
XL_LORA = {"lora_unet_x_attn2_to_k.lora_down.weight": (4, 2048)}
ODD_LORA = {"lora_te_text_model_x.lora_down.weight": (4, 768)}


def add(folder: Path, name: str, shapes: Mapping[str, tuple[int, ...]], number: float = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: torch.full(shape, number) for key, shape in shapes.items()}, folder / name)
    return folder / name


@pytest.fixture
def models(tmp_path: Path) -> Registry:
    checkpoints, loras = tmp_path / "models/Stable-diffusion", tmp_path / "models/Lora"
    one = add(checkpoints, "one.safetensors", SD1)
    add(checkpoints, "same.safetensors", SD1)
    add(checkpoints, "other.safetensors", SD1, 2)
    (checkpoints / "link.safetensors").symlink_to(one)
    add(loras, "fits.safetensors", SD1_LORA)
    add(loras, "xl.safetensors", XL_LORA)
    add(loras, "odd.safetensors", ODD_LORA)
    (loras / "page.safetensors").write_text("<!DOCTYPE html><html>404</html>")
    registry = Registry(Folders.under(tmp_path), HashCache(tmp_path / "hashes.db"))
    registry.refresh()
    return registry


def report(models: Registry, uses: ModelUses | None = None, hashed: bool = True) -> ModelReport:
    files = [f for of_kind in models.index.files.values() for f in of_kind]
    for file in files if hashed else ():
        models.ensure_hashes(file)
    return compose_report(models.index, uses, BaseReader(), models.folders.of(ModelKind.LORA)[0])


def test_equal_files_are_found_and_links_are_none(models: Registry) -> None:
    (group,) = report(models).duplicates
    size = os.path.getsize(models.find_checkpoint("one").path)
    assert {model.name for model in group.models} <= {
        "one.safetensors",
        "same.safetensors",
        "link.safetensors",
    }
    assert len(group.models) == 2
    assert group.spare == size
    early = report(Registry(models.folders), hashed=False)
    assert early.duplicates == ()
    assert early.unhashed >= 3  # the three checkpoints, which are of one size


def test_sizes_count_a_file_once(models: Registry) -> None:
    kinds = {each.kind: each for each in report(models).kinds}
    size = os.path.getsize(models.find_checkpoint("one").path)
    assert (kinds[ModelKind.CHECKPOINT].files, kinds[ModelKind.CHECKPOINT].size) == (4, 3 * size)


def test_what_no_picture_and_no_job_names_is_unused(models: Registry) -> None:
    told = report(models, ModelUses({"one": 3, "same.safetensors [0123456789]": 1}, {"fits": 1}, 4))
    assert told.pictures == 4
    names = {model.name for model in told.unused or ()}
    assert names == {"other.safetensors", "link.safetensors", "xl.safetensors", "odd.safetensors"}
    assert report(models).unused is None


def test_a_lora_whose_base_is_not_here_is_told(models: Registry) -> None:
    (alone,) = report(models).baseless
    assert (alone.model.name, alone.base) == ("xl.safetensors", Architecture.SDXL.label)


@pytest.mark.parametrize(
    ("shapes", "base"),
    [
        (SD1_LORA, Architecture.SD1),
        ({"unet.x.attn2.to_k.lora_A.weight": (4, 1024)}, Architecture.SD2),
        ({"lora_te2_text_model_x.lora_down.weight": (4, 1280)}, Architecture.SDXL),
        ({"lora_unet_double_blocks_0_x.lora_down.weight": (4, 3072)}, Architecture.FLUX),
        (ODD_LORA, None),
        ({}, None),
    ],
)
def test_the_base_of_an_adapter_is_told_by_names_and_sizes(
    shapes: Mapping[str, tuple[int, ...]], base: Architecture | None
) -> None:
    assert base_of_adapter(shapes) is base


def test_the_report_as_lines(models: Registry) -> None:
    text = "\n".join(report_lines(report(models, ModelUses({"one": 3}, {}, 2))))
    for words in (
        "checkpoint            4", "could be spared", "Never used (by what 2 saved pictures",
        "xl.safetensors: made for Stable Diffusion XL", "page.safetensors: no safe",
    ):  # fmt: skip
        assert words in text, text
    assert "Never used: not known" in "\n".join(report_lines(report(models)))
    assert [to_size(n) for n in (512, 2048, 3 << 40)] == ["512 B", "2.0 KiB", "3.0 TiB"]


def test_what_lies_among_checkpoints_and_is_none_is_told(models: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "models/Stable-diffusion"
    add(folder, "stray.safetensors", XL_LORA)
    add(folder, "strange.safetensors", {"alpha": (2, 2)})
    models.refresh()
    told = report(models)
    (stray,) = told.misplaced
    assert (stray.model.name, stray.found, stray.folder) == (
        "stray.safetensors", "a LoRA", "models/Lora",
    )  # fmt: skip
    line = "  stray.safetensors: a LoRA, not a checkpoint; move it to models/Lora"
    assert line in report_lines(told)
    verdict = models.verdict(models.find_checkpoint("stray"))
    assert "move the file to models/Lora" in verdict.fault


def test_headers_are_read_for_a_while_and_what_trainers_note_needs_none(tmp_path: Path) -> None:
    loras = tmp_path / "models/Lora"
    for name in "abc":
        add(loras, f"{name}.safetensors", XL_LORA)
    save_file({"x": torch.ones(1)}, loras / "n.safetensors", {"ss_base_model_version": "sd_v1"})
    index = Registry(Folders.under(tmp_path)).refresh()
    seconds = iter(range(100))
    bases = BaseReader(lambda: next(seconds))
    told = compose_report(index, None, bases, tmp_path, 2)
    assert (len(told.baseless), told.unjudged) == (2, 2)  # one was read, another says its base
    assert compose_report(index, None, bases, tmp_path, 9).unjudged == 0
    assert bases.base_of(index.find_lora("n")) is Architecture.SD1
