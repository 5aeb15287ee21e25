"""The folder that a model belongs in, told by its first bytes."""

from flask import Blueprint, Response, jsonify, request
from typing_extensions import TypedDict

from filebrowser.access.file_access import Right, check_rights
from filebrowser.safetensors_header import MAX_HEADER_BYTES
from webapp.access.scopes import AccessScope, requires
from webapp.files.folder_hints import FolderSuggestion, suggest_folder
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.context import hold_memory
from webapp.routes.files.caller_access import caller_access
from webapp.services import Services


class SuggestedFolder(TypedDict):
    """Where a model belongs, what it is, and how many more bytes tell."""

    folder: str | None
    kind: str | None
    architecture: str | None
    needed: int | None


def add_suggestion(routes: Blueprint, services: Services) -> None:
    """The folder that a model belongs in."""

    @routes.post("/suggest")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote("Which folder a model belongs in, by its first bytes", answer=SuggestedFolder)
    )
    def folder() -> Response:
        """Right: create."""
        check_rights(caller_access(services), {Right.CREATE})
        hold_memory(min(request.content_length or 8 + MAX_HEADER_BYTES, 8 + MAX_HEADER_BYTES))
        start = request.stream.read(8 + MAX_HEADER_BYTES)
        return jsonify(
            suggestion_json(
                suggest_folder(
                    start,
                    caller_access(services),
                    services.config,
                    services.plugins.folder_for_tensors,
                )
            )
        )


def suggestion_json(suggestion: FolderSuggestion) -> SuggestedFolder:
    """A suggestion as JSON."""
    return {
        "folder": suggestion.folder or None,
        "kind": suggestion.recognition.kind,
        "architecture": suggestion.recognition.architecture or None,
        "needed": suggestion.needed or None,
    }
