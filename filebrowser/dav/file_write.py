"""PUT and COPY of WebDAV as one-chunk uploads: the file appears whole or not at all.

What an upload is subject to holds here too: room and quota, what may lie where, what a file must
be that calls itself one.
"""

import os
from contextlib import suppress
from typing import Any

from wsgidav.dav_error import DAVError

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place, open_place
from filebrowser.errors import FileError, TooBig
from filebrowser.uploads.block_reader import BlockReader
from filebrowser.uploads.blocks import Source
from filebrowser.uploads.records import Conflict, UploadSpec
from filebrowser.uploads.upload_session import UploadChunk
from filebrowser.uploads.upload_store import UploadStore

BLOCK = 64 * 1024  # bytes that are read to know whether any come, or to be let go


class DeferredBody:
    """What wsgidav writes to. It reads nothing: the upload takes the bytes from their source."""

    def writelines(self, blocks: Any) -> None:
        """Leave the body where it is until :func:`put_file`."""

    def close(self) -> None:
        """Nothing was opened."""


def put_file(
    uploads: UploadStore,
    access: FileAccess,
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
    spec = UploadSpec(f"/{place.text}", length, conflict, modified=modified)
    upload = uploads.begin(access, spec)
    if upload.is_ended:
        return
    try:
        status = uploads.append(access, upload.id, UploadChunk(0, length), source)
        if length is None:
            end_chunk = UploadChunk(status.offset, 0, status.offset)
            status = uploads.append(access, upload.id, end_chunk, lambda room: 0)
        if not status.is_complete:
            raise DAVError(400, "The body ended too early.")
    except BaseException:
        with suppress(FileError, OSError):
            uploads.delete(access, upload.id)
        raise


def copy_file(
    uploads: UploadStore, access: FileAccess, source: Place, target: Place, *, replace: bool
) -> None:
    """Copy one file with its time. Raises as :func:`put_file`, and as the gate."""
    with open(open_place(source), "rb", buffering=0) as file:
        facts = os.fstat(file.fileno())
        put_file(
            *(uploads, access, target, file.readinto, facts.st_size),
            replace=replace,
            modified=facts.st_mtime_ns,
        )


def peek_source(source: Source) -> tuple[Source, int | None]:
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


def discard_body(source: Source, length: int | None, most: int) -> None:
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
    announced = environ.get("CONTENT_LENGTH") or environ.get("HTTP_X_EXPECTED_ENTITY_LENGTH")
    try:
        length = int(announced) if announced else None
    except ValueError:
        raise DAVError(400, "The length is no number.") from None
    if length is not None and length < 0:
        raise DAVError(400, "The length is negative.")
    return BlockReader(environ["wsgi.input"].read), length
