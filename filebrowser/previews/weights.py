"""Facts of a safetensors file: architecture, training words, metadata, tensors.

Headers are untrusted: they are counted, cut and passed on as text.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from filebrowser.safetensors_header import read_header

TAGS = "ss_tag_frequency"  # kohya's: {folder: {tag: count}}, as JSON in a text
TRIGGERS = ("modelspec.trigger_phrase", "trigger_words", "ss_trigger_words")
LONGEST_TEXT = 10_000  # characters of one value of the metadata
MOST_TEXTS = 500
MOST_WORDS = 200
LONGEST_WORD = 200  # characters
MOST_COUNTED = 10**9

Recogniser = Callable[[Mapping[str, tuple[int, ...]], Mapping[str, str]], tuple[str, str]]
"""From shapes by name and the metadata to the kind of model and its architecture, in words."""


@dataclass(frozen=True, slots=True)
class TensorQuery:
    """Which tensors are asked for: those whose names hold ``name``, by place."""

    name: str = ""
    offset: int = 0
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class TensorRow:
    """One row of the table."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WeightsPreview:
    """``matching`` tensors fit what is asked for, ``tensors`` is the part of them."""

    kind: str
    architecture: str
    metadata: Mapping[str, str]
    words: tuple[tuple[str, int], ...]  # with how often, 0: not counted
    count: int
    parameters: int
    dtypes: tuple[str, ...]
    matching: int
    tensors: tuple[TensorRow, ...]


def read_weights(file: int, recogniser: Recogniser, query: TensorQuery) -> WeightsPreview:
    """What the open file tells. Raises ``WrongContent`` for what is no whole safetensors file."""
    header = read_header(file)
    kind, architecture = recogniser(header.shapes, header.metadata)
    wanted = query.name.casefold()
    names = [name for name in header.shapes if wanted in name.casefold()]
    page_names = names[query.offset : query.offset + query.limit]
    return WeightsPreview(
        kind,
        architecture,
        dict(_metadata_texts(header.metadata)),
        tuple(_trained_words(header.metadata)),
        len(header.shapes),
        sum(map(math.prod, header.shapes.values())),
        tuple(sorted(set(header.dtypes.values()))),
        len(names),
        tuple(TensorRow(name, header.dtypes[name], header.shapes[name]) for name in page_names),
    )


def _metadata_texts(metadata: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in list(metadata.items())[:MOST_TEXTS]:
        if name != TAGS:
            yield name[:LONGEST_WORD], _truncate(text, LONGEST_TEXT)


def _truncate(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _trained_words(metadata: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Words that the makers name, then tags of the training pictures, the most frequent first."""
    named = [word.strip() for key in TRIGGERS for word in metadata.get(key, "")[:2000].split(",")]
    triggers = [word[:LONGEST_WORD] for word in dict.fromkeys(named) if word][:MOST_WORDS]
    counts = _tag_counts(metadata.get(TAGS, ""))
    yield from ((word, counts.pop(word, 0)) for word in triggers)
    yield from counts.most_common(MOST_WORDS - len(triggers))


def _tag_counts(text: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    try:
        folders = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return counts
    tags = (
        [each for each in folders.values() if isinstance(each, dict)] if _is_dict(folders) else []
    )
    for tag, count in (item for each in tags for item in each.items()):
        word = tag.strip()[:LONGEST_WORD]
        if word and type(count) is int and 0 < count <= MOST_COUNTED:
            counts[word] += count
    return counts


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)
