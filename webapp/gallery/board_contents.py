"""Where the pictures of a board are now: under the path that is known, or found by their stamp."""

import os
from collections.abc import Sequence
from dataclasses import replace

from filebrowser.access.file_access import FileAccess, Right, resolve_path
from filebrowser.access.gate import open_place
from filebrowser.errors import FileError
from filebrowser.index.file_index import FileIndex
from filebrowser.index.search_query import FileStamp, SearchQuery
from webapp.gallery.boards import Board, BoardPicture, BoardStore


def stamp_at(access: FileAccess, path: str, *rights: Right) -> FileStamp:
    """What the file at ``path`` is known by. Raises as the gate for what is not the caller's."""
    handle = open_place(resolve_path(access, path, Right.VIEW, *rights))
    try:
        facts = os.fstat(handle)
    finally:
        os.close(handle)
    return facts.st_mtime_ns, facts.st_size


def is_at(access: FileAccess, picture: BoardPicture) -> bool:
    """Whether the picture is where it was last seen."""
    try:
        return stamp_at(access, picture.path) == picture.stamp
    except (FileError, OSError):
        return False


def find_pictures(
    access: FileAccess, board: Board, store: BoardStore, index: FileIndex
) -> Sequence[tuple[BoardPicture, bool]]:
    """The board's pictures, each with whether it is there; moved ones are found again."""
    pictures = store.pictures_of(board)
    gone = {picture.stamp for picture in pictures if not is_at(access, picture)}
    moved = {}
    if gone:
        hits = index.find(access, SearchQuery((), only=gone, limit=len(gone))).hits
        moved = {hit.stamp: hit.path for hit in hits}
        store.move_pictures(board, moved)
    return [
        (
            replace(picture, path=moved.get(picture.stamp, picture.path)),
            picture.stamp not in gone or picture.stamp in moved,
        )
        for picture in pictures
    ]
