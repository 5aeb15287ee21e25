"""Headers of weights that strangers brought: what is whole is told, all else refused in words."""

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filebrowser import safetensors_header
from filebrowser.errors import WrongContent
from filebrowser.safetensors_header import (
    BITS,
    MAX_HEADER_BYTES,
    TooShort,
    header_length,
    parse_header,
    read_header,
)
from tests.wait import assert_quick

Tensor = dict[str, object]


def tensor(dtype: str, shape: list[int], begin: int, end: int) -> Tensor:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def with_length(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def header_of(content: Mapping[str, object]) -> bytes:
    return with_length(json.dumps(content))


WHOLE = {
    "__metadata__": {"format": "pt", "note": "猫"},
    "a": tensor("F16", [2, 3], 0, 12),
    "b": tensor("I64", [], 12, 20),
    "none": tensor("F32", [0, 7], 20, 20),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    path.write_bytes(header_of(WHOLE) + bytes(20))
    return path


def read_path(path: Path) -> safetensors_header.SafetensorsHeader:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.lseek(fd, 5, os.SEEK_SET)  # from wherever it stands
        return read_header(fd)
    finally:
        os.close(fd)


def test_a_whole_file_tells_its_tensors_and_metadata(file: Path) -> None:
    header = read_path(file)
    assert header.metadata == {"format": "pt", "note": "猫"}
    assert header.shapes == {"a": (2, 3), "b": (), "none": (0, 7)}
    assert header.dtypes == {"a": "F16", "b": "I64", "none": "F32"}
    assert header.file_size == file.stat().st_size == 8 + header.header_size + 20


@pytest.mark.parametrize("change", [-20, -1, 1, 100])
def test_a_part_or_more_than_the_file_is_no_whole_one(file: Path, change: int) -> None:
    os.truncate(file, file.stat().st_size + change)
    with pytest.raises(WrongContent, match="damaged, or a part of it"):
        read_path(file)


def test_a_file_that_ends_in_its_header_says_how_much_it_takes(file: Path) -> None:
    os.truncate(file, 40)
    with pytest.raises(WrongContent, match=r"takes [0-9,]+ bytes and the file has 40"):
        read_path(file)


@pytest.mark.parametrize("dtype", BITS)
def test_each_type_takes_the_bytes_that_its_bits_are(dtype: str) -> None:
    size = BITS[dtype]  # eight of so many bits
    assert parse_header(header_of({"a": tensor(dtype, [8], 0, size)})).file_size > size
    for wrong in (size - 1, size + 1):
        with pytest.raises(WrongContent, match="'a' takes"):
            parse_header(header_of({"a": tensor(dtype, [8], 0, wrong)}))


@pytest.mark.parametrize("metadata", [None, {}, []])
def test_a_header_without_metadata_or_tensors_is_one(metadata: object) -> None:
    header = parse_header(header_of({"__metadata__": metadata}))
    assert (header.metadata, header.shapes) == ({}, {})


def test_four_bits_need_not_fill_their_last_byte_and_are_refused_then() -> None:
    assert parse_header(header_of({"a": tensor("F4", [2], 0, 1)})).shapes == {"a": (2,)}
    with pytest.raises(WrongContent):
        parse_header(header_of({"a": tensor("F4", [3], 0, 2)}))


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(BITS)), st.lists(st.integers(0, 4), max_size=3)),
        max_size=6,
    )
)
def test_tensors_in_any_order_are_read_as_they_lie(
    kinds: list[tuple[str, list[int]]],
) -> None:
    content: dict[str, object] = {}
    at = 0
    for number, (dtype, shape) in enumerate(kinds):
        count = 8  # so that any number of bits fills bytes
        for side in shape:
            count *= side
        size = count * BITS[dtype] // 8
        content[f"t{number}"] = tensor(dtype, [8, *shape], at, at + size)
        at += size
    shuffled = dict(sorted(content.items(), key=lambda item: item[0][::-1]))
    header = parse_header(header_of(shuffled))
    assert header.file_size == 8 + header.header_size + at
    assert header.shapes == {f"t{n}": (8, *shape) for n, (_, shape) in enumerate(kinds)}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": tensor("F32", [1], 4, 8)}, "overlap, or there is a gap"),
        ({"a": tensor("F32", [1], 0, 4), "b": tensor("F32", [1], 8, 12)}, "gap"),
        ({"a": tensor("F32", [2], 0, 8), "b": tensor("F32", [1], 4, 8)}, "overlap"),
        ({"a": tensor("F31", [1], 0, 4)}, "of the type 'F31', which nobody knows"),
        ({"a": tensor("F32", [-1], 0, 4)}, "'a' is no tensor"),
        ({"a": tensor("F32", [1 << 63], 0, 4)}, "no tensor"),
        ({"a": tensor("F32", [True], 0, 4)}, "no tensor"),
        ({"a": tensor("F32", [1.0], 0, 4)}, "no tensor"),  # type: ignore[list-item]
        ({"a": tensor("F32", [1] * 33, 0, 4)}, "no tensor"),
        ({"a": tensor("F32", [1 << 40, 1 << 40], 0, 4)}, "not what it holds"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}, "no tensor"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 4]}}, "no tensor"),
        ({"a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}}, "no tensor"),
        ({"a": {"dtype": 5, "shape": [1], "data_offsets": [0, 4]}}, "no tensor"),
        ({"a": {"shape": [1], "data_offsets": [0, 4]}}, "no tensor"),
        ({"a": tensor("F32", [1], 4, 0)}, "takes -4 bytes"),
        ({"a": []}, "no tensor"),
        ({"__metadata__": {"a": 1}}, "metadata are no texts"),
        ({"__metadata__": "text"}, "metadata are no texts"),
        ({"x" * 200: 5}, "'" + "x" * 80 + "' is no tensor"),
    ],
)
def test_what_is_wrong_with_a_header_is_said(content: Mapping[str, object], words: str) -> None:
    with pytest.raises(WrongContent, match=words):
        parse_header(header_of(content))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "does not begin with '{'"),
        (" {}", "does not begin with '{'"),
        ('{"a', "cannot be read"),
        ("{} {}", "cannot be read"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": {}, "a": {}}', "a name stands in it twice"),
        ('{"__metadata__": {"x": "1", "x": "2"}}', "twice"),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "cannot be read"),
        ('{"a": ' + "9" * 5000 + "}", "cannot be read|no tensor"),
        (b'{"\xff": 1}', "cannot be read"),
    ],
)
def test_text_that_is_no_header_is_refused(text: str | bytes, words: str) -> None:
    with pytest.raises(WrongContent, match=words):
        parse_header(with_length(text))


@pytest.mark.parametrize("length", [0, 1, MAX_HEADER_BYTES + 1, 2**64 - 1])
def test_a_length_that_no_header_has_is_no_safetensors_file(length: int) -> None:
    with pytest.raises(WrongContent, match=f"{length:,} bytes, at most"):
        header_length(struct.pack("<Q", length))
    assert header_length(struct.pack("<Q", MAX_HEADER_BYTES)) == MAX_HEADER_BYTES


@pytest.mark.parametrize("there", [0, 7, 8, 9, 50])
def test_who_sends_a_start_hears_how_many_bytes_tell_it(there: int) -> None:
    start = header_of(WHOLE)
    with pytest.raises(TooShort) as refusal:
        parse_header(start[:there])
    assert refusal.value.needed == (8 if there < 8 else len(start))


@pytest.mark.parametrize(
    ("limit", "most", "words"),
    [("MAX_TENSORS", 2, "more than 2 tensors"), ("MAX_PARTS", 10, "more than 10 parts")],
)
def test_headers_are_bounded_before_they_are_read(
    monkeypatch: pytest.MonkeyPatch, limit: str, most: int, words: str
) -> None:
    parse_header(header_of(WHOLE))
    monkeypatch.setattr(safetensors_header, limit, most)
    with pytest.raises(WrongContent, match=words):
        parse_header(header_of(WHOLE))


def test_the_longest_header_of_brackets_costs_no_time() -> None:
    hostile = with_length(b'{"a":' + b"[" * (MAX_HEADER_BYTES - 5))

    def refuse() -> None:
        with pytest.raises(WrongContent, match="parts"):
            parse_header(hostile)

    assert_quick(refuse, 2)


@given(st.binary(max_size=80))
def test_noise_is_refused_and_breaks_nothing(noise: bytes) -> None:
    for start in (noise, with_length(b"{" + noise)):
        try:
            parse_header(start)
        except WrongContent:
            continue
        assert isinstance(json.loads(start[8:]), dict)
