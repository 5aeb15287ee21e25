"""File events as messages for other web processes, which may mount the data directory elsewhere."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from filebrowser.access.gate import Place, Root
from filebrowser.watch.file_events import FileEvent, FileEventKind


def encode_event(event: FileEvent, data_dir: Path) -> bytes:
    """The event; paths below the data directory are told from there on."""
    places = [event.place, *([event.previous] if event.previous is not None else [])]
    return json.dumps([event.kind, *(_path_text(place, data_dir) for place in places)]).encode()


def decode_event(data: bytes, data_dir: Path, roots: Sequence[Root]) -> FileEvent | None:
    """The event in these trees; None for a place that none of them has. Raises ``ValueError``."""
    kind, *texts = json.loads(data)
    places = [_find_place(Path(data_dir, text), roots) for text in texts]
    if places[0] is None:
        return None
    return FileEvent(FileEventKind(kind), places[0], places[1] if places[1:] else None)


def _path_text(place: Place, data_dir: Path) -> str:
    path = Path(os.path.abspath(place.root.path), *place.names)
    base = Path(os.path.abspath(data_dir))
    return str(path.relative_to(base) if path.is_relative_to(base) else path)


def _find_place(path: Path, roots: Sequence[Root]) -> Place | None:
    path = Path(os.path.abspath(path))
    for root in roots:
        base = Path(os.path.abspath(root.path))
        if path.is_relative_to(base):
            return Place(root, path.relative_to(base).parts)
    return None
