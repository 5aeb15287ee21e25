"""What headers told is kept from one start to the next, for one state of a file and one form."""

import os
import sqlite3
from pathlib import Path

import pytest

from generator.models import contents_cache
from generator.models import scan as scanning
from generator.models.contents_cache import ContentsCache
from generator.models.families.architecture import Architecture
from generator.models.index import ModelIndex
from generator.models.kinds import Folders, ModelKind
from generator.models.quantisation import WeightFormat
from generator.models.scan import scan
from tests.generator.models.gguf_files import gguf
from tests.webapp.conftest import write_checkpoint, write_model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "models/Stable-diffusion/a.safetensors", {"k": "v"})
    write_model(tmp_path / "models/Lora/l.safetensors", {"ss_output_name": "word"})
    write_model(tmp_path / "embeddings/e.safetensors", name="emb_params", shape=(2, 4))
    (tmp_path / "models/Stable-diffusion/q.gguf").write_bytes(gguf({"w": (2,)}, "flux"))
    return tmp_path


def look(data: Path) -> ModelIndex:
    """A first look of a process of its own."""
    return scan(Folders.under(data), cache=ContentsCache(data / ".easel/model-facts.db"))


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that are read from now on."""
    read: list[str] = []
    original = scanning.read_contents

    def note(path: Path, kind: ModelKind) -> object:
        read.append(path.name)
        return original(path, kind)

    monkeypatch.setattr(scanning, "read_contents", note)
    return read


def test_a_later_process_reads_no_header(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = look(data)
    read = count_reads(monkeypatch)
    second = look(data)
    assert read == []
    assert second == first
    told = {file.stem: file for file in second.files_of(ModelKind.CHECKPOINT)}
    assert (told["a"].architecture, told["a"].metadata) == (Architecture.SD1, {"k": "v"})
    assert (told["q"].architecture, told["q"].weight_format) == (
        Architecture.FLUX, WeightFormat.GGUF,
    )  # fmt: skip
    assert not told["q"].is_drawable
    (embedding,) = second.files_of(ModelKind.EMBEDDING)
    assert (embedding.embedding.vectors, embedding.embedding.width) == (2, 4)


def test_only_what_changed_is_read(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look(data)
    lora = data / "models/Lora/l.safetensors"
    write_model(lora, {"ss_output_name": "other"})
    write_model(data / "models/VAE/new.safetensors")
    read = count_reads(monkeypatch)
    index = look(data)
    assert sorted(read) == ["l.safetensors", "new.safetensors"]
    assert index.files_of(ModelKind.LORA)[0].alias == "other"
    os.utime(lora)
    look(data)
    assert read[2:] == ["l.safetensors"]


def test_other_rules_read_all_again(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look(data)
    monkeypatch.setattr(contents_cache, "FORM", -1)
    read = count_reads(monkeypatch)
    look(data)
    assert len(read) == 4


@pytest.mark.parametrize("facts", ["", "[]", "{}", '{"architecture": "NONE_OF_OURS"}', "\x00"])
def test_an_entry_that_is_none_is_read_again(data: Path, facts: str) -> None:
    first = look(data)
    with sqlite3.connect(data / ".easel/model-facts.db") as rows:
        rows.execute("UPDATE contents SET facts = ?", (facts,))
    assert look(data) == first


def test_a_database_that_cannot_be_used_costs_time_alone(data: Path) -> None:
    first = look(data)
    (data / ".easel/model-facts.db").write_bytes(b"no database" * 99)
    assert look(data) == first
    blocked = ContentsCache(data / "models/Lora/l.safetensors/facts.db")  # below a file
    assert scan(Folders.under(data), cache=blocked) == first


def test_files_that_left_are_forgotten(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents_cache, "SPARE_ROWS", 0)
    for number in range(9):
        write_model(data / f"models/VAE/{number}.safetensors")
    look(data)
    for number in range(9):
        (data / f"models/VAE/{number}.safetensors").unlink()
    write_model(data / "models/VAE/last.safetensors")
    look(data)
    with sqlite3.connect(data / ".easel/model-facts.db") as rows:
        assert rows.execute("SELECT count(*) FROM contents").fetchone() == (5,)
