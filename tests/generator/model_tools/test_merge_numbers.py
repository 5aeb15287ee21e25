"""The numbers of merged tensors against numpy, in pieces, widened, and cast."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from generator.errors import BadRequest, ModelUnreadable
from generator.model_tools import tensor_pieces
from generator.model_tools.plan import OutputTensor, TensorPart
from generator.model_tools.recipes import MergeMode
from generator.model_tools.sources import SourceModel, open_source
from generator.model_tools.tensor_pieces import PieceMaker, check_range, extremes, merge_of
from generator.models.header import TensorEntry
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from tests.generator.models.model_files import put, weights

SUM, DIFFERENCE = MergeMode.WEIGHTED_SUM, MergeMode.ADD_DIFFERENCE
KINDS = {"<f8": "F64", "<f4": "F32", "<f2": "F16"}
Array = np.ndarray[Any, Any]


class Memory:
    """An open file whose only tensor lies in memory."""

    def __init__(self, array: Array) -> None:
        self.content = array.tobytes()
        self.entry = TensorEntry(KINDS[array.dtype.str], array.shape, 0, len(self.content))

    def read(self, entry: TensorEntry, begin: int, buffer: memoryview) -> None:
        assert begin + len(buffer) <= len(self.content)
        buffer[:] = self.content[begin : begin + len(buffer)]


def numbers(seed: int, *shape: int, dtype: str = "<f4") -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def made(
    arrays: Sequence[Array], mode: MergeMode = SUM, multiplier: float = 0.3, dtype: str = "F32"
) -> tuple[bytes, PieceMaker]:
    files = [Memory(array) for array in arrays]
    maker = PieceMaker(cast(Sequence[SourceModel], files), merge_of(mode, multiplier))
    parts = tuple(TensorPart(place, file.entry) for place, file in enumerate(files))
    output = OutputTensor("model.x.weight", dtype, arrays[0].shape, parts)
    return b"".join(bytes(piece) for piece in maker.pieces(output)), maker


def as_array(content: bytes, like: Array, dtype: str = "<f4") -> Array:
    return np.frombuffer(content, dtype).reshape(like.shape)


@pytest.mark.parametrize("multiplier", [-2.0, 0.0, 0.3, 1.0, 1.5])
@pytest.mark.parametrize("piece", [7, 1 << 20])
def test_a_weighted_sum(multiplier: float, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_pieces, "PIECE_NUMBERS", piece)
    a, b = numbers(1, 5, 9), numbers(2, 5, 9)
    found = as_array(made([a, b], SUM, multiplier)[0], a)
    np.testing.assert_allclose(found, a * (1 - multiplier) + b * multiplier, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("multiplier", [-1.0, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("piece", [7, 1 << 20])
def test_a_difference_that_is_added(
    multiplier: float, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_pieces, "PIECE_NUMBERS", piece)
    a, b, c = (numbers(seed, 5, 9) for seed in (1, 2, 3))
    found = as_array(made([a, b, c], DIFFERENCE, multiplier)[0], a)
    np.testing.assert_allclose(found, a + multiplier * (b - c), rtol=1e-5, atol=1e-6)


def test_no_multiplier_gives_a_and_all_of_it_gives_b() -> None:
    a, b = numbers(1, 4), numbers(2, 4)
    assert np.array_equal(as_array(made([a, b], SUM, 0.0)[0], a), a)
    assert np.array_equal(as_array(made([a, b], SUM, 1.0)[0], a), b)


@pytest.mark.parametrize("kinds", [("<f2", "<f4"), ("<f4", "<f2"), ("<f2", "<f2")])
def test_other_precisions_are_merged_in_fp32_and_rounded_once(kinds: tuple[str, str]) -> None:
    a, b = (numbers(seed, 50, dtype=kind) for seed, kind in enumerate(kinds))
    exact = a.astype("<f4") * np.float32(0.7) + b.astype("<f4") * np.float32(0.3)
    found = as_array(made([a, b], SUM, 0.3, "F16")[0], a, "<f2")
    np.testing.assert_allclose(found, exact, rtol=2**-10, atol=1e-7)


def test_double_precision_stays_double() -> None:
    a, b = numbers(1, 20, dtype="<f8"), numbers(2, 20, dtype="<f8")
    found = as_array(made([a, b], SUM, 0.3, "F64")[0], a, "<f8")
    np.testing.assert_allclose(found, 0.7 * a + 0.3 * b, rtol=1e-13)


@pytest.mark.parametrize("channels", [8, 9])
@pytest.mark.parametrize("mode", [SUM, DIFFERENCE])
def test_only_the_channels_that_others_have_change(channels: int, mode: MergeMode) -> None:
    a, b, c = numbers(1, 3, channels, 3, 3), numbers(2, 3, 4, 3, 3), numbers(3, 3, 4, 3, 3)
    parts = [a, b] if mode is SUM else [a, b, c]
    found = as_array(made(parts, mode, 0.25)[0], a)
    own = a[:, :4]
    expected = own * 0.75 + b * 0.25 if mode is SUM else own + 0.25 * (b - c)
    np.testing.assert_allclose(found[:, :4], expected, rtol=1e-5, atol=1e-6)
    assert np.array_equal(found[:, 4:], a[:, 4:])


def test_a_difference_of_a_wide_and_a_plain_model_changes_the_shared_channels() -> None:
    a, b, c = numbers(1, 3, 9, 3, 3), numbers(2, 3, 9, 3, 3), numbers(3, 3, 4, 3, 3)
    found = as_array(made([a, b, c], DIFFERENCE, 1.0)[0], a)
    np.testing.assert_allclose(found[:, :4], a[:, :4] + b[:, :4] - c, rtol=1e-5, atol=1e-6)
    assert np.array_equal(found[:, 4:], a[:, 4:])


@pytest.mark.parametrize("size", [1, 8, 9, 100])
def test_a_copy_has_every_byte_whatever_the_pieces(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_pieces, "PIECE_BYTES", 32)
    a = numbers(1, size)
    assert made([a])[0] == a.tobytes()


def test_bf16_is_torchs() -> None:
    a = numbers(1, 30)
    content, _ = made([a], dtype="BF16")
    assert content == torch.from_numpy(a).bfloat16().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize(
    ("number", "fits"),
    [(65504.0, True), (-65504.0, True), (65519.0, True), (65520.0, False), (-1e6, False),
     (math.inf, True), (-math.inf, True), (math.nan, True)],
)  # fmt: skip
def test_fp16_refuses_what_would_become_infinite(number: float, fits: bool) -> None:
    array = np.array([0.0, number], "<f4")
    if fits:
        found = as_array(made([array], dtype="F16")[0], array, "<f2")
        assert np.isfinite(found[1]) == np.isfinite(number)
        made([array], dtype="BF16")
    else:
        with pytest.raises(BadRequest, match=r"precision: model\.x\.weight has numbers"):
            made([array], dtype="F16")


def test_a_merge_may_leave_fp16_though_its_parts_do_not() -> None:
    a, b = np.full((2, 4, 1, 1), 60000, "<f2"), np.full((2, 4, 1, 1), -60000, "<f2")
    with pytest.raises(BadRequest, match="beyond 65504"):
        made([a, b], SUM, -1.0, "F16")
    assert np.all(as_array(made([a, b], SUM, 0.5, "F16")[0], a, "<f2") == 0)
    wide = np.full((2, 9, 1, 1), 60000, "<f2")
    with pytest.raises(BadRequest, match="beyond 65504"):
        made([wide, b], SUM, -1.0, "F16")


def test_tensors_with_nan_are_counted_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_pieces, "PIECE_NUMBERS", 2)
    bad, good = np.full((6,), math.nan, "<f4"), np.zeros(6, "<f4")
    assert made([bad, good])[1].faulty == 1
    assert made([good, good])[1].faulty == 0
    wide, plain = np.zeros((1, 9, 1, 1), "<f4"), np.full((1, 4, 1, 1), math.nan, "<f4")
    assert made([wide, plain])[1].faulty == 1


def test_extremes_and_range() -> None:
    assert extremes(torch.tensor([3.0, -5.0, 1.0])) == (-5.0, 3.0)
    assert all(math.isnan(each) for each in extremes(torch.tensor([1.0, math.nan])))
    check_range(-1e9, 1e9, OutputTensor("x", "F32", (2,), ()))


def test_a_file_that_became_shorter_is_named(tmp_path: Path) -> None:
    path = put(tmp_path / "a.safetensors", weights(7, 64))
    file = ModelFile(ModelKind.CHECKPOINT, path.name, path, 0, 0, 0)
    with open_source(file) as source:
        buffer = bytearray(8)
        source.read(source.tensors["w"], 56, memoryview(buffer))
        assert bytes(buffer) == bytes([7]) * 8
        with path.open("r+b") as opened:
            opened.truncate(path.stat().st_size - 4)
        with pytest.raises(ModelUnreadable, match=r"a\.safetensors: it became shorter"):
            source.read(source.tensors["w"], 56, memoryview(buffer))
    path.unlink()
    with pytest.raises(ModelUnreadable, match="the file is gone"), open_source(file):
        pass
