"""Cards of models: what the files beside one, and its own metadata, tell of it. No torch.

Read are AUTOMATIC1111's ``NAME.json`` (contract section 8), Civitai's ``NAME.civitai.info``,
``NAME.description.txt`` or ``NAME.txt``, and the keys ``modelspec.`` and ``ss_``. What comes first
in this order counts, field by field.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from generator.atomic_file import shared_mode, write_atomically
from generator.errors import BadRequest, CannotSave, ModelUnreadable
from generator.model_tools.checkpoint_defaults import (
    DEFAULTS_KEY,
    CheckpointDefaults,
    defaults_json,
    read_defaults,
)
from generator.models.index import ModelFile
from generator.models.plain_files import read_object, read_text
from generator.reasons import reason_of

COVERS_KEY = "ssmd_cover_images"  # of a LoRA's metadata: pictures as a JSON list of base64
THUMBNAIL_KEY = "modelspec.thumbnail"  # a data: URI
CIVITAI = "https://civitai.com/models/"
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
PREVIEW_ENDINGS = tuple(
    f"{part}{suffix}" for suffix in PICTURE_SUFFIXES for part in ("", ".preview")
)
DESCRIPTION_ENDINGS = (".description.txt", ".txt")
LONGEST_TEXT = 20_000  # characters of a field
MOST_WORDS = 200  # trigger words

Object = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CardNotes:
    """What a person writes of a model: AUTOMATIC1111's user metadata."""

    description: str = ""
    base: str = ""  # "sd version"
    words: str = ""  # "activation text"
    weight: float = 0.0  # "preferred weight"; 0: none
    negative: str = ""  # "negative text"
    notes: str = ""
    vae: str = ""  # of a checkpoint


@dataclass(frozen=True, slots=True)
class ModelCard:
    """All that is known of a model; texts are plain."""

    notes: CardNotes  # of NAME.json alone
    description: str
    base: str  # the base model in its author's words; "" where nobody tells
    words: tuple[str, ...]  # trigger words
    title: str  # what its author calls it
    author: str
    licence: str
    source: str  # address of its page; "" where unknown
    preview: Path | None  # the picture beside it
    has_cover: bool  # whether its file holds a picture
    defaults: CheckpointDefaults  # of a checkpoint


def read_cards(files: Iterable[ModelFile]) -> Iterator[tuple[ModelFile, ModelCard]]:
    """Each with its card; a folder is listed once."""
    listings: dict[Path, frozenset[str]] = {}
    for file in files:
        folder = file.path.parent
        if folder not in listings:
            listings[folder] = list_names(folder)
        yield file, read_card(file, listings[folder])


def read_card(file: ModelFile, beside: frozenset[str]) -> ModelCard:
    """The card of a model, in whose folder the names ``beside`` lie.

    Never raises for what lies beside it.
    """
    own = _read_beside(file.beside, ".json", beside)
    civitai = _read_beside(file.beside, ".civitai.info", beside)
    metadata = file.metadata
    civitai_description = first_text(
        civitai.get("description"), _of(civitai, "model", "description")
    )
    notes = CardNotes(
        description=first_text(own.get("description")),
        base=first_text(own.get("sd version")),
        words=first_text(own.get("activation text")),
        weight=to_weight(own.get("preferred weight")),
        negative=first_text(own.get("negative text")),
        notes=first_text(own.get("notes")),
        vae=first_text(own.get("vae")),
    )
    return ModelCard(
        notes=notes,
        description=first_text(
            notes.description,
            strip_markup(civitai_description),
            _read_description(file.beside, beside),
            strip_markup(metadata.get("modelspec.description", "")),
        ),
        base=first_text(
            notes.base, civitai.get("baseModel"), metadata.get("ss_base_model_version")
        ),
        words=tuple(collect_words(notes.words, civitai, metadata)),
        title=first_text(_of(civitai, "model", "name"), metadata.get("modelspec.title")),
        author=first_text(_of(civitai, "creator", "username"), metadata.get("modelspec.author")),
        licence=first_text(metadata.get("modelspec.license"), describe_permissions(civitai)),
        source=page_of(civitai),
        preview=find_preview(file.beside, beside),
        has_cover=COVERS_KEY in metadata or THUMBNAIL_KEY in metadata,
        defaults=read_defaults(own),
    )


def write_notes(
    file: ModelFile, notes: CardNotes, defaults: CheckpointDefaults | None = None
) -> None:
    """Write ``NAME.json`` as AUTOMATIC1111 does; keys that are none of ours stay.

    So do a checkpoint's defaults where none are given.

    Raises :class:`BadRequest` where another thing has that name, :class:`CannotSave`.
    """
    path = file.beside.with_suffix(".json")
    content = dict(read_object(path))
    if path.exists() and not content:
        raise BadRequest(f"{path.name} is there and holds no notes: rename or delete it first")
    content |= {
        "description": notes.description,
        "sd version": notes.base,
        "activation text": notes.words,
        "preferred weight": notes.weight,
        "negative text": notes.negative,
        "notes": notes.notes,
    }
    if notes.vae or "vae" in content:
        content["vae"] = notes.vae
    if defaults is not None:
        content.pop(DEFAULTS_KEY, None)
        if kept := defaults_json(defaults):
            content[DEFAULTS_KEY] = kept
    text = json.dumps(content, indent=4, ensure_ascii=False)
    try:
        write_atomically(path, text.encode(), shared_mode(0o666))
    except OSError as error:
        raise CannotSave(f"{path.name} cannot be written: {reason_of(error)}") from error


def find_preview(path: Path, beside: frozenset[str]) -> Path | None:
    """The picture that lies beside a model under its name."""
    names = (f"{path.stem}{ending}" for ending in PREVIEW_ENDINGS)
    return next((path.with_name(name) for name in names if name in beside), None)


def list_names(folder: Path) -> frozenset[str]:
    """The names in a folder; none where it cannot be listed."""
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def first_text(*values: object) -> str:
    """The first that is a text with something in it, cut to what a card holds."""
    texts = (value.strip() for value in values if isinstance(value, str))
    return next((text[:LONGEST_TEXT] for text in texts if text), "")


def to_weight(value: object) -> float:
    """A number as people write it; 0 for what is none."""
    try:
        number = float(value) if isinstance(value, int | float | str) else 0.0
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def collect_words(activation: str, civitai: Object, metadata: Mapping[str, str]) -> Iterable[str]:
    """Trigger words, each once."""
    trained = civitai.get("trainedWords")
    listed = (
        [word for word in trained if isinstance(word, str)] if isinstance(trained, list) else []
    )
    texts = [activation] if activation else [*listed, metadata.get("modelspec.trigger_phrase", "")]
    words = (word.strip()[:LONGEST_TEXT] for text in texts for word in text.split(","))
    return list(dict.fromkeys(filter(None, words)))[:MOST_WORDS]


def describe_permissions(civitai: Object) -> str:
    """What Civitai's page of the model allows, in words; "" where nothing is told."""
    model = civitai.get("model")
    facts = {**civitai, **(model if isinstance(model, dict) else {})}
    uses = facts.get("allowCommercialUse")
    told = ", ".join(map(str, uses)) if isinstance(uses, list) else uses
    parts = [f"commercial use: {told}"] if isinstance(told, str) and told else []
    for key, words in (("allowDerivatives", "derivatives"), ("allowNoCredit", "without credit")):
        if isinstance(facts.get(key), bool):
            parts.append(f"{words}: {'yes' if facts[key] else 'no'}")
    return "; ".join(parts)


def page_of(civitai: Object) -> str:
    """The model's page at Civitai."""
    number = civitai.get("modelId")
    return f"{CIVITAI}{number}" if type(number) is int and number > 0 else ""


def strip_markup(text: str) -> str:
    """The words of HTML, a line for each paragraph."""
    if "<" not in text:
        return text
    reader = _TextReader()
    reader.feed(text[: 4 * LONGEST_TEXT])
    reader.close()
    return "".join(reader.pieces).strip()


class _TextReader(HTMLParser):
    """Collects text."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        """A piece of text."""
        self.pieces.append(data)

    def handle_endtag(self, tag: str) -> None:
        """The end of what stands in a line of its own."""
        if tag in ("p", "li", "h1", "h2", "h3", "div"):
            self.pieces.append("\n")

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """A break."""
        if tag == "br":
            self.pieces.append("\n")


def _read_beside(path: Path, ending: str, beside: frozenset[str]) -> Object:
    name = f"{path.stem}{ending}"
    return read_object(path.with_name(name)) if name in beside else {}


def _read_description(path: Path, beside: frozenset[str]) -> str:
    for ending in DESCRIPTION_ENDINGS:
        name = f"{path.stem}{ending}"
        if name in beside:
            try:
                return read_text(path.with_name(name))
            except (OSError, ModelUnreadable):
                return ""
    return ""


def _of(content: Object, key: str, inner: str) -> object:
    value = content.get(key)
    return value.get(inner) if isinstance(value, dict) else None
