"""Room kept on the disk of each tree, so that things can be deleted when it is full."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from filebrowser.errors import FileError
from filebrowser.gate import Root, own_folder
from filebrowser.uploads.staging import FOLDER
from webapp.queues.ballast import Ballast
from webapp.queues.database import BALLAST

TREE_BYTES = 2**20
"""Of one tree: some hundred records of deletions."""

log = logging.getLogger("easel.files")


class ReservedRoom:
    """Ballast files of all trees, released one after another and allocated again later."""

    def __init__(self, easel_dir: Path, roots: Callable[[], Sequence[Root]]) -> None:
        self._easel_dir, self._roots = easel_dir, roots

    def make(self) -> None:
        """Keep the room where it is not kept; nothing where a disk has not plenty."""
        for root in self._roots():
            with suppress(FileError, OSError), own_folder(root, FOLDER):
                self._of(root).make()

    def give_up(self) -> bool:
        """Free the room of one tree more, at last the service's own; False where none is left."""
        rooms = [self._of(root) for root in self._roots() if root.writable]
        return any(room.give_up() for room in (*rooms, Ballast(self._easel_dir / BALLAST, log)))

    def _of(self, root: Root) -> Ballast:
        return Ballast(root.path / FOLDER / BALLAST, log, TREE_BYTES)
