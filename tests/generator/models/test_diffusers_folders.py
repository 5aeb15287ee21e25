"""A folder of diffusers is one checkpoint, and draws what the same weights in one file draw."""

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from generator.engine import Engine
from generator.errors import ModelNotFound, WrongArchitecture
from generator.model_tools.bases import BaseReader
from generator.model_tools.cards import CardNotes, list_names, read_card, write_notes
from generator.model_tools.door import check_at_door
from generator.model_tools.recipes import MergeMode, ModelRecipe
from generator.model_tools.report import ModelUses, compose_report
from generator.models.checkpoint import load_checkpoint
from generator.models.families.architecture import Architecture
from generator.models.families.family import Prediction
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.read_ahead import read_ahead
from generator.models.registry import Folders, HashCache, Registry
from generator.models.weight_sizes import expected_bytes
from generator.request import GenerationRequest, Sampling, Seeds, Snapshot
from tests.generator.models.diffusers_folders_made import save_folder, write_json
from tests.parity.compare import psnr
from tests.parity.recorded_xl import CHECKPOINTS, make_models

DEFAULT = Path(__file__).parents[3] / "generator/default_checkpoint/easel-default.safetensors"
MADE = ("tinyxl", "tinyxl_refiner", "tinyxl_v", "tinysd2_v")
REQUEST = GenerationRequest(
    "a red cat",
    Seeds(7),
    "dog",
    Sampling("Euler", steps=2),
    64,
    64,
    options=Snapshot(randn_source="CPU"),
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    data_dir = tmp_path_factory.mktemp("data")
    models = data_dir / CHECKPOINTS
    make_models(MADE, models)
    shutil.copy2(DEFAULT, models / "default.safetensors")
    registry = Registry(Folders.under(data_dir))
    for name in (*MADE, "default"):
        shard = "2MB" if name == "tinyxl" else "10GB"
        variant = "fp16" if name == "tinyxl_v" else None
        folder = models / f"folders/{name}.v1.5"
        save_folder(registry.find_checkpoint(name), folder, variant=variant, shard=shard)
    return data_dir


@pytest.fixture(scope="module")
def registry(data_dir: Path) -> Registry:
    return Registry(Folders.under(data_dir), HashCache(data_dir / "hashes.db"))


@pytest.fixture(scope="module")
def engine(registry: Registry) -> Engine:
    return Engine(registry)


@pytest.fixture
def copy(data_dir: Path, tmp_path: Path) -> Path:
    """A data directory of one's own with one folder, ``mine``, below the checkpoints."""
    source = data_dir / CHECKPOINTS / "folders/tinyxl.v1.5"
    return Path(shutil.copytree(source, tmp_path / CHECKPOINTS / "mine"))


def checkpoints(data_dir: Path) -> dict[str, ModelFile]:
    files = Registry(Folders.under(data_dir)).index.files_of(ModelKind.CHECKPOINT)
    return {file.name: file for file in files}


def reason(folder: Path) -> str:
    """Why the folder is not listed; it is the only thing there."""
    index = Registry(Folders.under(folder.parents[2])).index
    assert index.files_of(ModelKind.CHECKPOINT) == ()
    (told,) = index.rejected.values()
    assert str(folder) not in told
    with pytest.raises(ModelNotFound) as caught:
        index.find_checkpoint(folder.name)
    assert told in str(caught.value)
    return told


def test_each_is_one_checkpoint_of_its_kind(registry: Registry) -> None:
    files = {file.name: file for file in registry.index.files_of(ModelKind.CHECKPOINT)}
    folders = {name: file for name, file in files.items() if file.parts}
    assert set(folders) == {f"folders/{name}.v1.5" for name in (*MADE, "default")}
    assert len(files) == 2 * len(folders)
    assert registry.index.rejected == {}
    for name in (*MADE, "default"):
        folder, single = folders[f"folders/{name}.v1.5"], registry.find_checkpoint(name)
        if name != "tinyxl_refiner":
            assert folder.architecture is single.architecture
        assert folder.is_drawable
        assert registry.verdict(folder).fault == ""
        assert not registry.verdict(folder).lacks_vae
        assert folder.is_on_disk
        assert folder.stem == f"{name}.v1.5"
        assert registry.find_checkpoint(f"{name}.v1.5") is folder
    assert len(folders["folders/tinyxl.v1.5"].parts) > 4  # shards


@pytest.mark.parametrize("name", [*MADE, "default"])
def test_it_draws_what_the_file_draws(engine: Engine, name: str) -> None:
    def draw(checkpoint: str) -> Image.Image:
        return engine.run(replace(REQUEST, checkpoint=checkpoint)).pictures[0].image

    assert psnr(draw(f"{name}.v1.5"), draw(name)) >= 55


def test_its_configurations_tell_what_it_predicts(registry: Registry, copy: Path) -> None:
    loaded = load_checkpoint(registry.find_checkpoint("tinyxl_v.v1.5"), CPU, torch.float32)
    assert loaded.prediction is Prediction.V
    scheduler = copy / "scheduler/scheduler_config.json"
    write_json(scheduler, {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True})
    mine = load_checkpoint(checkpoints(copy.parents[2])["mine"], CPU, torch.float32)
    assert (mine.prediction, mine.zero_terminal_snr) == (Prediction.V, True)
    assert mine.vae.config.scaling_factor == pytest.approx(0.13025)
    write_json(
        scheduler,
        {"_class_name": "EDMDPMSolverMultistepScheduler", "sigma_max": 70.0, "sigma_min": 0.01,
         "sigma_data": 0.4, "prediction_type": "epsilon"},
    )  # fmt: skip
    config = json.loads((copy / "vae/config.json").read_text())
    statistics = {"latents_mean": [0.5] * 4, "latents_std": [[2.0]] * 4, "scaling_factor": 0.5}
    write_json(copy / "vae/config.json", config | statistics)
    mine = load_checkpoint(checkpoints(copy.parents[2])["mine"], CPU, torch.float32)
    assert mine.prediction is Prediction.EDM
    assert mine.edm is not None
    assert (mine.edm.sigma_min, mine.edm.sigma_max, mine.edm.sigma_data) == (0.01, 70.0, 0.4)
    assert (mine.latent.mean, mine.latent.deviation) == ((0.5,) * 4, (2.0,) * 4)


def test_its_hash_is_that_of_the_sums_of_its_files(registry: Registry) -> None:
    folder = registry.ensure_hashes(registry.find_checkpoint("default.v1.5"))
    names = sorted(part.path.relative_to(folder.path).as_posix() for part in folder.parts)
    printed = subprocess.run(
        ["sha256sum", *names], cwd=folder.path, check=True, capture_output=True
    ).stdout
    assert folder.sha256 == hashlib.sha256(printed).hexdigest()
    assert folder.title == f"folders/default.v1.5 [{folder.sha256[:10]}]"
    assert registry.find_checkpoint(folder.title) is folder


def test_what_changes_in_it_makes_it_another(copy: Path) -> None:
    data_dir = copy.parents[2]
    registry = Registry(Folders.under(data_dir))
    before = registry.find_checkpoint("mine")
    scheduler = copy / "scheduler/scheduler_config.json"
    scheduler.write_text(scheduler.read_text().replace("epsilon", "v_prediction"), "utf-8")
    assert not before.is_on_disk
    after = registry.find_checkpoint("mine")
    assert after.identity != before.identity
    shutil.rmtree(copy)
    assert not after.is_on_disk
    with pytest.raises(ModelNotFound):
        registry.find_checkpoint("mine")


def remove_a_shard(folder: Path) -> None:
    sorted((folder / "unet").glob("*-of-*.safetensors"))[0].unlink()


def cut_off_a_file(folder: Path) -> None:
    path = folder / "vae/diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def spoil_a_file(folder: Path) -> None:
    (folder / "text_encoder/model.safetensors").write_bytes(b"<html>no model</html>" * 9)


def keep_pickles_alone(folder: Path) -> None:
    for path in (folder / "text_encoder_2").glob("*.safetensors"):
        path.rename(path.with_suffix(".bin"))


def lead_nowhere(folder: Path) -> None:
    path = folder / "vae/diffusion_pytorch_model.safetensors"
    path.unlink()
    path.symlink_to(folder / "nothing")


def write_index(text: str) -> Any:
    return lambda folder: (folder / "model_index.json").write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (remove_a_shard, r"mine is incomplete: of its part unet \d+ of \d+ files"),
        (lambda folder: shutil.rmtree(folder / "vae"), "mine is incomplete: .*the part vae"),
        (cut_off_a_file, "mine/vae/diffusion_pytorch_model.safetensors: .*bytes are there"),
        (spoil_a_file, "mine/text_encoder/model.safetensors: no safetensors file"),
        (keep_pickles_alone, "mine: its part text_encoder_2 holds weights as .bin alone"),
        (lead_nowhere, "its link leads nowhere"),
        (write_index('{"unet": ["diff'), "mine: its model_index.json is no JSON object"),
        (write_index("[" * 100_000), "mine: its model_index.json is no JSON object"),
        (write_index('{"../../x": ["a", "b"]}'), "mine: its model_index.json names no network"),
        (write_index('{"unet": [null, null], "vae": 5}'), "names no network"),
    ],
)  # fmt: skip
def test_an_unfinished_or_broken_one_is_told_with_its_part(
    copy: Path, spoil: Any, told: str
) -> None:
    spoil(copy)
    reason_text = reason(copy)
    assert re.search(told, reason_text), reason_text


def test_without_its_index_no_network_of_it_is_a_checkpoint(copy: Path) -> None:
    (copy / "model_index.json").unlink()
    index = Registry(Folders.under(copy.parents[2])).index
    assert index.files_of(ModelKind.CHECKPOINT) == ()
    assert any("unet/diffusion_pytorch" in told for told in index.rejected.values())
    assert all("with its model_index.json" in told for told in index.rejected.values())


def test_weights_of_another_network_are_told_when_it_is_loaded(copy: Path) -> None:
    path = copy / "vae/diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    save_file({f"x.{name}": tensor for name, tensor in tensors.items()}, path)
    shutil.copy2(copy / "text_encoder/model.safetensors", copy / "text_encoder_2/model.safetensors")
    registry = Registry(Folders.under(copy.parents[2]))
    assert "mine" in registry.verdict(registry.find_checkpoint("mine")).fault


def test_one_of_another_family_is_listed_by_its_kind(tmp_path: Path) -> None:
    folder = tmp_path / CHECKPOINTS / "zimage"
    write_json(folder / "model_index.json", {"transformer": ["diffusers", "ZImage"]})
    (folder / "transformer").mkdir()
    names = ("cap_embedder.1.weight", "noise_refiner.0.attention.norm_k.weight")
    path = folder / "transformer/diffusion_pytorch_model.safetensors"
    save_file({name: torch.zeros(2) for name in names}, path)
    registry = Registry(Folders.under(tmp_path))
    file = registry.find_checkpoint("zimage")
    assert (file.architecture, file.is_drawable) == (Architecture.Z_IMAGE, False)
    assert "zimage" in registry.verdict(file).fault
    assert "Z-Image" in registry.verdict(file).fault


def test_tools_treat_it_as_one_model_or_say_that_they_cannot(copy: Path) -> None:
    data_dir = copy.parents[2]
    registry = Registry(Folders.under(data_dir))
    file = registry.find_checkpoint("mine")
    with pytest.raises(WrongArchitecture, match="mine is a folder of diffusers"):
        check_at_door(ModelRecipe(models=("mine",), mode=MergeMode.NO_INTERPOLATION), registry)
    report = compose_report(registry.index, ModelUses({}, {}, 1), BaseReader(), data_dir)
    (unused,) = report.unused or ()
    assert (unused.name, unused.size) == ("mine", file.size)
    assert file.size == sum(part.path.stat().st_size for part in file.parts)
    write_notes(file, CardNotes(notes="a folder"))
    assert read_card(file, list_names(file.path.parent)).notes.notes == "a folder"
    assert read_ahead(file, lambda: 1 << 60, lambda: False, lambda seconds: None)
    assert expected_bytes(file, torch.float32) > file.size * 0.9
