"""Builds the preview of a file for the page, by its kind. No Flask, no torch.

What cannot be read does not fail the answer: its ``problem`` says what is wrong.
"""

import os
import stat
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Required

from typing_extensions import TypedDict

from filebrowser.access.gate import Place, open_place
from filebrowser.errors import FileError, Overloaded
from filebrowser.listing.file_kinds import FileKind, suffix, type_of
from filebrowser.listing.tree import entry_of
from filebrowser.pictures.image_open import open_image
from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.pictures.picture_facts import PictureFacts
from filebrowser.previews.text_preview import read_text
from filebrowser.previews.weights import TensorQuery, WeightsPreview, read_weights
from generator.errors import ModelNotFound
from generator.models.kind_detection import detect_kind
from generator.models.quantisation import format_of_names
from generator.models.registry import Registry
from webapp.files.infotexts import read_picture_facts

MAX_CONCURRENT = 2  # headers in parsing: the largest take some hundred megabytes
PICKLE_NOTICE = (
    "This may hold a pickle, which can run code when it is opened: it is never opened here."
)


class PreviewedText(TypedDict):
    """A text; ``complete``: all of the file is here."""

    content: str
    encoding: str
    complete: bool


class PictureOrigin(TypedDict):
    """How a picture was made."""

    prompt: str
    negative: str
    model: str
    model_hash: str
    loras: list[str]
    sampler: str
    seed: int | None


class FoundCheckpoint(TypedDict):
    """The model here that made a picture."""

    title: str
    name: str
    hash: str | None


class PictureContent(TypedDict):
    """A picture's size in pixels, and how it was made."""

    width: int
    height: int
    format: str | None
    infotext: str
    parameters: dict[str, object]
    made: PictureOrigin | None
    checkpoint: FoundCheckpoint | None


class TriggerWord(TypedDict):
    """A word that a model was trained with, and how often; 0: not counted."""

    word: str
    count: int


class TensorFacts(TypedDict):
    """One tensor."""

    name: str
    dtype: str
    shape: list[int]


class WeightsContent(TypedDict):
    """A safetensors header; ``tensors`` is the part from ``offset`` of those ``matching``."""

    model: str
    architecture: str
    metadata: dict[str, str]
    words: list[TriggerWord]
    count: int
    parameters: int
    dtypes: list[str]
    matching: int
    offset: int
    tensors: list[TensorFacts]


class FileContent(TypedDict, total=False):
    """What is inside a file: one of these, or nothing."""

    text: PreviewedText
    picture: PictureContent
    weights: WeightsContent
    problem: str


class FilePreview(FileContent):
    """A file or folder and what is inside; ``modified`` in seconds since 1970."""

    path: Required[str]
    name: Required[str]
    kind: Required[str]
    size: Required[int | None]
    modified: Required[float]
    type: Required[str | None]


@dataclass(frozen=True, slots=True)
class PreviewContext:
    """What a preview is made with. ``may_read_texts``: whether the caller may read contents."""

    registry: Registry
    infotext_to_parameters: Callable[[str], Mapping[str, object]]  # to draw with
    may_read_texts: bool = True
    part: TensorQuery = TensorQuery()  # noqa: RUF009  (frozen)
    memory: MemoryBudget | None = None  # that pictures are read within


class Previews:
    """Makes previews; a bounded number at once. Safe for threads."""

    def __init__(self) -> None:
        self._slots = threading.BoundedSemaphore(MAX_CONCURRENT)

    def preview(self, place: Place, context: PreviewContext) -> FilePreview:
        """The facts of the file or folder at ``place``. Raises the gate's errors."""
        file = open_place(place)
        try:
            facts = os.fstat(file)
            entry = entry_of((place.names or (place.root.name,))[-1], facts)
            with self._slots:
                content = read_content(entry.kind, entry.name, file, context)
            return {
                "path": f"/{place.text}",
                "name": entry.name,
                "kind": entry.kind,
                "size": entry.size,
                "modified": entry.modified,
                "type": type_of(entry.name) if stat.S_ISREG(facts.st_mode) else None,
                **content,
            }
        finally:
            os.close(file)


def read_content(kind: FileKind, name: str, file: int, context: PreviewContext) -> FileContent:
    """The content of an open file of this kind; ``{"problem"}`` where it cannot be read."""
    try:
        if kind is FileKind.IMAGE:
            return {"picture": picture_json(file, context)}
        if kind is FileKind.MODEL and suffix(name) == ".safetensors":
            weights = read_weights(file, recognise_model, context.part)
            return {"weights": weights_json(weights, context.part)}
        if kind in (FileKind.TEXT, FileKind.MARKDOWN) and context.may_read_texts:
            text = read_text(file)
            return {
                "text": {
                    "content": text.content,
                    "encoding": text.encoding,
                    "complete": text.complete,
                }
            }
    except Overloaded:
        raise
    except FileError as error:
        return {"problem": str(error)}
    return {"problem": PICKLE_NOTICE} if kind is FileKind.MODEL else {}


def picture_json(file: int, context: PreviewContext) -> PictureContent:
    """Size, format and how it was made."""
    with open_image(file, context.memory) as image:
        size, form, facts = image.size, image.format, read_picture_facts(image)
    return {
        "width": size[0],
        "height": size[1],
        "format": form,
        "infotext": facts.infotext,
        "parameters": dict(context.infotext_to_parameters(facts.infotext))
        if facts.infotext
        else {},
        "made": made_json(facts) if facts.infotext else None,
        "checkpoint": checkpoint_json(facts, context.registry),
    }


def made_json(facts: PictureFacts) -> PictureOrigin:
    """What the index knows of a picture."""
    return {
        "prompt": facts.prompt,
        "negative": facts.negative,
        "model": facts.model,
        "model_hash": facts.model_hash,
        "loras": list(facts.loras),
        "sampler": facts.sampler,
        "seed": facts.seed,
    }


def checkpoint_json(facts: PictureFacts, registry: Registry) -> FoundCheckpoint | None:
    """The model here that made the picture, by its hash, else by its name; None if it is not."""
    for name in filter(None, (facts.model_hash, facts.model)):
        with suppress(ModelNotFound):
            checkpoint = registry.index.find_checkpoint(name)
            return {
                "title": checkpoint.title,
                "name": checkpoint.name,
                "hash": checkpoint.shorthash,
            }
    return None


def recognise_model(
    shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]
) -> tuple[str, str]:
    """Kind and architecture of a model file, as the generator recognises them."""
    recognition = detect_kind(shapes, metadata)
    weights = format_of_names(shapes)
    words = (recognition.architecture, weights.label if weights else "")
    return str(recognition.kind or ""), ", ".join(filter(None, words))


def weights_json(weights: WeightsPreview, part: TensorQuery) -> WeightsContent:
    """A safetensors header."""
    return {
        "model": weights.kind,
        "architecture": weights.architecture,
        "metadata": dict(weights.metadata),
        "words": [{"word": word, "count": count} for word, count in weights.words],
        "count": weights.count,
        "parameters": weights.parameters,
        "dtypes": list(weights.dtypes),
        "matching": weights.matching,
        "offset": part.offset,
        "tensors": [
            {"name": each.name, "dtype": each.dtype, "shape": list(each.shape)}
            for each in weights.tensors
        ],
    }
