"""What a safetensors file tells: its architecture, words it was trained on, texts, tensors.

Everything in a header is a stranger's: it is counted, cut and handed on as text.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from filebrowser.tensors import read_tensors

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
class Part:
    """Which tensors are asked for: those whose names hold ``name``, by place."""

    name: str = ""
    offset: int = 0
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Tensor:
    """One row of the table."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """``matching`` tensors fit what is asked for, ``tensors`` is the part of them."""

    kind: str
    architecture: str
    metadata: Mapping[str, str]
    words: tuple[tuple[str, int], ...]  # with how often, 0: not counted
    count: int
    parameters: int
    dtypes: tuple[str, ...]
    matching: int
    tensors: tuple[Tensor, ...]


def read_weights(file: int, recogniser: Recogniser, part: Part) -> Weights:
    """What the open file tells. Raises ``WrongContent`` for what is no whole safetensors file."""
    found = read_tensors(file)
    kind, architecture = recogniser(found.shapes, found.metadata)
    wanted = part.name.casefold()
    names = [name for name in found.shapes if wanted in name.casefold()]
    shown = names[part.offset : part.offset + part.limit]
    return Weights(
        kind,
        architecture,
        dict(_texts(found.metadata)),
        tuple(_words(found.metadata)),
        len(found.shapes),
        sum(map(math.prod, found.shapes.values())),
        tuple(sorted(set(found.dtypes.values()))),
        len(names),
        tuple(Tensor(name, found.dtypes[name], found.shapes[name]) for name in shown),
    )


def _texts(metadata: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in list(metadata.items())[:MOST_TEXTS]:
        if name != TAGS:
            yield name[:LONGEST_WORD], _cut(text, LONGEST_TEXT)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _words(metadata: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Words that the makers name, then tags of the training pictures, the most frequent first."""
    named = [word.strip() for key in TRIGGERS for word in metadata.get(key, "")[:2000].split(",")]
    triggers = [word[:LONGEST_WORD] for word in dict.fromkeys(named) if word][:MOST_WORDS]
    counts = _tags(metadata.get(TAGS, ""))
    yield from ((word, counts.pop(word, 0)) for word in triggers)
    yield from counts.most_common(MOST_WORDS - len(triggers))


def _tags(text: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    try:
        folders = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return counts
    tags = [each for each in folders.values() if isinstance(each, dict)] if _named(folders) else []
    for tag, count in (item for each in tags for item in each.items()):
        word = tag.strip()[:LONGEST_WORD]
        if word and type(count) is int and 0 < count <= MOST_COUNTED:
            counts[word] += count
    return counts


def _named(value: object) -> bool:
    return isinstance(value, dict)
