"""Tensors are read from a safetensors file one by one, and what befalls the file is told."""

import json
import os
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from generator.errors import ModelUnreadable
from generator.models import tensor_file
from generator.models.tensor_file import BLOCK_BYTES, TensorFile, copy_tensor, rename_tensors
from generator.models.weights import open_tensors, shapes_of

CPU = torch.device("cpu")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    numbers = torch.Generator().manual_seed(1)
    tensors = {
        "large": torch.randn(BLOCK_BYTES // 2 + 7, 3, generator=numbers).half(),  # several blocks
        "bf16": torch.randn(5, 2, generator=numbers).bfloat16(),
        "double": torch.randn(3, generator=numbers).double(),
        "whole": torch.arange(6).reshape(2, 3),
        "truth": torch.tensor([True, False]),
        "single": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
    }
    save_file(tensors, tmp_path / "x.safetensors")
    return tmp_path / "x.safetensors"


def test_every_tensor_is_read_as_safetensors_reads_it(path: Path) -> None:
    expected, opened = load_file(path), open_tensors(path)
    assert set(opened) == set(expected)
    assert shapes_of(opened) == {name: tuple(each.shape) for name, each in expected.items()}
    for name, tensor in expected.items():
        assert opened[name].dtype == tensor.dtype
        assert torch.equal(opened[name], tensor)
        assert torch.equal(copy_tensor(opened, name, CPU, torch.float32), tensor.float())
    assert opened["large"].data_ptr() != opened["large"].data_ptr()  # memory of one's own


def test_renaming_reads_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_tensors(path)
    with monkeypatch.context() as patch:
        patch.setattr(TensorFile, "read", None)
        renamed = rename_tensors(opened, str.upper)
        assert "LARGE" in renamed
        assert "large" not in renamed
        assert len(renamed) == len(opened)
        assert shapes_of(renamed)["WHOLE"] == (2, 3)
    assert torch.equal(renamed["WHOLE"], opened["whole"])


def test_a_file_cut_off_while_it_is_read_is_an_error(path: Path) -> None:
    opened = open_tensors(path)
    os.truncate(path, path.stat().st_size // 3)
    with pytest.raises(ModelUnreadable, match=r"x\.safetensors .*truncated"):
        copy_tensor(opened, "large", CPU, torch.float32)


def test_a_file_that_is_replaced_or_vanishes_is_read_as_it_was(path: Path) -> None:
    expected, opened = load_file(path)["large"].clone(), open_tensors(path)
    path.unlink()
    save_file({"large": torch.zeros(1)}, path)
    assert torch.equal(opened["large"], expected)
    path.unlink()
    assert torch.equal(opened["large"], expected)
    with pytest.raises(ModelUnreadable, match=r"x\.safetensors: the file is gone"):
        open_tensors(path)


def test_large_tensors_leave_no_holes_in_the_heap(tmp_path: Path) -> None:
    mebi, count = 1 << 20, 64
    tensors = {f"t{number}": torch.ones(mebi, dtype=torch.uint8) for number in range(count)}
    save_file(tensors, tmp_path / "many.safetensors")
    file = TensorFile.open(tmp_path / "many.safetensors")
    torch.empty(24 * mebi, dtype=torch.uint8).fill_(1)  # the heap takes pieces below from now on
    kept = [file[name] for name in tensors]
    held = resident_bytes()
    del kept[1::2]  # the last stays: without mappings the heap keeps all below it
    assert held - resident_bytes() > (count // 2 - 4) * mebi
    assert all(tensor.sum() == mebi for tensor in kept)


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_a_type_that_torch_lacks_is_named(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}}).encode()
    path = tmp_path / "quantised.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0")
    with pytest.raises(ModelUnreadable, match=r"quantised.*'w' is of the type F4.*fp16"):
        _ = open_tensors(path)["w"]


@pytest.mark.parametrize(("free", "is_kept"), [(1 << 40, True), (0, False)])
def test_a_file_that_memory_can_hardly_hold_leaves_no_trace_there(
    path: Path, monkeypatch: pytest.MonkeyPatch, free: int, is_kept: bool
) -> None:
    monkeypatch.setattr(tensor_file, "available_memory", lambda: free)
    opened = open_tensors(path)
    os.sync()  # what is not written yet stays
    assert opened["large"].numel()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        middle = path.stat().st_size // 2 // 4096 * 4096
        assert (os.preadv(descriptor, [bytearray(4096)], middle, os.RWF_NOWAIT) > 0) is is_kept
    except BlockingIOError:
        assert not is_kept
    except OSError as error:
        pytest.skip(f"this file system does not tell: {error}")
    finally:
        os.close(descriptor)
