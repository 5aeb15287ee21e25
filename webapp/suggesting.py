"""Suggests the folder for an uploaded model file, by its safetensors header."""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from filebrowser.gate import Place, Root
from filebrowser.tensors import TooShort, parse
from filebrowser.visit import Visit
from generator.models.recognising import Recognised, recognise

if TYPE_CHECKING:
    from webapp.config import Config


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A folder as callers write it, "" where none is suggested, and why.

    ``needed``: so many bytes from the file's start would tell; 0 where these were enough.
    """

    folder: str = ""
    found: Recognised = field(default_factory=Recognised)
    needed: int = 0


def suggest(
    start: bytes,
    visit: Visit,
    config: "Config",
    marked: Callable[[Container[str]], str] = lambda names: "",
) -> Suggestion:
    """The folder for the safetensors file that begins with ``start``.

    ``plugin_folder_for`` tells a plugin's folder, "models/Greetings", by the names of the tensors.

    Raises ``WrongContent`` for what is no safetensors file.
    """
    try:
        tensors = parse(start)
    except TooShort as error:
        return Suggestion(needed=error.needed)
    found = recognise(tensors.shapes, tensors.metadata)
    if found.kind is None:
        own = marked(tensors.shapes)
        return Suggestion(folder_of(own, visit.roots, config)) if own else Suggestion()
    return Suggestion(folder_of(found.folder, visit.roots, config), found)


def folder_of(place: str, roots: tuple[Root, ...], config: "Config") -> str:
    """Where ``models/Lora`` lies, if a caller may write there: "/data/models/Lora"."""
    first, _, rest = place.partition("/")
    models = config.models_dir or config.data_dir / "models"
    folder = models / rest if first == "models" else config.data_dir / place
    for root in roots:
        if folder.is_relative_to(root.path):
            names = folder.relative_to(root.path).parts
            if Place(root, (*names, "file")).writable:
                return "/" + "/".join((root.name, *names))
    return ""
