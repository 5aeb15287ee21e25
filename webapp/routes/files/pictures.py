"""Saved pictures by their address: ``image_url`` of the vendor's answers, and ``/file=``."""

from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from filebrowser.access.file_access import Right, check_place
from filebrowser.access.gate import Place, Root, find_place, open_place
from filebrowser.errors import NotHere
from filebrowser.file_response import ServeOptions
from generator.data_folders import STATE_FOLDER, USERS_FOLDER
from webapp.access.auth import VOID_LINK
from webapp.access.scopes import AccessScope, requires
from webapp.access.signed_urls import SIGNATURE
from webapp.errors import Forbidden
from webapp.http.file_answer import answer_file
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.files.caller_access import caller_access
from webapp.services import Services
from webapp.settings.data_dir import known_data_paths
from webapp.settings.user_config import TOKEN_MARK

if TYPE_CHECKING:
    from webapp.settings.config import Config

MAX_AGE = 30 * 24 * 3600  # seconds: a saved picture is never changed, and asked for anew by ETag
PICTURES = MappingProxyType(
    {
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".webp": "image/webp",
        ".gif": "image/gif",
        ".avif": "image/avif",
        ".txt": "text/plain; charset=utf-8",
    }
)
"""What is handed out here: pictures and the infotexts beside them, never models or settings."""

HIDDEN = frozenset({STATE_FOLDER})
BINARY = {"type": "string", "format": "binary"}
NOTE = RouteNote("A saved picture", content_type="image/*", answer=BINARY)


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("files", __name__)

    @routes.get("/file=<path:path>")
    @requires(AccessScope.FILES)
    @with_note(NOTE)
    def by_path(path: str) -> Response:
        """A picture by its path in the data directory."""
        return picture_response(services, path)

    @routes.get("/file=/<path:path>")
    @requires(AccessScope.FILES)
    @with_note(NOTE)
    def by_absolute_path(path: str) -> Response:
        """A picture by its absolute path or its ``image_url`` (see ``PathMiddleware``)."""
        return picture_response(services, f"/{path}")

    return routes


def picture_response(services: Services, path: str) -> Response:
    """A picture of the data directory. Raises ``FileError`` for whatever may not be read here."""
    place, kind = locate_picture(services.config, path)
    if SIGNATURE in request.args:
        check_link(services, path)
    else:
        check_place(caller_access(services), place, [Right.DOWNLOAD])
    name = place.names[-1]
    return answer_file(
        open_place(place), ServeOptions(name, kind, attachment=False, max_age=MAX_AGE)
    )


def check_link(services: Services, path: str) -> None:
    """A signed link into the tree of a user ends with the user. Raises ``Forbidden``."""
    folder, _, rest = relative_to_data_dir(path, services.config).partition("/")
    name = rest.partition("/")[0]
    if not services.config.accounts or folder != USERS_FOLDER or name.startswith(TOKEN_MARK):
        return
    if services.credentials.by_name(name) is None:
        raise Forbidden(VOID_LINK)


def locate_picture(config: "Config", path: str) -> tuple[Place, str]:
    """The place of a picture and its media type, nothing opened yet. Raises ``FileError``."""
    inner = relative_to_data_dir(path, config)
    kind = PICTURES.get(PurePosixPath(inner).suffix.lower())
    if kind is None:
        raise NotHere(f"There is no picture at {path!r}.")
    return find_place(f"data/{inner}", [Root("data", config.data_dir, False, HIDDEN)]), kind


def relative_to_data_dir(path: str, config: "Config") -> str:
    """A path relative to the data directory; absolute ones begin with it or with a mount path."""
    if not path.startswith("/"):
        return path
    for root in known_data_paths(config):
        if path.startswith(f"{root}/"):
            return path.removeprefix(f"{root}/")
    raise NotHere(f"There is no picture at {path!r}.")
