"""What AUTOMATIC1111's model cards are made of: pictures beside models, metadata, covers.

Contract section 1.12. Paths come in and files go out through the one gate alone.
"""

import base64
import binascii
import html
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request
from PIL import Image

from filebrowser.errors import NotHere
from filebrowser.gate import Root, locate, open_place
from filebrowser.serving import SANDBOX, Shown, respond
from generator.errors import BadRequest, ModelNotFound
from generator.models.index import ModelFile
from generator.models.kinds import Kind
from generator.pictures.reading import open_header
from webapp.openapi import Note, described
from webapp.routes.context import services
from webapp.scopes import Scope, allowed

cards = Blueprint("cards", __name__, url_prefix="/sd_extra_networks")

SHELVES: Mapping[str, Kind] = MappingProxyType(
    {
        "lora": Kind.LORA,
        "checkpoints": Kind.CHECKPOINT,
        "textual inversion": Kind.EMBEDDING,
        "textual_inversion": Kind.EMBEDDING,
        "hypernetworks": Kind.HYPERNETWORK,
    }
)
"""The pages of cards by AUTOMATIC1111's names."""

PICTURES: Mapping[str, str] = MappingProxyType(
    {
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".webp": "image/webp",
        ".gif": "image/gif",
    }
)
ENDINGS = tuple(f"{part}{suffix}" for suffix in PICTURES for part in ("", ".preview"))
COVERS = "ssmd_cover_images"  # of a LoRA's metadata: pictures as a JSON list of base64
COVER_BYTES = 16 * 2**20
TEXT = {"type": "string"}
PICTURE = {"type": "string", "format": "binary"}
ITEM = {"page": TEXT, "item": TEXT}


@cards.get("/thumb")
@allowed(Scope.READ)
@described(
    Note(
        "The picture beside a model", content_type="image/*", answer=PICTURE,
        query={"filename": TEXT},
    )
)  # fmt: skip
def thumb() -> Response:
    """A picture in one of the model folders, by its absolute path."""
    path = request.args.get("filename", "")
    kind = PICTURES.get(PurePosixPath(path).suffix.lower())
    folder = next((root for root in folders() if path.startswith(f"{root}/")), None)
    if kind is None or folder is None:
        raise NotHere(f"There is no picture of a model at {path!r}.")
    place = locate(f"models{path.removeprefix(str(folder))}", [Root("models", folder, False)])
    return respond(open_place(place), Shown(place.names[-1], kind, attachment=False))


def folders() -> tuple[Path, ...]:
    """The folders of the models that have cards."""
    known = services().registry.folders
    return tuple(dict.fromkeys(root for kind in SHELVES.values() for root in known.of(kind)))


@cards.get("/metadata")
@allowed(Scope.READ)
@described(Note("What a model's file says of itself", answer={"type": "object"}, query=ITEM))
def metadata() -> Response:
    """``{"metadata": JSON as text}``, or ``{}``; the covers are left out."""
    file = asked("item")
    told = {name: fact for name, fact in (file.facts if file else {}).items() if name != COVERS}
    return jsonify({"metadata": json.dumps(told, indent=4, ensure_ascii=False)} if told else {})


@cards.get("/cover-images")
@allowed(Scope.READ)
@described(
    Note(
        "A picture inside a model's file", content_type="image/*", answer=PICTURE,
        query={**ITEM, "index": {"type": "integer", "default": 0}},
    )
)  # fmt: skip
def cover_images() -> Response:
    """The picture of that place in the list; 404 where there is none."""
    file, place = asked("item"), request.args.get("index", "0")
    data = cover(file, int(place)) if file and place.isascii() and place.isdigit() else None
    if data is None:
        raise NotHere("There is no such cover.")
    try:
        kind = Image.MIME.get(open_header(data).format or "")
    except BadRequest:
        raise NotHere("The cover is no picture.") from None
    answer = Response(data, content_type=kind)
    answer.headers["Content-Security-Policy"] = SANDBOX
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def cover(file: ModelFile, place: int) -> bytes | None:
    """The bytes of one cover, None where the file tells no such thing."""
    try:
        listed = json.loads(file.metadata.get(COVERS, "[]"))
        text = listed[place] if isinstance(listed, list) and place < len(listed) else None
        if not isinstance(text, str) or len(text) > COVER_BYTES:
            return None
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error, RecursionError):
        return None


@cards.get("/get-single-card")
@allowed(Scope.READ)
@described(
    Note(
        "A model's card as HTML", answer={"type": "object"},
        query={"page": TEXT, "tabname": TEXT, "name": TEXT},
    )
)  # fmt: skip
def single_card() -> Response:
    """``{"html"}``, or ``{}`` for a model that is not here; the markup is Easel's own."""
    file = asked("name")
    return jsonify({"html": card(file)} if file else {})


def card(file: ModelFile) -> str:
    """A model's name, and the picture beside it where there is one."""
    name, picture = html.escape(file.stem), beside(file)
    source = f"./sd_extra_networks/thumb?filename={quote(str(picture), safe='')}"
    shown = f'<img class="preview" src="{source}" alt="">' if picture else ""
    return f'<div class="card" data-name="{name}">{shown}<span class="name">{name}</span></div>'


def beside(file: ModelFile) -> Path | None:
    """The picture that lies beside a model under its name."""
    near = (file.path.with_name(f"{file.path.stem}{ending}") for ending in ENDINGS)
    return next((path for path in near if path.is_file()), None)


def asked(field: str) -> ModelFile | None:
    """The model that the query names, None where it is not here."""
    kind = SHELVES.get(request.args.get("page", "").lower())
    name = request.args.get(field, "")
    if kind is None or not name:
        return None
    try:
        return services().registry.index.find(kind, name)
    except ModelNotFound:
        return None
