"""Ballast files on each root's disk, so that files can be deleted when it is full."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from filebrowser.access.gate import Root, open_own_folder
from filebrowser.errors import FileError
from filebrowser.own_folders import STAGING_FOLDER
from webapp.queues.sqlite.ballast_file import BallastFile
from webapp.queues.sqlite.database import BALLAST_NAME

TREE_BYTES = 2**20
"""Of one tree: some hundred records of deletions."""

log = logging.getLogger("easel.files")


class ReservedSpace:
    """Ballast files of all trees, released one after another and allocated again later."""

    def __init__(self, easel_dir: Path, roots: Callable[[], Sequence[Root]]) -> None:
        self._easel_dir, self._roots = easel_dir, roots

    def allocate(self) -> None:
        """Keep the room where it is not kept; nothing where a disk has not plenty."""
        for root in self._roots():
            with suppress(FileError, OSError), open_own_folder(root, STAGING_FOLDER):
                self._ballast_of(root).allocate()

    def release(self) -> bool:
        """Free the room of one tree more, at last the service's own; False where none is left."""
        ballasts = [self._ballast_of(root) for root in self._roots() if root.writable]
        return any(
            room.release() for room in (*ballasts, BallastFile(self._easel_dir / BALLAST_NAME, log))
        )

    def _ballast_of(self, root: Root) -> BallastFile:
        return BallastFile(root.path / STAGING_FOLDER / BALLAST_NAME, log, TREE_BYTES)
