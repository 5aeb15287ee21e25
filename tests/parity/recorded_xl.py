"""The cases recorded with tiny checkpoints of SDXL, its refiner and inpainting, and of SD2."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from generator.models.registry import Folders, HashCache, ModelKind, Registry
from tests.conftest import shared_folder
from tests.parity.recorded_cases import Case
from tests.parity.service import Service, run_service

RECORDED = Path(__file__).parent / "recorded-xl"
SD1_MODEL = shared_folder() / "goldens" / "checkpoint" / "tinysd15.safetensors"
"""What the cases ``sd1v_*`` were recorded with; it is not carried in the project."""
CHECKPOINTS = "models/Stable-diffusion"
FOLDERS = {
    "tinyxllora": "models/Lora",
    "tinyxldiff": "models/Lora",
    "tinysd2lora": "models/Lora",
    "tinyxlemb": "embeddings",
    "tinysd2emb": "embeddings",
    "othervae": "models/VAE",
}
"""Of the made files that are no checkpoints."""


def xl_cases(*patterns: str) -> tuple[Case, ...]:
    """The recorded cases whose names fit one of the glob ``patterns``, by name."""
    folders = (RECORDED / "cases", RECORDED / "errors")
    paths = {
        path.name: path
        for folder in folders
        for pattern in patterns
        for path in folder.glob(f"{pattern}.request.json")
    }
    return tuple(Case(name.split(".request.")[0], paths[name].parent) for name in sorted(paths))


def make_models(names: Sequence[str], folder: Path) -> None:
    """Write the tiny models ``names`` into a folder, byte for byte as they were recorded with."""
    folder.mkdir(parents=True, exist_ok=True)
    script = RECORDED / "checkpoint" / "make_tiny.py"
    subprocess.run([sys.executable, script, folder, *names], check=True, stdout=subprocess.DEVNULL)


def place_models(names: Sequence[str], data_dir: Path) -> Registry:
    """Write the models and what lies beside them into a data directory, hashes known."""
    made = data_dir / CHECKPOINTS
    make_models(names, made)
    for name in set(names) & FOLDERS.keys():
        (data_dir / FOLDERS[name]).mkdir(parents=True, exist_ok=True)
        file = f"{name}.safetensors"
        shutil.move(made / file, data_dir / FOLDERS[name] / file)
    if SD1_MODEL.exists():
        shutil.copy2(SD1_MODEL, made / "tinysd15v.safetensors")
    for path in (RECORDED / "checkpoint").glob("*.yaml"):
        shutil.copy2(path, made)
    shutil.copy2(RECORDED / "checkpoint" / "styles.csv", data_dir)
    registry = Registry(Folders.under(data_dir), HashCache(data_dir / "hashes.db"))
    for file_ in registry.index.files_of(ModelKind.CHECKPOINT):
        registry.ensure_hashes(file_)
    return registry


@contextmanager
def run_with_xl_models(names: Sequence[str], data_dir: Path) -> Iterator[Service]:
    """An Easel over the models ``names`` with the options that were in force at the recording."""
    registry = place_models(names, data_dir)
    recorded = json.loads((RECORDED / "checkpoint" / "config.json").read_text("utf-8"))
    changed = {**recorded, "live_previews_enable": False}
    (data_dir / "config.json").write_text(json.dumps(changed), "utf-8")
    with run_service(data_dir, registry) as running:
        yield running
