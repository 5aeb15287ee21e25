"""``/api/models/cards``: what is known of each model, read and written; previews."""

import base64
from collections.abc import Mapping
from io import BytesIO
from typing import Annotated
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from filebrowser.pictures.decoded_size import decoded_bytes
from generator.atomic_file import shared_mode, write_atomically
from generator.errors import BadRequest, CannotSave
from generator.model_tools.bases import BaseReader
from generator.model_tools.cards import (
    THUMBNAIL_KEY,
    CardNotes,
    ModelCard,
    find_preview,
    list_names,
    read_card,
    read_cards,
    write_notes,
)
from generator.model_tools.checkpoint_defaults import CheckpointDefaults
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.misplaced import right_folder_of
from generator.pictures.base64_images import bytes_of, decode, open_header
from generator.reasons import reason_of
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Forbidden
from webapp.http.openapi import RouteNote, with_note
from webapp.requests.checkpoint_defaults import DefaultsBody, DefaultsEntry
from webapp.requests.coercion import Float, Str
from webapp.requests.fields import read_body
from webapp.requests.model_tools import choose
from webapp.routes.context import check_free_space, read_json_body
from webapp.routes.generation import picture_reader
from webapp.routes.model_cards import answer_cover, answer_picture, read_cover
from webapp.routes.native_size import native_size
from webapp.services import Services

KINDS = (
    ModelKind.CHECKPOINT, ModelKind.LORA, ModelKind.EMBEDDING, ModelKind.HYPERNETWORK,
    ModelKind.VAE, ModelKind.CONTROLNET, ModelKind.UPSCALER,
)  # fmt: skip
PREVIEW_SIDE = 768  # pixels that a preview is made smaller to
READ_SECONDS = 1.0  # that one request reads headers of LoRA for; the next goes on
LARGEST_NOTES = 1 << 20  # bytes of a card's and a picture's file, together
TEXT = {"type": "string"}
ONE_MODEL = {"kind": TEXT, "name": TEXT}
Text = Annotated[Str, Field(max_length=20_000)]


class CardEntry(TypedDict):
    """A model's card; ``preview`` is the address of its picture, null where it has none.

    ``belongs_in`` is the folder of what lies among checkpoints and is none, as ``base`` says.
    ``side`` is how many pixels wide and high a checkpoint was made to draw, null where unknown.
    """

    kind: str
    name: str
    label: str
    size: int
    changed: int
    hash: str | None
    base: str
    belongs_in: str | None
    side: int | None
    description: str
    preview: str | None
    title: str
    author: str
    licence: str
    source: str
    words: list[str]
    notes: Mapping[str, object]
    defaults: DefaultsEntry


class CardBody(BaseModel):
    """What a person writes of a model; AUTOMATIC1111's user metadata.

    ``defaults`` are a checkpoint's; left out they stay as they are.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Str
    name: Text
    description: Text = ""
    base: Annotated[Str, Field(max_length=100)] = ""
    words: Text = ""
    weight: Float = 0.0
    negative: Text = ""
    notes: Text = ""
    vae: Annotated[Str, Field(max_length=300)] = ""
    defaults: DefaultsBody | None = None


class PreviewBody(BaseModel):
    """A picture for a model, as base64 or an address."""

    model_config = ConfigDict(extra="forbid")

    kind: Str
    name: Text
    image: Str


NOTES: TypeAdapter[CardNotes] = TypeAdapter(CardNotes)
DEFAULTS: TypeAdapter[CheckpointDefaults] = TypeAdapter(CheckpointDefaults)


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("model_notes", __name__, url_prefix="/api/models")
    bases = BaseReader()
    add_cards(routes, services, bases)
    add_previews(routes, services, bases)
    return routes


def add_cards(routes: Blueprint, services: Services, bases: BaseReader) -> None:
    """Lists and changes cards."""

    @routes.get("/cards")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Cards of models", answer=list[CardEntry], query=ONE_MODEL))
    def cards() -> Response:
        """Of a kind (``checkpoint``, ``lora``, ...), of one model with ``name`` too; else all."""
        files = list_files(services, request.args.get("kind", ""), request.args.get("name", ""))
        bases.read_some((file for file in files if file.kind is ModelKind.LORA), READ_SECONDS)
        return jsonify([card_json(file, card, bases) for file, card in read_cards(files)])

    @routes.put("/cards")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Write a model's notes", body=CardBody, answer=CardEntry))
    def put_card() -> Response:
        """Into ``NAME.json`` beside it, as AUTOMATIC1111 does."""
        body = read_body(CardBody, read_json_body())
        file = find_own_model(services, body.kind, body.name)
        check_free_space(services, LARGEST_NOTES)
        write_body(file, body)
        return jsonify(card_of(file, bases))


def add_previews(routes: Blueprint, services: Services, bases: BaseReader) -> None:
    """Pictures of models."""

    @routes.get("/preview")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "The picture of a model", content_type="image/*",
            answer={"type": "string", "format": "binary"}, query=ONE_MODEL,
        )
    )  # fmt: skip
    def preview() -> Response:
        """The one beside it, else the one in its file."""
        file = find_model(services, request.args.get("kind", ""), request.args.get("name", ""))
        path = find_preview(file.beside, list_names(file.path.parent))
        folders = services.registry.folders.of(file.kind)
        folder = next((each for each in folders if file.path.is_relative_to(each)), None)
        if path is not None and folder is not None:
            return answer_picture(path, folder)
        return answer_cover(read_embedded_picture(file))

    @routes.put("/preview")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Give a model a picture", body=PreviewBody, answer=CardEntry))
    def put_preview() -> Response:
        """Written as ``NAME.png`` beside it, which AUTOMATIC1111 shows first."""
        body = read_body(PreviewBody, read_json_body())
        file = find_own_model(services, body.kind, body.name)
        encoded = picture_reader(services)("image", body.image)
        check_free_space(services, LARGEST_NOTES)
        write_preview(services, file, base64.b64decode(encoded))
        return jsonify(card_of(file, bases))


def list_files(services: Services, kind: str, name: str) -> list[ModelFile]:
    """The models that a query asks for. Raises ``ModelNotFound``, ``BadRequest``."""
    if name:
        return [find_model(services, kind, name)]
    kinds = (choose(ModelKind, "kind", kind),) if kind else KINDS
    return [file for each in kinds for file in services.registry.index.files_of(each)]


def find_own_model(services: Services, kind: str, name: str) -> ModelFile:
    """As :func:`find_model`. Raises ``Forbidden`` where its folder is not the caller's."""
    file, tree = find_model(services, kind, name), services.trees.current()
    if tree.name and not file.path.is_relative_to(tree.config.data_dir):
        raise Forbidden(f"{file.name} is a model of all users: its notes are an admin's to write.")
    return file


def write_body(file: ModelFile, body: CardBody) -> None:
    """Keep what a person wrote. Raises as :func:`write_notes`."""
    notes = NOTES.validate_python(body.model_dump(exclude={"kind", "name", "defaults"}))
    told = body.defaults
    write_notes(file, notes, DEFAULTS.validate_python(told.model_dump()) if told else None)


def find_model(services: Services, kind: str, name: str) -> ModelFile:
    """The model of that kind and name. Raises ``ModelNotFound``, ``BadRequest``."""
    return services.registry.find(choose(ModelKind, "kind", kind), name)


def card_of(file: ModelFile, bases: BaseReader) -> CardEntry:
    """The card of one model as it is now."""
    bases.read_some([file] if file.kind is ModelKind.LORA else [], READ_SECONDS)
    return card_json(file, read_card(file, list_names(file.path.parent)), bases)


def card_json(file: ModelFile, card: ModelCard, bases: BaseReader) -> CardEntry:
    """One entry of the list."""
    folder = right_folder_of(file)
    base = "" if folder else card.base  # of a stray LoRA: what it was trained on
    if not base and file.kind in (ModelKind.CHECKPOINT, ModelKind.LORA):
        architecture = file.architecture or bases.base_of(file)
        base = architecture.label if architecture else ""
    return {
        "kind": file.kind,
        "name": file.name,
        "label": file.alias if file.kind is ModelKind.LORA else file.stem,
        "size": file.size,
        "changed": file.mtime_ns // 1_000_000,
        "hash": file.shorthash,
        "base": base,
        "belongs_in": folder or None,
        "side": native_size(file) if file.kind is ModelKind.CHECKPOINT and not folder else None,
        "description": card.description,
        "preview": preview_address(file, card),
        "title": card.title,
        "author": card.author,
        "licence": card.licence,
        "source": card.source,
        "words": list(card.words),
        "notes": NOTES.dump_python(card.notes, mode="json"),
        "defaults": DEFAULTS.dump_python(card.defaults, mode="json"),
    }


def preview_address(file: ModelFile, card: ModelCard) -> str | None:
    """Relative to the page, with the time of change, so that browsers notice another picture."""
    if card.preview is None and not card.has_cover:
        return None
    try:
        changed = card.preview.stat().st_mtime_ns if card.preview else file.mtime_ns
    except OSError:
        return None
    facts = {"kind": file.kind, "name": file.name, "changed": changed}
    return f"api/models/preview?{urlencode(facts)}"


def read_embedded_picture(file: ModelFile) -> bytes | None:
    """The first picture that a model's own metadata hold."""
    thumbnail = file.metadata.get(THUMBNAIL_KEY, "")
    if not thumbnail:
        return read_cover(file, 0)
    try:
        return bytes_of(thumbnail, THUMBNAIL_KEY)
    except BadRequest:  # no base64: as if there were none
        return None


def write_preview(services: Services, file: ModelFile, data: bytes) -> None:
    """Write ``NAME.png``, made smaller. Raises ``CannotSave``."""
    image = open_header(data)
    with services.decoding.hold(decoded_bytes(image, copies=2)):
        picture = decode(image)
        picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
        content = BytesIO()
        picture.save(content, "PNG")
    path = file.beside.with_suffix(".png")
    try:
        write_atomically(path, content.getvalue(), shared_mode(0o666))
    except OSError as error:
        raise CannotSave(f"{path.name} cannot be written: {reason_of(error)}") from error
