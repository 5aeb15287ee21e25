"""An upload while a caller holds its lock: checking, appending, syncing and truncating its data."""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from filebrowser.access.gate import Root
from filebrowser.errors import NoRoom, NotAllowed, TooBig
from filebrowser.uploads import staging_area
from filebrowser.uploads.blocks import MIB, Source
from filebrowser.uploads.errors import Busy, Over, WrongChecksum, WrongOffset, WrongRequest
from filebrowser.uploads.records import Upload, UploadKind, UploadState
from filebrowser.uploads.reservations import SpaceCounter, UnlimitedSpace
from filebrowser.uploads.space import UploadLimits
from filebrowser.uploads.upload_index import UploadIndex
from filebrowser.uploads.upload_locks import UploadLock
from filebrowser.uploads.write_pipeline import Digest, UploadWriter, write_source

MIN_SYNC_BYTES = 16 * MIB
"""Bytes of a piece that are waited for before it is acknowledged. Smaller pieces wait together:
a wait takes 10 to 30 ms, more than a small piece itself. Who asks for the offset waits anyway."""

FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
CHECKSUMS = ("sha1", "sha256", "sha512", "md5")


@dataclass(frozen=True, slots=True)
class UploadChunk:
    """Bytes to append: where they begin, and what is known of them before they come."""

    offset: int
    size: int | None = None  # bytes; None where nobody told
    length: int | None = None  # of the whole upload, told with this piece
    checksum: tuple[str, bytes] | None = None  # its name, one of CHECKSUMS, and the digest


def never_stop() -> None:
    """A ``still`` callback that never stops the upload."""


@dataclass(slots=True, eq=False)
class UploadSession:
    """One locked upload. ``here`` is the descriptor of its staging folder."""

    root: Root
    index: UploadIndex
    staging_fd: int
    lock: UploadLock
    upload: Upload
    sync_always: bool = False  # the next piece may come to a process of another machine

    @property
    def offset(self) -> int:
        """Bytes that are here."""
        return self.index.bytes_received(self.upload)

    def save(self, upload: Upload) -> None:
        """Write the record down."""
        self.index.save(self.staging_fd, upload)
        self.upload = upload

    @contextmanager
    def open_data(self) -> Iterator[int]:
        """The open bytes, locked against other processes until this one ends, however it ends."""
        fd = staging_area.open_data(self.staging_fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield fd
        except BlockingIOError:
            raise Busy("Another process takes bytes of this upload.") from None
        finally:
            os.close(fd)

    def recover(self) -> None:
        """In this life's first look: cut off what an earlier one left in disorder.

        Bytes that were written since the machine was started are in its memory, if not on its
        disk, although the process died; after a power cut only those count that were waited for.
        """
        upload = self.upload
        if upload.state is not UploadState.OPEN or upload.id in self.index.recovered_ids:
            return
        size = self.offset
        safe_size = size if upload.boot == staging_area.boot_id() else min(size, upload.durable)
        safe_size = safe_size if upload.trusted is None else min(safe_size, upload.trusted)
        if safe_size < size:
            self.truncate(safe_size)
        self.index.recovered_ids.add(upload.id)

    def truncate(self, size: int) -> None:
        """Throw bytes away, down to ``size``; the disk's blocks stay reserved."""
        with self.open_data() as data:
            self._truncate(data, size)

    def sync(self) -> None:
        """Have everything that is here on the disk, and written down."""
        if self.upload.state is not UploadState.OPEN:
            return
        size = self.offset
        if size != self.upload.durable or self.upload.boot != staging_area.boot_id():
            with self.open_data() as data:
                self._save_size(data, size, self.upload.touched)

    def check_chunk(self, chunk: UploadChunk, limits: UploadLimits) -> None:
        """Refuse a piece that cannot be appended; take down the length that comes with it."""
        upload, at = self.upload, self.offset
        if upload.state is UploadState.REFUSED:
            raise Over(upload.fault)
        if upload.order.part is UploadKind.FINAL:
            raise NotAllowed("An upload that was put together takes no bytes of its own.")
        if chunk.offset != at:
            raise WrongOffset(f"{at} bytes are here; the piece begins at {chunk.offset}.")
        if chunk.length is not None and chunk.length != upload.length:
            self._set_length(chunk.length, at, limits)
        most = self._max_bytes(at, limits)
        if chunk.size is not None and chunk.size > most:
            raise TooBig(f"{chunk.size} more bytes are announced, and {most} are missing.")

    def receive(
        self,
        chunk: UploadChunk,
        source: Source,
        check_continue: Callable[[], None],
        running: Digest | None,
        limits: UploadLimits,
    ) -> None:
        """Append what comes. Raises as
        :meth:`filebrowser.uploads.upload_store.UploadStore.append`.
        """

        def look() -> None:
            self.lock.touch()
            check_continue()

        with self.open_data() as data, self._space_for_chunk(limits) as room:
            self._save_trusted(chunk)
            own = hashlib.new(chunk.checksum[0]) if chunk.checksum else None
            digests = tuple(each for each in (own, running) if each is not None)
            durable = min(self.upload.durable, chunk.offset)
            writer = UploadWriter(data, chunk.offset, self._on_sync, durable, chunk.offset)
            try:
                most = self._max_bytes(chunk.offset, limits)
                write_source(
                    _limit_to_space(_ignore_disconnect(source), room), writer, most, look, digests
                )
            except TooBig:
                self._truncate(data, chunk.offset)
                raise
            except OSError as error:
                self._abort_chunk(chunk, writer)
                raise disk_full_error(error, f"{self.offset} bytes are kept.") from error
            except NoRoom as error:
                self._abort_chunk(chunk, writer)
                raise NoRoom(f"{error} {self.offset} bytes are kept.") from None
            except BaseException:
                self._abort_chunk(chunk, writer)
                raise
            self._finish_chunk(chunk, writer, own)

    @contextmanager
    def _space_for_chunk(self, limits: UploadLimits) -> Iterator[SpaceCounter]:
        """Room for the bytes of a piece; those of an upload whose length is known have theirs."""
        if self.upload.length is not None:
            yield UnlimitedSpace()
            return
        with self.index.reserve(limits, upload=self.upload) as room:
            yield room

    def _set_length(self, length: int, at: int, limits: UploadLimits) -> None:
        if self.upload.length is not None:
            raise WrongRequest(f"The length is {self.upload.length} and cannot be another.")
        if length < at:
            raise WrongRequest(f"{at} bytes are here; the length cannot be {length}.")
        try:
            self.upload = self.index.set_length(self.upload, length, limits)
        except OSError as error:
            raise disk_full_error(error, "The length was not taken.") from error

    def _max_bytes(self, at: int, limits: UploadLimits) -> int:
        return (limits.largest if self.upload.length is None else self.upload.length) - at

    def _save_trusted(self, chunk: UploadChunk) -> None:
        """Write down up to where bytes may be believed if this life ends now."""
        trusted = chunk.offset if chunk.checksum else None
        if self.upload.trusted == trusted:
            return
        try:
            self.save(replace(self.upload, trusted=trusted))
        except OSError as error:
            raise disk_full_error(error, f"{chunk.offset} bytes are kept.") from error

    def _on_sync(self, offset: int) -> None:
        self._save_durable(
            replace(self.upload, durable=offset, boot=staging_area.boot_id(), touched=time.time())
        )

    def _save_durable(self, upload: Upload) -> None:
        """Write down how much is safe. On a full disk the older word stays, which is less."""
        try:
            self.save(upload)
        except OSError as error:
            if error.errno not in FULL_ERRNOS:
                raise

    def _abort_chunk(self, chunk: UploadChunk, writer: UploadWriter) -> None:
        """A piece that ends too early: what came is kept, unless its checksum was to be seen."""
        if chunk.checksum:
            self._truncate(writer.data, chunk.offset)
            return
        try:
            writer.sync()
        except OSError:  # what could not be written is not here, whatever the file's size says
            self._truncate(writer.data, writer.durable)

    def _finish_chunk(self, chunk: UploadChunk, writer: UploadWriter, own: Digest | None) -> None:
        """The source has ended: by itself, or because the connection broke."""
        if chunk.checksum and own is not None:
            broken = chunk.size is not None and writer.offset < chunk.offset + chunk.size
            if broken or own.digest() != chunk.checksum[1]:
                self._truncate(writer.data, chunk.offset)
                if not broken:
                    raise WrongChecksum("The bytes are not those of the checksum. Send them again.")
                return
            self._accept_chunk(chunk, writer)
        unsafe = writer.offset - writer.durable
        least = 1 if self.sync_always else MIN_SYNC_BYTES
        if writer.offset == self.upload.length or unsafe >= least:
            writer.sync()
        self.index.records[self.upload.id] = replace(self.upload, touched=time.time())

    def _accept_chunk(self, chunk: UploadChunk, writer: UploadWriter) -> None:
        """Write down that a piece fitted its checksum; what cannot be written down has to go."""
        try:
            self.save(replace(self.upload, trusted=writer.offset, touched=time.time()))
        except OSError as error:
            self._truncate(writer.data, chunk.offset)
            raise disk_full_error(error, f"{chunk.offset} bytes are kept.") from error

    def _truncate(self, data: int, size: int) -> None:
        os.ftruncate(data, size)
        with suppress(OSError):  # it worked before; where it does not now, writing will tell
            staging_area.preallocate(data, self.upload.length or 0)
        self._save_size(data, size, time.time())

    def _save_size(self, data: int, size: int, touched: float) -> None:
        try:
            os.fdatasync(data)
        except OSError:  # the kernel tells once; afterwards the bytes would seem to be there
            os.ftruncate(data, min(size, self.upload.durable))
            raise
        boot = staging_area.boot_id()
        self._save_durable(
            replace(self.upload, durable=size, boot=boot, trusted=None, touched=touched)
        )


def _limit_to_space(source: Source, room: SpaceCounter) -> Source:
    """The source, of which no more is read than there is room for. Raises ``NoRoom``."""

    def fill(memory: memoryview, /) -> int:
        fits = room.offer(len(memory))
        count = source(memory[: fits or 1])  # without room one byte tells whether more comes
        room.take(count)
        return count

    return fill


def _ignore_disconnect(source: Source) -> Source:
    """The source, for which a broken connection is an end like any other."""

    def fill(room: memoryview, /) -> int:
        try:
            return source(room)
        except OSError:
            return 0

    return fill


def disk_full_error(error: OSError, consequence: str) -> OSError | NoRoom:
    """The error of a full disk in words; any other one as it is."""
    if error.errno in FULL_ERRNOS:
        return NoRoom(f"The disk is full. {consequence} Make room and go on.")
    return error
