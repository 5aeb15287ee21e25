"""Builds the preview of a file for the page, by its kind. No Flask, no torch.

What cannot be read does not fail the answer: its ``problem`` says what is wrong.
"""

import os
import stat
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from filebrowser.errors import FileError, Overloaded
from filebrowser.gate import Place, open_place
from filebrowser.kinds import Kind, suffix, type_of
from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.pictures.opening import opened
from filebrowser.pictures.told import Told
from filebrowser.previews.texts import read_text
from filebrowser.previews.weights import Part, Weights, read_weights
from filebrowser.tree import entry_of
from generator.errors import ModelNotFound
from generator.models.recognising import recognise
from generator.models.registry import Registry
from webapp.infotexts import told_by

Json = dict[str, object]
AT_ONCE = 2  # headers in parsing: the largest take some hundred megabytes
NEVER_OPENED = (
    "This may hold a pickle, which can run code when it is opened: it is never opened here."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a preview is made with. ``may_read_texts``: whether the caller may read contents."""

    registry: Registry
    pasted: Callable[[str], Mapping[str, object]]  # an infotext, as parameters to draw with
    texts: bool = True
    part: Part = Part()  # noqa: RUF009  (frozen)
    memory: MemoryBudget | None = None  # that pictures are read within


class Previews:
    """Makes previews; a bounded number at once. Safe for threads."""

    def __init__(self) -> None:
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def of(self, place: Place, asked: Asked) -> Json:
        """The facts of the file or folder at ``place``. Raises the gate's errors."""
        file = open_place(place)
        try:
            facts = os.fstat(file)
            entry = entry_of((place.names or (place.root.name,))[-1], facts)
            told: Json = {
                "path": f"/{place.text}",
                "name": entry.name,
                "kind": entry.kind,
                "size": entry.size,
                "modified": entry.modified,
                "type": type_of(entry.name) if stat.S_ISREG(facts.st_mode) else None,
            }
            with self._turns:
                return told | inside(entry.kind, entry.name, file, asked)
        finally:
            os.close(file)


def inside(kind: Kind, name: str, file: int, asked: Asked) -> Json:
    """The content of an open file of this kind; ``{"problem"}`` where it cannot be read."""
    try:
        if kind is Kind.IMAGE:
            return {"picture": picture_json(file, asked)}
        if kind is Kind.MODEL and suffix(name) == ".safetensors":
            weights = read_weights(file, recognised, asked.part)
            return {"weights": weights_json(weights, asked.part)}
        if kind in (Kind.TEXT, Kind.MARKDOWN) and asked.texts:
            return {"text": asdict(read_text(file))}
    except Overloaded:
        raise
    except FileError as error:
        return {"problem": str(error)}
    return {"problem": NEVER_OPENED} if kind is Kind.MODEL else {}


def picture_json(file: int, asked: Asked) -> Json:
    """Size, format and how it was made."""
    with opened(file, asked.memory) as image:
        size, form, told = image.size, image.format, told_by(image)
    return {
        "width": size[0],
        "height": size[1],
        "format": form,
        "infotext": told.infotext,
        "parameters": dict(asked.pasted(told.infotext)) if told.infotext else {},
        "made": made_json(told) if told.infotext else None,
        "checkpoint": checkpoint_json(told, asked.registry),
    }


def made_json(told: Told) -> Json:
    """What the index knows of a picture."""
    return {
        "prompt": told.prompt,
        "negative": told.negative,
        "model": told.model,
        "model_hash": told.model_hash,
        "loras": list(told.loras),
        "sampler": told.sampler,
        "seed": told.seed,
    }


def checkpoint_json(told: Told, registry: Registry) -> Json | None:
    """The model here that made the picture, by its hash, else by its name; None if it is not."""
    for name in filter(None, (told.model_hash, told.model)):
        with suppress(ModelNotFound):
            found = registry.index.find_checkpoint(name)
            return {"title": found.title, "name": found.name, "hash": found.shorthash}
    return None


def recognised(
    shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]
) -> tuple[str, str]:
    """Kind and architecture of a model file, as the generator recognises them."""
    found = recognise(shapes, metadata)
    return str(found.kind or ""), found.architecture


def weights_json(weights: Weights, part: Part) -> Json:
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
