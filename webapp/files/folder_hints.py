"""Suggests the folder for an uploaded model file, by its safetensors header."""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place, Root
from filebrowser.safetensors_header import TooShort, parse_header
from generator.models.kind_detection import DetectedKind, detect_kind
from generator.models.kinds import resolve_folder

if TYPE_CHECKING:
    from webapp.settings.config import Config


@dataclass(frozen=True, slots=True)
class FolderSuggestion:
    """A folder as callers write it, "" where none is suggested, and why.

    ``needed``: so many bytes from the file's start would tell; 0 where these were enough.
    """

    folder: str = ""
    recognition: DetectedKind = field(default_factory=DetectedKind)
    needed: int = 0


def suggest_folder(
    start: bytes,
    access: FileAccess,
    config: "Config",
    plugin_folder_for: Callable[[Container[str]], str] = lambda names: "",
) -> FolderSuggestion:
    """The folder for the safetensors file that begins with ``start``.

    ``plugin_folder_for`` tells a plugin's folder, "models/Greetings", by the names of the tensors.

    Raises ``WrongContent`` for what is no safetensors file.
    """
    try:
        tensors = parse_header(start)
    except TooShort as error:
        return FolderSuggestion(needed=error.needed)
    recognition = detect_kind(tensors.shapes, tensors.metadata)
    if recognition.kind is None:
        plugin_folder = plugin_folder_for(tensors.shapes)
        return (
            FolderSuggestion(folder_of(plugin_folder, access.roots, config))
            if plugin_folder
            else FolderSuggestion()
        )
    return FolderSuggestion(folder_of(recognition.folder, access.roots, config), recognition)


def folder_of(place: str, roots: tuple[Root, ...], config: "Config") -> str:
    """Where ``models/Lora`` lies, if a caller may write there: "/data/models/Lora"."""
    folder = resolve_folder(config.data_dir, config.models_folder, place)
    for root in roots:
        if folder.is_relative_to(root.path):
            names = folder.relative_to(root.path).parts
            if Place(root, (*names, "file")).writable:
                return "/" + "/".join((root.name, *names))
    return ""
