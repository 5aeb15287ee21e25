"""Routes of AUTOMATIC1111's model cards: preview pictures, metadata, covers.

Contract section 1.12. Paths come in and files go out through the one gate alone.
"""

import base64
import binascii
import html
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NotRequired
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request
from PIL import Image
from typing_extensions import TypedDict

from filebrowser.access.gate import Root, open_place, parse_path
from filebrowser.errors import NotHere
from filebrowser.file_response import SANDBOX, ServeOptions
from generator.errors import BadRequest, ModelNotFound
from generator.model_tools.cards import COVERS_KEY, find_preview, list_names
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.pictures.base64_images import open_header
from webapp.access.scopes import AccessScope, requires
from webapp.http.file_answer import answer_file
from webapp.http.openapi import RouteNote, with_note
from webapp.services import Services

CARD_KINDS: Mapping[str, ModelKind] = MappingProxyType(
    {
        "lora": ModelKind.LORA,
        "checkpoints": ModelKind.CHECKPOINT,
        "textual inversion": ModelKind.EMBEDDING,
        "textual_inversion": ModelKind.EMBEDDING,
        "hypernetworks": ModelKind.HYPERNETWORK,
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
COVER_BYTES = 16 * 2**20
TEXT = {"type": "string"}
PICTURE = {"type": "string", "format": "binary"}
ITEM = {"page": TEXT, "item": TEXT}


class CardMetadata(TypedDict):
    """What a model's file says of itself, as JSON in a text; nothing where it says nothing."""

    metadata: NotRequired[str]


class CardMarkup(TypedDict):
    """A model's card; nothing for a model that is not here."""

    html: NotRequired[str]


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("cards", __name__, url_prefix="/sd_extra_networks")
    add_files(routes, services)
    add_cards(routes, services)
    return routes


def add_files(routes: Blueprint, services: Services) -> None:
    """Pictures beside models, and what models say of themselves."""

    @routes.get("/thumb")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "The picture beside a model", content_type="image/*", answer=PICTURE,
            query={"filename": TEXT},
        )
    )  # fmt: skip
    def thumb() -> Response:
        """A picture in one of the model folders, by its absolute path."""
        path = request.args.get("filename", "")
        kind = PICTURES.get(PurePosixPath(path).suffix.lower())
        folder = next(
            (root for root in card_folders(services) if path.startswith(f"{root}/")), None
        )
        if kind is None or folder is None:
            raise NotHere(f"There is no picture of a model at {path!r}.")
        return answer_picture(Path(path), folder)

    @routes.get("/metadata")
    @requires(AccessScope.READ)
    @with_note(RouteNote("What a model's file says of itself", answer=CardMetadata, query=ITEM))
    def metadata() -> Response:
        """``{"metadata": JSON as text}``, or ``{}``; the covers are left out."""
        file = find_queried_model(services, "item")
        facts = {
            name: fact for name, fact in (file.facts if file else {}).items() if name != COVERS_KEY
        }
        return jsonify(
            {"metadata": json.dumps(facts, indent=4, ensure_ascii=False)} if facts else {}
        )


def add_cards(routes: Blueprint, services: Services) -> None:
    """Pictures inside models, and cards as HTML."""

    @routes.get("/cover-images")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "A picture inside a model's file", content_type="image/*", answer=PICTURE,
            query={**ITEM, "index": {"type": "integer", "default": 0}},
        )
    )  # fmt: skip
    def cover_images() -> Response:
        """The picture of that place in the list; 404 where there is none."""
        file, place = find_queried_model(services, "item"), request.args.get("index", "0")
        data = (
            read_cover(file, int(place)) if file and place.isascii() and place.isdigit() else None
        )
        return answer_cover(data)

    @routes.get("/get-single-card")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote(
            "A model's card as HTML", answer=CardMarkup,
            query={"page": TEXT, "tabname": TEXT, "name": TEXT},
        )
    )  # fmt: skip
    def single_card() -> Response:
        """``{"html"}``, or ``{}`` for a model that is not here; the markup is Easel's own."""
        file = find_queried_model(services, "name")
        return jsonify({"html": card_html(file)} if file else {})


def answer_picture(path: Path, folder: Path) -> Response:
    """A picture below a folder of models, by the gate. Raises ``NotHere``."""
    place = parse_path(
        f"models/{path.relative_to(folder).as_posix()}", [Root("models", folder, False)]
    )
    kind = PICTURES[path.suffix.lower()]
    return answer_file(open_place(place), ServeOptions(place.names[-1], kind, attachment=False))


def answer_cover(data: bytes | None) -> Response:
    """A picture that a model's file holds. Raises ``NotHere`` where it is none."""
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


def card_folders(services: Services) -> tuple[Path, ...]:
    """The folders of the models that have cards."""
    known = services.registry.folders
    return tuple(dict.fromkeys(root for kind in CARD_KINDS.values() for root in known.of(kind)))


def read_cover(file: ModelFile, place: int) -> bytes | None:
    """The bytes of one cover, None where the file tells no such thing."""
    try:
        covers = json.loads(file.metadata.get(COVERS_KEY, "[]"))
        text = covers[place] if isinstance(covers, list) and place < len(covers) else None
        if not isinstance(text, str) or len(text) > COVER_BYTES:
            return None
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error, RecursionError):
        return None


def card_html(file: ModelFile) -> str:
    """A model's name, and the picture beside it where there is one."""
    name = html.escape(file.stem)
    picture = find_preview(file.beside, list_names(file.path.parent))
    source = f"./sd_extra_networks/thumb?filename={quote(str(picture), safe='')}"
    image_tag = f'<img class="preview" src="{source}" alt="">' if picture else ""
    return f'<div class="card" data-name="{name}">{image_tag}<span class="name">{name}</span></div>'


def find_queried_model(services: Services, field: str) -> ModelFile | None:
    """The model that the query names, None where it is not here."""
    kind = CARD_KINDS.get(request.args.get("page", "").lower())
    name = request.args.get(field, "")
    if kind is None or not name:
        return None
    try:
        return services.registry.index.find(kind, name)
    except ModelNotFound:
        return None
