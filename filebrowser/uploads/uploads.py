"""The verbs of uploads: begin, append, ask, join, end. All for a visit, all safe to repeat."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from filebrowser.errors import FileError, NotAllowed, NotHere, Taken
from filebrowser.gate import Place, Root, check_name, find_place
from filebrowser.happenings import Happening
from filebrowser.uploads import carrying, finishing, staging
from filebrowser.uploads.blocks import Source
from filebrowser.uploads.books import Book, open_book, unfinished
from filebrowser.uploads.ending import Ending, Standing
from filebrowser.uploads.errors import Busy, WrongRequest
from filebrowser.uploads.holding import Held, Piece, full, nobody_minds
from filebrowser.uploads.records import Conflict, Order, Part, State, Upload
from filebrowser.uploads.reservations import Room
from filebrowser.uploads.rules import Rules
from filebrowser.uploads.space import Limits
from filebrowser.uploads.turns import Turn, Turns, nobody_waits
from filebrowser.visit import Right, Visit, check_rights


@dataclass(slots=True, eq=False)
class Uploads:
    """Everything that waits below some roots. Thread-safe.

    ``published`` hears of each file that an upload became.
    """

    limits: Limits = field(default_factory=Limits)
    rules: Rules = field(default_factory=Rules)
    published: Callable[[Happening], object] = field(default=lambda happening: None)
    clock: Callable[[], float] = time.time
    turns: Turns = field(init=False)
    _books: dict[Path, Book] = field(default_factory=dict, init=False)
    _ending: Ending = field(init=False)
    _opening: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self.turns = Turns(self.limits.at_once, self.limits.at_once_in_all)
        self._ending = Ending(self.rules, self.published)

    def begin(self, visit: Visit, order: Order) -> Upload:
        """A new upload. One without bytes is a file when this returns.

        Raises ``NotAllowed``, ``BadPath``, ``NotHere``; :class:`Taken` where a file is there
        already and the order does not say what to do; :class:`WrongContent` for what may not lie
        there; ``NoRoom``, ``TooBig`` and ``TooMany`` where there is no room for it.
        """
        root, place = self._target(visit, order)
        upload = Upload(
            staging.new_id(), visit.who, order, self.clock(), self.clock(), boot=staging.boot_id()
        )
        if place is not None and finishing.taken(place):
            if order.conflict is None:
                raise Taken(
                    f"/{place.text} is there already. Say what to do: skip, overwrite or rename."
                )
            if order.conflict is Conflict.SKIP:
                upload = replace(upload, state=State.SKIPPED, path=f"/{place.text}")
        book = self._book(root)
        try:
            upload = book.begin(upload, self.limits)
        except OSError as error:
            raise full(error, "Nothing was begun.") from error
        return self.standing(visit, upload.id).upload if order.length == 0 else upload

    def standing(self, visit: Visit, upload_id: str) -> Standing:
        """How far an upload is: so many bytes are on the disk and stay there, come what may.

        One whose bytes are all here is published before this returns. Raises ``NotHere`` for
        uploads of others too, :class:`Over` for refused ones, ``Busy`` while bytes keep coming.
        """
        with self._hold(visit, upload_id) as held:
            held.make_safe()
            return self._ending.finish(held)

    def append(
        self,
        visit: Visit,
        upload_id: str,
        piece: Piece,
        source: Source,
        still: Callable[[], None] = nobody_minds,
        interrupt: Callable[[], None] = nobody_waits,
    ) -> Standing:
        """Take bytes; publish the file with the last one. What came before a break is kept.

        ``still`` is called after each block and raises when the caller may no longer send;
        ``interrupt`` ends a call of ``source`` that waits. Raises as :meth:`standing`,
        :class:`WrongOffset`, ``TooBig``, :class:`WrongChecksum` (the piece is thrown away),
        ``NoRoom`` (what came is kept) and what publishing raises.
        """
        with self._hold(visit, upload_id, interrupt, sending=True) as held:
            held.check(piece, self.limits)
            if not held.upload.ended and held.upload.state is State.OPEN:
                running = self._ending.running_sum(held.upload, piece.offset)
                held.receive(piece, source, still, running, self.limits)
                self._ending.keep_sum(held, running, piece.offset)
            return self._ending.finish(held)

    def join(self, visit: Visit, order: Order, parts: Sequence[str]) -> Upload:
        """One file of several partial uploads, which end with it. Raises as :meth:`begin`.

        Who asks again, because the answer was lost, gets the same upload, as long as it is kept.
        """
        order = replace(order, part=Part.FINAL, parts=tuple(parts))
        with self.turns.turn(f"join {visit.who} {' '.join(parts)}", visit.who):
            upload = self._joined_before(visit, order) or self._join(visit, order)
            for part in parts:
                with suppress(NotHere):
                    self.end(visit, part)
        return upload

    def _joined_before(self, visit: Visit, order: Order) -> Upload | None:
        """What became of the same order before; one that a crash left half done is begun anew."""
        check_rights(visit, {Right.CREATE})
        found = [
            upload
            for root in _writable(visit.roots)
            for upload in tuple(self._book(root).records.values())
            if upload.owner == visit.who
            and (upload.order.parts, upload.order.path) == (order.parts, order.path)
            and upload.state is not State.REFUSED
            and not self._expired(upload)
        ]
        for upload in found:
            with suppress(NotHere):
                upload = self.standing(visit, upload.id).upload
                if upload.ended:
                    return upload
                self.end(visit, upload.id)
        return None

    def _join(self, visit: Visit, order: Order) -> Upload:
        pieces = [self._whole_part(visit, part) for part in order.parts]
        length = sum(offset for _, offset in pieces)
        upload = self.begin(visit, replace(order, length=length))
        if upload.ended:
            return upload
        try:
            with self._hold(visit, upload.id) as held:
                self._copy_parts(held, pieces, visit)
                return self._ending.finish(held).upload
        except BaseException:
            with suppress(NotHere):
                self.end(visit, upload.id)
            raise

    def end(self, visit: Visit, upload_id: str) -> None:
        """Throw an upload away. A file that it became already stays."""
        with self._hold(visit, upload_id, at_once=True) as held:
            held.book.drop(upload_id)
            self._ending.forget(upload_id)

    @contextmanager
    def reservation(self, root: Root, size: int = 0) -> Iterator[Room]:
        """Room below a root for ``size`` bytes that are no upload's, and more as they are taken.

        Every door that writes on a caller's word asks here: quota and spare count them together.
        Raises ``NoRoom``.
        """
        with self._book(root).reservation(self.limits, size) as room:
            yield room

    def own(self, visit: Visit) -> list[Standing]:
        """The caller's uploads that have not ended, with the bytes that have come so far."""
        check_rights(visit, {Right.CREATE})
        found = []
        for root in _writable(visit.roots):
            book = self._book(root)
            for upload in unfinished(tuple(book.records.values()), visit.who):
                found.append(Standing(upload, book.size(upload)))
        return found

    def look(self, visit: Visit, upload_id: str) -> Standing:
        """One's upload as it is at this moment; nothing is waited for."""
        _, book = self._find(visit, upload_id)
        return Standing(book.of(upload_id), book.size(book.of(upload_id)))

    def sweep(self, roots: Sequence[Root]) -> None:
        """Finish what a crash left unfinished at its last step; take away what has expired."""
        for root in _writable(roots):
            book = self._book(root)
            for upload in tuple(book.records.values()):
                if not self.turns.held(upload.id):
                    with suppress(Busy, NotHere), self.turns.turn(upload.id, upload.owner) as turn:
                        self._sweep_one(root, book, book.of(upload.id), turn)

    def expires(self, upload: Upload) -> float:
        """When an upload is thrown away unless more bytes come, in seconds since 1970."""
        return upload.touched + self.limits.keep

    def _target(self, visit: Visit, order: Order) -> tuple[Root, Place | None]:
        """The root to stage in, and the place of the file (None for a part)."""
        overwrites = order.conflict is Conflict.OVERWRITE
        check_rights(visit, {Right.CREATE, *([Right.MODIFY] if overwrites else [])})
        if order.part is Part.PARTIAL:
            root = next(iter(_writable(visit.roots)), None)
            if root is None:
                raise NotAllowed("Nothing may be written here.")
            return root, None
        place = find_place(order.path, visit.roots)
        if not place.writable:
            raise NotAllowed(f"/{place.text} cannot be written.")
        check_name(place.names[-1])
        self.rules.check_name(place)
        return place.root, place

    def _book(self, root: Root) -> Book:
        with self._opening:
            book = self._books.get(root.path)
            if book is None:
                book = self._books[root.path] = open_book(root)
        return book

    def _find(self, visit: Visit, upload_id: str) -> tuple[Root, Book]:
        check_rights(visit, {Right.CREATE})
        for root in _writable(visit.roots):
            book = self._book(root)
            found = book.records.get(upload_id)
            if found is not None and found.owner == visit.who and not self._expired(found):
                return root, book
        raise NotHere(f"There is no upload {upload_id[:64]!r}.")

    @contextmanager
    def _hold(
        self,
        visit: Visit,
        upload_id: str,
        interrupt: Callable[[], None] = nobody_waits,
        sending: bool = False,
        at_once: bool = False,
    ) -> Iterator[Held]:
        root, book = self._find(visit, upload_id)
        with (
            self.turns.turn(upload_id, visit.who, interrupt, sending, at_once) as turn,
            self._held(root, book, upload_id, turn) as held,
        ):
            yield held

    @contextmanager
    def _held(self, root: Root, book: Book, upload_id: str, turn: Turn) -> Iterator[Held]:
        with staging.box(root, upload_id) as here:
            held = Held(root, book, here, turn, book.of(upload_id))
            held.settle()
            yield held

    def _whole_part(self, visit: Visit, upload_id: str) -> tuple[Upload, int]:
        """A partial upload that is whole. Raises :class:`WrongRequest` for others."""
        found = self.standing(visit, upload_id)
        if found.upload.order.part is not Part.PARTIAL:
            raise WrongRequest(f"The upload {upload_id} is no part of another.")
        if not found.whole:
            raise WrongRequest(f"The part {upload_id} is not whole yet.")
        return found.upload, found.offset

    def _copy_parts(self, held: Held, pieces: Sequence[tuple[Upload, int]], visit: Visit) -> None:
        at = 0
        with held.data() as data:
            for part, size in pieces:
                root, _ = self._find(visit, part.id)
                with (
                    staging.box(root, part.id) as there,
                    open(staging.open_data(there), "rb", buffering=0) as source,
                ):
                    carrying.append_from(source.fileno(), size, data, at, held.turn.touch)
                at += size
        held.make_safe()

    def _sweep_one(self, root: Root, book: Book, upload: Upload, turn: Turn) -> None:
        if self._expired(upload):
            book.drop(upload.id)
            self._ending.forget(upload.id)
        elif not upload.ended:
            # An error stays with the upload, and is told to who asks for it.
            with suppress(FileError, OSError), self._held(root, book, upload.id, turn) as held:
                held.make_safe()
                upload = self._ending.finish(held).upload
            if upload.order.part is Part.FINAL and not upload.ended:
                book.drop(upload.id)  # whoever put it together asks again

    def _expired(self, upload: Upload) -> bool:
        return self.clock() > self.expires(upload)


def _writable(roots: Sequence[Root]) -> Iterator[Root]:
    yield from (root for root in roots if root.writable)
