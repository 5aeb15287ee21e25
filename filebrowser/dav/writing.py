"""PUT and COPY of WebDAV as one-chunk uploads: the file appears whole or not at all.

What an upload is subject to holds here too: room and quota, what may lie where, what a file must
be that calls itself one.
"""

import os
from contextlib import suppress
from typing import Any

from wsgidav.dav_error import DAVError

from filebrowser.errors import FileError, TooBig
from filebrowser.gate import Place, open_place
from filebrowser.uploads.blocks import Source
from filebrowser.uploads.holding import Piece
from filebrowser.uploads.pacing import Paced
from filebrowser.uploads.records import Conflict, Order
from filebrowser.uploads.uploads import Uploads
from filebrowser.visit import Visit

BLOCK = 64 * 1024  # bytes that are read to know whether any come, or to be let go


class Body:
    """What wsgidav writes to. It reads nothing: the upload takes the bytes from their source."""

    def writelines(self, blocks: Any) -> None:
        """Leave the body where it is until :func:`bring`."""

    def close(self) -> None:
        """Nothing was opened."""


def bring(
    uploads: Uploads,
    visit: Visit,
    place: Place,
    source: Source,
    length: int | None,
    *,
    replace: bool,
    modified: int | None = None,
) -> None:
    """Put what ``source`` gives at ``place``. Rights: create; to replace modify too.

    ``modified`` is the file's time in nanoseconds since 1970, None for now. Raises 400 where fewer
    bytes came than were announced, and what uploads raise. Nothing is left of what did not become
    a file.
    """
    conflict = Conflict.OVERWRITE if replace else None
    order = Order(f"/{place.text}", length, conflict, modified=modified)
    upload = uploads.begin(visit, order)
    if upload.ended:
        return
    try:
        standing = uploads.append(visit, upload.id, Piece(0, length), source)
        if length is None:
            told = Piece(standing.offset, 0, standing.offset)
            standing = uploads.append(visit, upload.id, told, lambda room: 0)
        if not standing.whole:
            raise DAVError(400, "The body ended too early.")
    except BaseException:
        with suppress(FileError, OSError):
            uploads.end(visit, upload.id)
        raise


def copy(uploads: Uploads, visit: Visit, source: Place, target: Place, *, replace: bool) -> None:
    """Copy one file with its time. Raises as :func:`bring`, and as the gate."""
    with open(open_place(source), "rb", buffering=0) as file:
        facts = os.fstat(file.fileno())
        bring(
            *(uploads, visit, target, file.readinto, facts.st_size),
            replace=replace,
            modified=facts.st_mtime_ns,
        )


def peek(source: Source) -> tuple[Source, int | None]:
    """The same source, and 0 as its length where nothing comes; else None."""
    first = bytearray(BLOCK)
    waiting = memoryview(first)[: source(memoryview(first))]

    def fill(room: memoryview, /) -> int:
        nonlocal waiting
        if not waiting:
            return source(room)
        count = min(len(room), len(waiting))
        room[:count], waiting = waiting[:count], waiting[count:]
        return count

    return fill, None if waiting else 0


def drop(source: Source, length: int | None, most: int) -> None:
    """Read a body and keep nothing of it. Raises :class:`TooBig` beyond ``most`` bytes."""
    room, came = memoryview(bytearray(BLOCK)), length or 0
    while came <= most:
        count = source(room)
        if not count:
            return
        came += 0 if length is not None else count
    raise TooBig(f"At most {most} bytes are taken.")


def body_of(environ: dict[str, Any]) -> tuple[Source, int | None]:
    """The bytes of a request and their number, None where the client does not know it."""
    said = environ.get("CONTENT_LENGTH") or environ.get("HTTP_X_EXPECTED_ENTITY_LENGTH")
    try:
        length = int(said) if said else None
    except ValueError:
        raise DAVError(400, "The length is no number.") from None
    if length is not None and length < 0:
        raise DAVError(400, "The length is negative.")
    return Paced(environ["wsgi.input"].read), length
