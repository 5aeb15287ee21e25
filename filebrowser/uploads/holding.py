"""An upload while a caller holds its lock: checking, appending, syncing and truncating its data."""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from filebrowser.errors import NoRoom, NotAllowed, TooBig
from filebrowser.gate import Root
from filebrowser.uploads import staging
from filebrowser.uploads.blocks import MIB, Source
from filebrowser.uploads.books import Book
from filebrowser.uploads.errors import Busy, Over, WrongChecksum, WrongOffset, WrongRequest
from filebrowser.uploads.records import Part, State, Upload
from filebrowser.uploads.reservations import Room, Unlimited
from filebrowser.uploads.space import Limits
from filebrowser.uploads.turns import Turn
from filebrowser.uploads.writing import Digest, Writer, pour

WORTH_A_SYNC = 16 * MIB
"""Bytes of a piece that are waited for before it is acknowledged. Smaller pieces wait together:
a wait takes 10 to 30 ms, more than a small piece itself. Who asks for the offset waits anyway."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
CHECKSUMS = ("sha1", "sha256", "sha512", "md5")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes to append: where they begin, and what is known of them before they come."""

    offset: int
    size: int | None = None  # bytes; None where nobody told
    length: int | None = None  # of the whole upload, told with this piece
    checksum: tuple[str, bytes] | None = None  # its name, one of CHECKSUMS, and the digest


def nobody_minds() -> None:
    """A ``still`` callback that never stops the upload."""


@dataclass(slots=True, eq=False)
class Held:
    """One locked upload. ``here`` is the descriptor of its staging folder."""

    root: Root
    book: Book
    here: int
    turn: Turn
    upload: Upload

    @property
    def offset(self) -> int:
        """Bytes that are here."""
        return self.book.size(self.upload)

    def keep(self, upload: Upload) -> None:
        """Write the record down."""
        self.book.keep(self.here, upload)
        self.upload = upload

    @contextmanager
    def data(self) -> Iterator[int]:
        """The open bytes, locked against other processes until this one ends, however it ends."""
        found = staging.open_data(self.here)
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield found
        except BlockingIOError:
            raise Busy("Another process takes bytes of this upload.") from None
        finally:
            os.close(found)

    def settle(self) -> None:
        """In this life's first look: cut off what an earlier one left in disorder.

        Bytes that were written since the machine was started are in its memory, if not on its
        disk, although the process died; after a power cut only those count that were waited for.
        """
        upload = self.upload
        if upload.state is not State.OPEN or upload.id in self.book.settled:
            return
        size = self.offset
        sure = size if upload.boot == staging.boot_id() else min(size, upload.durable)
        sure = sure if upload.trusted is None else min(sure, upload.trusted)
        if sure < size:
            self.cut(sure)
        self.book.settled.add(upload.id)

    def cut(self, size: int) -> None:
        """Throw bytes away, down to ``size``; the disk's blocks stay reserved."""
        with self.data() as data:
            self._cut(data, size)

    def make_safe(self) -> None:
        """Have everything that is here on the disk, and written down."""
        if self.upload.state is not State.OPEN:
            return
        size = self.offset
        if size != self.upload.durable or self.upload.boot != staging.boot_id():
            with self.data() as data:
                self._note(data, size, self.upload.touched)

    def check(self, piece: Piece, limits: Limits) -> None:
        """Refuse a piece that cannot be appended; take down the length that comes with it."""
        upload, at = self.upload, self.offset
        if upload.state is State.REFUSED:
            raise Over(upload.fault)
        if upload.order.part is Part.FINAL:
            raise NotAllowed("An upload that was put together takes no bytes of its own.")
        if piece.offset != at:
            raise WrongOffset(f"{at} bytes are here; the piece begins at {piece.offset}.")
        if piece.length is not None and piece.length != upload.length:
            self._tell_length(piece.length, at, limits)
        most = self._room(at, limits)
        if piece.size is not None and piece.size > most:
            raise TooBig(f"{piece.size} more bytes are announced, and {most} are missing.")

    def receive(
        self,
        piece: Piece,
        source: Source,
        still: Callable[[], None],
        running: Digest | None,
        limits: Limits,
    ) -> None:
        """Append what comes. Raises as :meth:`filebrowser.uploads.uploads.Uploads.append`."""

        def look() -> None:
            self.turn.touch()
            still()

        with self.data() as data, self._room_for(limits) as room:
            self._trust(piece)
            own = hashlib.new(piece.checksum[0]) if piece.checksum else None
            digests = tuple(each for each in (own, running) if each is not None)
            durable = min(self.upload.durable, piece.offset)
            writer = Writer(data, piece.offset, self._safe, durable, piece.offset)
            try:
                most = self._room(piece.offset, limits)
                pour(_counted(_unbroken(source), room), writer, most, look, digests)
            except TooBig:
                self._cut(data, piece.offset)
                raise
            except OSError as error:
                self._stop(piece, writer)
                raise full(error, f"{self.offset} bytes are kept.") from error
            except NoRoom as error:
                self._stop(piece, writer)
                raise NoRoom(f"{error} {self.offset} bytes are kept.") from None
            except BaseException:
                self._stop(piece, writer)
                raise
            self._close(piece, writer, own)

    @contextmanager
    def _room_for(self, limits: Limits) -> Iterator[Room]:
        """Room for the bytes of a piece; those of an upload whose length is known have theirs."""
        if self.upload.length is not None:
            yield Unlimited()
            return
        with self.book.reservation(limits, upload=self.upload) as room:
            yield room

    def _tell_length(self, length: int, at: int, limits: Limits) -> None:
        if self.upload.length is not None:
            raise WrongRequest(f"The length is {self.upload.length} and cannot be another.")
        if length < at:
            raise WrongRequest(f"{at} bytes are here; the length cannot be {length}.")
        try:
            self.upload = self.book.tell_length(self.upload, length, limits)
        except OSError as error:
            raise full(error, "The length was not taken.") from error

    def _room(self, at: int, limits: Limits) -> int:
        return (limits.largest if self.upload.length is None else self.upload.length) - at

    def _trust(self, piece: Piece) -> None:
        """Write down up to where bytes may be believed if this life ends now."""
        trusted = piece.offset if piece.checksum else None
        if self.upload.trusted == trusted:
            return
        try:
            self.keep(replace(self.upload, trusted=trusted))
        except OSError as error:
            raise full(error, f"{piece.offset} bytes are kept.") from error

    def _safe(self, offset: int) -> None:
        self._mark(
            replace(self.upload, durable=offset, boot=staging.boot_id(), touched=time.time())
        )

    def _mark(self, upload: Upload) -> None:
        """Write down how much is safe. On a full disk the older word stays, which is less."""
        try:
            self.keep(upload)
        except OSError as error:
            if error.errno not in FULL:
                raise

    def _stop(self, piece: Piece, writer: Writer) -> None:
        """A piece that ends too early: what came is kept, unless its checksum was to be seen."""
        if piece.checksum:
            self._cut(writer.data, piece.offset)
            return
        try:
            writer.sync()
        except OSError:  # what could not be written is not here, whatever the file's size says
            self._cut(writer.data, writer.durable)

    def _close(self, piece: Piece, writer: Writer, own: Digest | None) -> None:
        """The source has ended: by itself, or because the connection broke."""
        if piece.checksum and own is not None:
            broken = piece.size is not None and writer.offset < piece.offset + piece.size
            if broken or own.digest() != piece.checksum[1]:
                self._cut(writer.data, piece.offset)
                if not broken:
                    raise WrongChecksum("The bytes are not those of the checksum. Send them again.")
                return
            self._believe(piece, writer)
        if writer.offset == self.upload.length or writer.offset - writer.durable >= WORTH_A_SYNC:
            writer.sync()
        self.book.records[self.upload.id] = replace(self.upload, touched=time.time())

    def _believe(self, piece: Piece, writer: Writer) -> None:
        """Write down that a piece fitted its checksum; what cannot be written down has to go."""
        try:
            self.keep(replace(self.upload, trusted=writer.offset, touched=time.time()))
        except OSError as error:
            self._cut(writer.data, piece.offset)
            raise full(error, f"{piece.offset} bytes are kept.") from error

    def _cut(self, data: int, size: int) -> None:
        os.ftruncate(data, size)
        with suppress(OSError):  # it worked before; where it does not now, writing will tell
            staging.set_aside(data, self.upload.length or 0)
        self._note(data, size, time.time())

    def _note(self, data: int, size: int, touched: float) -> None:
        try:
            os.fdatasync(data)
        except OSError:  # the kernel tells once; afterwards the bytes would seem to be there
            os.ftruncate(data, min(size, self.upload.durable))
            raise
        boot = staging.boot_id()
        self._mark(replace(self.upload, durable=size, boot=boot, trusted=None, touched=touched))


def _counted(source: Source, room: Room) -> Source:
    """The source, of which no more is read than there is room for. Raises ``NoRoom``."""

    def fill(memory: memoryview, /) -> int:
        fits = room.offer(len(memory))
        count = source(memory[: fits or 1])  # without room one byte tells whether more comes
        room.take(count)
        return count

    return fill


def _unbroken(source: Source) -> Source:
    """The source, for which a broken connection is an end like any other."""

    def fill(room: memoryview, /) -> int:
        try:
            return source(room)
        except OSError:
            return 0

    return fill


def full(error: OSError, kept: str) -> OSError | NoRoom:
    """The error of a full disk in words; any other one as it is."""
    if error.errno in FULL:
        return NoRoom(f"The disk is full. {kept} Make room and go on.")
    return error
