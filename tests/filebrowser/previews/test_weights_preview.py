"""What the header of a safetensors file tells, whatever its maker wrote into it."""

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filebrowser.errors import WrongContent
from filebrowser.previews import weights
from filebrowser.previews.weights import (
    LONGEST_TEXT,
    LONGEST_WORD,
    MOST_TEXTS,
    MOST_WORDS,
    TensorQuery,
    TensorRow,
    WeightsPreview,
    read_weights,
)

WIDTHS = {"F32": 4, "F16": 2, "I64": 8}
TENSORS = {
    "unet.in.weight": ("F16", (2, 3)),
    "unet.out.Weight": ("F16", (5,)),
    "steps": ("I64", ()),
    "empty": ("F32", (0, 4)),
}


def write_weights(
    path: Path,
    metadata: Mapping[str, str] | None = None,
    tensors: Mapping[str, tuple[str, tuple[int, ...]]] = TENSORS,
) -> None:
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    end = 0
    for name, (dtype, shape) in tensors.items():
        size = WIDTHS[dtype]
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights") / "a.safetensors"


def read(path: Path, query: TensorQuery | None = None) -> WeightsPreview:
    def recognise(shapes: Mapping[str, Any], metadata: Mapping[str, str]) -> tuple[str, str]:
        return f"{len(shapes)} tensors", metadata.get("arch", "unknown")

    fd = os.open(path, os.O_RDONLY)
    try:
        return read_weights(fd, recognise, query or TensorQuery())
    finally:
        os.close(fd)


def words_of(path: Path, metadata: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    write_weights(path, metadata)
    return read(path).words


def test_the_header_is_told_in_figures(path: Path) -> None:
    write_weights(path, {"arch": "sd1", "format": "pt"})
    preview = read(path)
    assert (preview.kind, preview.architecture) == ("4 tensors", "sd1")
    assert preview.metadata == {"arch": "sd1", "format": "pt"}
    assert (preview.count, preview.parameters) == (4, 6 + 5 + 1 + 0)
    assert preview.dtypes == ("F16", "F32", "I64")
    assert preview.matching == 4
    assert preview.tensors[0] == TensorRow("unet.in.weight", "F16", (2, 3))
    assert preview.words == ()


def test_a_file_without_metadata_or_tensors_is_told_too(path: Path) -> None:
    write_weights(path, None, {})
    preview = read(path)
    assert (preview.metadata, preview.count, preview.parameters) == ({}, 0, 0)
    assert (preview.dtypes, preview.tensors) == ((), ())


@pytest.mark.parametrize(
    ("query", "matching", "names"),
    [
        (TensorQuery("WEIGHT"), 2, ["unet.in.weight", "unet.out.Weight"]),
        (TensorQuery("weight", 1), 2, ["unet.out.Weight"]),
        (TensorQuery("weight", 0, 1), 2, ["unet.in.weight"]),
        (TensorQuery("", 2, 1), 4, ["steps"]),
        (TensorQuery("none"), 0, []),
        (TensorQuery("", 9), 4, []),
    ],
)
def test_tensors_are_found_by_a_part_of_their_name(
    path: Path, query: TensorQuery, matching: int, names: list[str]
) -> None:
    write_weights(path)
    preview = read(path, query)
    assert (preview.matching, [row.name for row in preview.tensors]) == (matching, names)
    assert preview.count == 4  # of all, whatever is asked for


@given(st.integers(1, 6))
def test_pages_of_tensors_make_the_whole(path: Path, limit: int) -> None:
    write_weights(path)
    pages = [read(path, TensorQuery("", offset, limit)).tensors for offset in range(0, 4, limit)]
    assert [row.name for page in pages for row in page] == [*TENSORS]


def test_makers_words_come_first_then_the_most_frequent_tags(path: Path) -> None:
    tags = {"1_cats": {"cat": 5, "fur": 2}, "2_more": {" cat ": 3, "tree": 4, "hat": 9}}
    told = words_of(
        path,
        {
            "ss_tag_frequency": json.dumps(tags),
            "modelspec.trigger_phrase": "hat , new word",
            "trigger_words": "hat,, ",
            "ss_trigger_words": "last",
        },
    )
    assert told == (
        *(("hat", 9), ("new word", 0), ("last", 0)),
        *(("cat", 8), ("tree", 4), ("fur", 2)),
    )
    assert "ss_tag_frequency" not in read(path).metadata  # told as words, not twice


@pytest.mark.parametrize(
    "tags",
    [
        "",
        "{",
        "[]",
        "7",
        '{"a": ["cat"]}',
        '{"a": {"cat": "5"}}',
        '{"a": {"cat": true}}',
        '{"a": {"cat": 0}}',
        '{"a": {"cat": -1}}',
        '{"a": {"cat": 1.5}}',
        '{"a": {"cat": 10000000000}}',
        '{"a": {"  ": 5}}',
        "[" * 100_000,
        '{"a": {"cat": ' + "9" * 5000 + "}}",
    ],
)
def test_counts_that_are_none_are_left_out(path: Path, tags: str) -> None:
    assert words_of(path, {"ss_tag_frequency": tags, "trigger_words": "kept"}) == (("kept", 0),)


def test_texts_and_words_are_cut(path: Path) -> None:
    long = {f"key {number}": "x" for number in range(MOST_TEXTS + 5)}
    write_weights(path, {"n" * 300: "y" * (LONGEST_TEXT + 1)} | long)
    metadata = read(path).metadata
    assert len(metadata) == MOST_TEXTS
    assert metadata["n" * LONGEST_WORD] == "y" * LONGEST_TEXT + "… (10,001 characters)"
    (word,) = words_of(path, {"trigger_words": "w" * 1500})
    assert word == ("w" * LONGEST_WORD, 0)


def test_so_many_words_and_no_more(path: Path) -> None:
    triggers = ",".join(f"t{number}" for number in range(150))
    tags = json.dumps({"a": {f"tag {number}": 1 for number in range(MOST_WORDS)}})
    words = words_of(path, {"trigger_words": triggers, "ss_tag_frequency": tags})
    assert len(words) == MOST_WORDS
    assert words[149] == ("t149", 0)
    assert words[150][1] == 1
    many = ",".join(f"{number:x}" for number in range(700))
    assert len(words_of(path, {"trigger_words": many, "ss_trigger_words": many})) == MOST_WORDS


TAG_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(TAG_LIKE, st.text(max_size=40))
def test_whatever_the_maker_wrote_words_are_texts_and_counts(
    path: Path, tags: Any, triggers: str
) -> None:
    metadata = {weights.TAGS: json.dumps(tags), "trigger_words": triggers}
    for word, count in words_of(path, metadata):
        assert word == word.strip()
        assert word
        assert type(count) is int
        assert count >= 0


@pytest.mark.parametrize("cut", [1, -1], ids=["a byte short", "a byte long"])
def test_a_part_of_a_file_is_no_model(path: Path, cut: int) -> None:
    write_weights(path)
    content = path.read_bytes()
    path.write_bytes(content[:-1] if cut == 1 else content + b"\0")
    with pytest.raises(WrongContent, match="damaged"):
        read(path)


def test_what_is_no_model_at_all_is_refused(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(WrongContent, match="no safetensors file"):
        read(path)
