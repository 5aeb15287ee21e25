"""Pickles become safetensors in a process of their own: once, bounded, and without running them."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from generator.errors import ModelUnreadable
from generator.models import safetensors_cache
from generator.models.registry import Folders, ModelKind, Registry
from generator.models.safetensors_cache import cache_key, delete_stale, open_as_safetensors
from generator.models.weights import read_tensors, read_with_facts

KINDS = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip


def many() -> dict[str, Any]:
    """Tensors of every kind and form."""
    shared = torch.arange(24.0).reshape(4, 6)
    odd = {
        "whole": shared,
        "rows": shared[1:3],
        "columns": shared[:, 2:5],
        "turned": shared.t(),
        "spread": torch.ones(3, 1).expand(3, 2),
        "one": torch.tensor(1.5),
        "none": torch.zeros(0, 3),
        "learned": torch.nn.Parameter(torch.ones(2, 2)),
    }
    return {str(kind): torch.arange(5).to(kind) for kind in KINDS} | odd


@pytest.mark.parametrize("zipped", [True, False])
def test_every_number_is_as_torch_reads_it(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "a.pt"
    torch.save(many(), path, _use_new_zipfile_serialization=zipped)
    wanted = torch.load(path, weights_only=True)
    found = read_tensors(path)
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor.detach()), name


def test_a_conversion_is_kept_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Path] = []
    convert = safetensors_cache.convert

    def count_and_convert(source: Path, target: Path) -> None:
        runs.append(source)
        convert(source, target)

    monkeypatch.setattr(safetensors_cache, "convert", count_and_convert)
    path, folder = tmp_path / "a.pt", tmp_path / "kept"
    torch.save({"w": torch.ones(2)}, path)
    for _ in range(3):
        assert torch.equal(read_tensors(path, folder)["w"], torch.ones(2))
    assert len(runs) == 1
    assert [each.stem for each in folder.glob("*.safetensors")] == [cache_key(path)]
    assert delete_stale(folder) == 0
    torch.save({"w": torch.zeros(3)}, path)
    assert torch.equal(read_tensors(path, folder)["w"], torch.zeros(3))
    assert len(runs) == 2
    assert delete_stale(folder) == 1
    path.unlink()
    assert delete_stale(folder) == 1
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"w": torch.ones(2)}, path)
    assert torch.equal(read_tensors(path, path / "kept")["w"], torch.ones(2))


def test_the_registry_says_where(tmp_path: Path) -> None:
    folder = tmp_path / "embeddings"
    folder.mkdir()
    torch.save({"*": torch.ones(1, 8)}, folder / "a.pt")
    os.utime(folder / "a.pt", (1, 1))
    registry = Registry(Folders.under(tmp_path), kept_in=tmp_path / "kept")
    (file,) = registry.index.files_of(ModelKind.EMBEDDING)
    assert file.kept_in == tmp_path / "kept"


def test_words_and_numbers_beside_the_tensors(tmp_path: Path) -> None:
    path = tmp_path / "h.pt"
    torch.save({320: ({"w": torch.ones(1)}, {}), "name": "h", "step": 7, "on": True}, path)
    tensors, facts = read_with_facts(path)
    assert list(tensors) == ["320.0.w"]
    assert facts == {"name": "h", "step": 7, "on": True}


# -- hostile files -----------------------------------------------------------------------------


class Run:
    """Calls a function when it is unpickled the usual way."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self.told = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.told


def write_pickle(path: Path, content: bytes, numbers: bytes = b"") -> Path:
    """A file as torch.save writes it, around any pickle; ``numbers`` are its storage 0."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", content, zipfile.ZIP_DEFLATED)
        archive.writestr("a/data/0", numbers)
    return path


STORAGE = object()


class Claim:
    """A tensor over a storage of four floats, whatever it says of its size."""

    def __init__(self, sizes: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> None:
        self.arguments = (STORAGE, offset, sizes, strides, False, {})

    def __reduce__(self) -> tuple[Any, ...]:
        return torch._utils._rebuild_tensor_v2, self.arguments


class Writer(pickle.Pickler):
    """Keeps the storage of a claim beside the pickle."""

    def persistent_id(self, found: object) -> object:
        return ("storage", torch.FloatStorage, "0", "cpu", 4) if found is STORAGE else None


def claim(*told: Any) -> bytes:
    """The pickle of a :class:`Claim`."""
    file = io.BytesIO()
    Writer(file, 2).dump({"w": Claim(*told)})
    return file.getvalue()


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_of_a_pickle_is_run(tmp_path: Path, zipped: bool) -> None:
    content = {
        "a": Run(os.mkdir, str(tmp_path / "ran")),
        "b": Run(eval, f"__import__('os').mkdir({str(tmp_path / 'ran')!r})"),
        "c": Run(exec, f"open({str(tmp_path / 'ran')!r}, 'w')"),
        "w": torch.ones(2),
    }
    torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
    assert list(read_tensors(tmp_path / "a.ckpt", tmp_path / "kept")) == ["w"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (claim((4,), (1,), 1), "beyond"),
        (claim((2, 2), (3, 1)), "beyond"),
        (claim((1 << 40,), (1,)), "claim"),
        (claim((1 << 20, 1 << 20), (0, 0)), "claim"),
        (claim((4,), (-1,)), "before"),
        (claim((4,), (1,), -1), "before"),
        (claim((-4,), (1,)), ""),
        (claim((4,), ()), ""),
        (b"", "torch.save"),
        (b"\x80\x02]q\x00h\x00a.", "list"),
        (b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01h\x00s.", "itself"),
        (b"(" * 1_000_000, "torch.save"),
        (b"\x80\x02" + b"]" * 20_000_000 + b".", "larger"),
        (b"\x80\x02" + b"]" * 2_000_000 + b".", "steps"),
    ],
)
def test_false_claims_are_refused(tmp_path: Path, content: bytes, word: str) -> None:
    path = write_pickle(tmp_path / "evil.pt", content, bytes(16))
    with pytest.raises(ModelUnreadable, match=rf"evil.pt.*{word}"):
        read_tensors(path, tmp_path / "kept")
    assert list((tmp_path / "kept").glob("*")) == []


def test_true_claims_are_taken(tmp_path: Path) -> None:
    numbers = torch.arange(4.0).numpy().tobytes()
    path = write_pickle(tmp_path / "good.pt", claim((2, 2), (1, 2)), numbers)
    assert torch.equal(read_tensors(path)["w"], torch.tensor([[0.0, 2.0], [1.0, 3.0]]))


def test_a_reader_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "slow.pt"
    torch.save({"w": torch.ones(1)}, path)
    monkeypatch.setattr(safetensors_cache, "LEAST_SECONDS", 0.001)
    with pytest.raises(ModelUnreadable, match=r"slow.pt.*longer"), open_as_safetensors(path, None):
        pass
