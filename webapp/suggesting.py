"""Which folder a file belongs in, told by the first bytes of it."""

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


def suggest(start: bytes, visit: Visit, config: "Config") -> Suggestion:
    """The folder for the safetensors file that begins with ``start``.

    Raises ``WrongContent`` for what is no safetensors file.
    """
    try:
        tensors = parse(start)
    except TooShort as error:
        return Suggestion(needed=error.needed)
    found = recognise(tensors.shapes, tensors.metadata)
    if found.kind is None:
        return Suggestion()
    return Suggestion(folder_of(found, visit.roots, config), found)


def folder_of(found: Recognised, roots: tuple[Root, ...], config: "Config") -> str:
    """Where that kind lies, if a caller may write there: "/data/models/Lora"."""
    first, _, rest = found.folder.partition("/")
    models = config.models_dir or config.data_dir / "models"
    folder = models / rest if first == "models" else config.data_dir / found.folder
    for root in roots:
        if folder.is_relative_to(root.path):
            names = folder.relative_to(root.path).parts
            if Place(root, (*names, "file")).writable:
                return "/" + "/".join((root.name, *names))
    return ""
