"""Headers: what is complete, what is not, and that rubbish only ever raises ModelUnreadable."""

import json
import struct
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.errors import ModelUnreadable
from generator.models.header import MAX_HEADER, check_pickle, read_header
from generator.models.pickles import LEGACY_TORCH

QUICK = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ENTRY = {"dtype": "F16", "shape": [2, 4], "data_offsets": [0, 16]}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
nearly = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F16", 3, None]),
        "shape": st.lists(st.integers(-2, 9), max_size=3) | anything,
        "data_offsets": st.lists(st.integers(-2, 99), min_size=1, max_size=3) | anything,
    },
)


def bytes_of(header: object, payload: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + payload


def test_a_complete_file_tells_its_tensors_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    header = {"__metadata__": {"format": "pt", "odd": 3}, "w": ENTRY}
    path.write_bytes(bytes_of(header, bytes(16)))
    read = read_header(path)
    assert read.metadata == {"format": "pt"}
    assert read.tensors["w"].shape == (2, 4)
    assert read.size == path.stat().st_size


def test_every_prefix_of_a_file_is_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "a.safetensors", bytes_of({"w": ENTRY}, bytes(16))
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelUnreadable, match=r"a\.safetensors"):
            read_header(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(ModelUnreadable, match="damaged"):
        read_header(path)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"w": 3}',
        b"[" * 100_000,
        b'{"w": {"dtype": "F16", "shape": [2], "data_offsets": [9, 0]}}',
        b'{"w": {"dtype": "F16", "shape": [2], "data_offsets": [0, Infinity]}}',
        b'{"w": {"dtype": "F16", "shape": [2], "data_offsets": [0, ' + b"9" * 5000 + b"]}}",
        b'{"__metadata__": []}x',
    ],
)
def test_damaged_headers_are_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(bytes_of(header, bytes(16)))
    with pytest.raises(ModelUnreadable):
        read_header(path)


def test_a_header_without_bounds_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", MAX_HEADER + 1))
        file.truncate(MAX_HEADER + 100)  # sparse
    with pytest.raises(ModelUnreadable, match="no safetensors file"):
        read_header(path)


@QUICK
@given(st.binary(max_size=200))
def test_rubbish_bytes_raise_nothing_else(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(rubbish)
    with suppress(ModelUnreadable):
        read_header(path)
    with suppress(ModelUnreadable):
        check_pickle(path)


@QUICK
@given(anything | st.dictionaries(st.text(max_size=9), nearly | anything, max_size=4))
def test_rubbish_json_raises_nothing_else(tmp_path: Path, rubbish: object) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(bytes_of(rubbish, bytes(16)))
    with suppress(ModelUnreadable):
        assert read_header(path).size == path.stat().st_size


def test_a_pickle_is_complete_when_its_zip_is(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"never unpickled" * 50)
    whole = path.read_bytes()
    check_pickle(path)
    for length in range(7, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelUnreadable, match="end of a zip"):
            check_pickle(path)


def test_other_archives_and_old_pickles(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", b"hello")
    with pytest.raises(ModelUnreadable, match=r"data\.pkl"):
        check_pickle(path)
    path.write_bytes(LEGACY_TORCH + b"rest")
    with pytest.raises(ModelUnreadable, match="old format"):
        check_pickle(path)
