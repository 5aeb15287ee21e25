"""A data directory made ready."""

import os
from pathlib import Path
from typing import Any

import pytest

from webapp.settings import first_start
from webapp.settings.config import Config
from webapp.settings.data_dir import CannotUse


def config(data_dir: Path, **given: Any) -> Config:
    return Config(data_dir, **given)


@pytest.fixture
def package_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    package = tmp_path / "package"
    package.mkdir()
    (package / first_start.DEFAULT_CHECKPOINT).write_bytes(b"weights")
    monkeypatch.setattr(first_start, "files", lambda _: package)
    return package


def place(data: Path) -> Path:
    return data / "models" / "Stable-diffusion" / first_start.DEFAULT_CHECKPOINT


def test_the_tree_and_the_default_checkpoint_are_made(package_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    for _ in range(2):
        first_start.prepare(config(data))
        assert place(data).read_bytes() == b"weights"
        assert [file.name for file in place(data).parent.iterdir()] == [place(data).name]
    for folder in ("models/Lora", "models/VAE", "embeddings", "outputs", ".easel"):
        assert (data / folder).is_dir()


@pytest.fixture
def companion(package_folder: Path) -> Path:
    path = package_folder / next(iter(first_start.COMPANIONS))
    path.write_bytes(b"LoRA")
    return path


def test_companions_come_with_the_checkpoint_and_only_once(companion: Path, tmp_path: Path) -> None:
    first_start.prepare(config(tmp_path / "d"))
    copied = tmp_path / "d/models/Lora" / companion.name
    assert copied.read_bytes() == b"LoRA"
    copied.unlink()
    first_start.prepare(config(tmp_path / "d"))
    assert not copied.exists()


def test_a_companion_never_replaces_a_file_of_its_name(companion: Path, tmp_path: Path) -> None:
    mine = tmp_path / "models/Lora" / companion.name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    first_start.prepare(config(tmp_path))
    assert place(tmp_path).exists()
    assert mine.read_bytes() == b"mine"


def test_whoever_has_a_checkpoint_gets_no_companions(companion: Path, tmp_path: Path) -> None:
    mine = place(tmp_path).parent / "mine.safetensors"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    first_start.prepare(config(tmp_path))
    assert list((tmp_path / "models/Lora").iterdir()) == []


@pytest.mark.parametrize("name", ["mine.safetensors", "sub/mine.CKPT"])
def test_whoever_has_a_checkpoint_gets_no_other(
    package_folder: Path, tmp_path: Path, name: str
) -> None:
    mine = place(tmp_path).parent / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    first_start.prepare(config(tmp_path))
    assert not place(tmp_path).exists()


def test_models_may_lie_elsewhere_altogether(package_folder: Path, tmp_path: Path) -> None:
    data, models = tmp_path / "data", tmp_path / "mounted"
    first_start.prepare(config(data, models_dir=models))
    assert (models / "Stable-diffusion" / first_start.DEFAULT_CHECKPOINT).is_file()
    assert (models / "Lora").is_dir()
    assert (data / "embeddings").is_dir()
    assert not (data / "models").exists()


def test_a_checkpoint_elsewhere_counts_too(package_folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.safetensors").write_bytes(b"a")
    data = tmp_path / "data"
    first_start.prepare(config(data, checkpoint_dirs=(elsewhere,)))
    assert not place(data).exists()


def test_it_can_be_left_out(package_folder: Path, tmp_path: Path) -> None:
    first_start.prepare(config(tmp_path / "d", install_default=False))
    assert not place(tmp_path / "d").exists()


def test_a_package_without_one_installs_none(package_folder: Path, tmp_path: Path) -> None:
    (package_folder / first_start.DEFAULT_CHECKPOINT).unlink()
    assert first_start.install_default(config(tmp_path)) is None


def test_a_copy_that_fails_leaves_nothing(
    package_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    place(tmp_path / "d").parent.mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", full)
    first_start.install_default(config(tmp_path / "d"))
    assert list(place(tmp_path / "d").parent.iterdir()) == []
    assert "No space left" in caplog.text


def test_a_data_directory_that_is_a_file_is_told(package_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotUse, match="--data-dir"):
        first_start.prepare(config(tmp_path / "file"))
