"""Every loader of weights answers a changed file with a network, or with its own error."""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from generator.control.controlnets import load_controlnet
from generator.errors import ModelUnreadable, WrongArchitecture
from generator.models.adapter_files import read_adapter
from generator.models.adapters import AppliedAdapter, apply_adapters
from generator.models.checkpoint import Checkpoint, load_checkpoint, load_vae
from generator.models.embeddings import read_embedding
from generator.models.hypernetworks import read_hypernetwork
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.weights import read_tensors
from generator.pictures.upscalers import _load_upscaler as load_upscaler
from tests.conftest import ROOT

PLACE = (torch.device("cpu"), torch.float32)
Load = Callable[[ModelFile], object]
Tensors = dict[str, Tensor]
KINDS: dict[str, tuple[str, int, Load]] = {  # a good file, how many changes, its loader
    "embedding": ("tinyemb.safetensors", 60, read_embedding),
    "hypernetwork": ("tinyhyper.pt", 15, lambda file: read_hypernetwork(file, *PLACE)),
    "vae": ("tinyvae.safetensors", 4, lambda file: load_vae(file, *PLACE)),
    "control": ("tiny_control_canny.safetensors", 3, lambda file: load_controlnet(file, *PLACE)),
    "checkpoint": ("tinysd15.safetensors", 2, lambda file: load_checkpoint(file, *PLACE)),
    "upscaler": ("", 12, lambda file: load_upscaler(file, PLACE[0])),
}
ADAPTERS = ("tinylora", "tinyloha", "tinylokr", "tinylocon")


def old_esrgan() -> Tensors:
    """Names and sizes of a small ESRGAN."""
    names = {"model.0.weight": (8, 3, 3, 3), "model.1.sub.0.RDB1.conv1.0.weight": (4, 8, 3, 3)}
    return {name: torch.zeros(shape) for name, shape in names.items()}


def damage_tensors(tensors: Tensors, dice: random.Random) -> Tensors:
    """A few tensors gone, renamed, of another size, type or content."""
    result = dict(tensors)
    for _ in range(dice.randint(1, 3)):
        name = dice.choice(sorted(result))
        tensor = result[name]
        what = dice.randrange(8)
        if what == 0:
            del result[name]
        elif what == 1:
            result[name] = torch.tensor(1.0)
        elif what == 2:
            result[name] = torch.zeros(0, *tensor.shape[1:])
        elif what == 3:
            result[name] = torch.zeros(*tensor.shape, 2)
        elif what == 4:
            result[f"{name}.{dice.randrange(10**9)}.weight"] = result.pop(name)
        elif what == 5:
            result[name] = torch.zeros(3, dtype=torch.int64)
        elif what == 6:
            result[name.replace("0", "9999999", 1)] = result.pop(name)
        else:
            result[name] = torch.full_like(tensor.float(), float("nan"))
        if not result:
            return {"w": torch.zeros(1)}
    return {name: tensor.contiguous() for name, tensor in result.items()}


def write_file(tensors: Tensors, path: Path) -> ModelFile:
    """The tensors as a file of the index."""
    save_file(tensors, path)
    stat = path.stat()
    return ModelFile(
        ModelKind.LORA, path.name, path, stat.st_size, stat.st_mtime_ns, stat.st_ino
    )  # the kind is of no account to a loader


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_file_is_loaded_or_refused(goldens: Path, tmp_path: Path, kind: str) -> None:
    name, count, load = KINDS[kind]
    tensors = read_tensors(goldens / "checkpoint" / name) if name else old_esrgan()
    refused = 0
    for seed in range(count):
        file = write_file(
            damage_tensors(tensors, random.Random(seed)), tmp_path / f"{seed}.safetensors"
        )
        try:
            load(file)
        except (ModelUnreadable, WrongArchitecture) as error:
            refused += 1
            assert len(str(error)) < 2000  # noqa: PT017 - some load
        file.path.unlink()
    assert refused > count // 4


@pytest.fixture(scope="module")
def checkpoint(goldens: Path) -> Checkpoint:
    path = goldens / "checkpoint/tinysd15.safetensors"
    stat = path.stat()
    file = ModelFile(
        ModelKind.CHECKPOINT, path.name, path, stat.st_size, stat.st_mtime_ns, stat.st_ino
    )
    return load_checkpoint(file, *PLACE)


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_changed_adapter_is_added_or_refused(
    goldens: Path, tmp_path: Path, checkpoint: Checkpoint, name: str
) -> None:
    tensors = read_tensors(goldens / f"checkpoint/{name}.safetensors")
    before = {key: tensor.clone() for key, tensor in checkpoint.unet.state_dict().items()}
    for seed in range(4):
        file = write_file(
            damage_tensors(tensors, random.Random(seed)), tmp_path / f"{seed}.safetensors"
        )
        try:
            with apply_adapters(checkpoint, [AppliedAdapter(read_adapter(file))]):
                pass
        except (ModelUnreadable, WrongArchitecture):
            continue
    after = checkpoint.unet.state_dict()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())


def test_reading_a_file_again_and_again_leaves_no_objects_behind() -> None:
    path = ROOT / "generator/default_checkpoint/companions/easel-snail.safetensors"
    counts = []
    for _ in range(4):
        tensors = len(read_tensors(path))
        counts.append(sys.getallocatedblocks())
    assert counts[-1] - counts[1] < tensors
