"""In-memory records of one root's uploads, in step with its staging folder."""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from filebrowser.errors import NotHere
from filebrowser.gate import Place, Root, open_place
from filebrowser.uploads import staging
from filebrowser.uploads.records import Part, State, Upload
from filebrowser.uploads.reservations import Reservation
from filebrowser.uploads.space import (
    FRESH,
    Limits,
    Tally,
    check_count,
    check_disk,
    check_quota,
    check_size,
    tally,
)

MOVED = frozenset({State.PUBLISHING, State.DONE, State.SKIPPED})
"""States in which all bytes came, and lie where uploads do no more."""

A_MOMENT = 1.0  # seconds for which a sum is good enough to refuse by


@dataclass(slots=True, eq=False)
class Book:
    """Uploads of one root. ``lock`` guards reservations of disk space."""

    root: Root
    records: dict[str, Upload] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)  # those whose bytes were looked at in this life
    lock: threading.Lock = field(default_factory=threading.Lock)
    tally: Tally | None = None
    reservations: list[Reservation] = field(default_factory=list)

    @contextmanager
    def reservation(
        self, limits: Limits, size: int = 0, upload: Upload | None = None
    ) -> Iterator[Reservation]:
        """Room for ``size`` bytes, and more as they are taken, of an upload or of another door.

        Raises ``NoRoom``.
        """
        made = Reservation(self, limits, upload, until=self.size(upload) if upload else 0)
        with self.lock:
            self.reservations.append(made)
        try:
            made.reserve(size)
            yield made
        finally:
            with self.lock:
                self.reservations.remove(made)
                if upload is None and self.tally is not None:
                    # What was taken may be gone again: it is added up anew before it refuses.
                    self.tally = Tally(self.tally.size, self.tally.at - A_MOMENT)

    def of(self, upload_id: str) -> Upload:
        """One record. Raises :class:`NotHere`."""
        found = self.records.get(upload_id)
        if found is None:
            raise NotHere(f"There is no upload {upload_id[:64]!r}.")
        return found

    def begin(self, upload: Upload, limits: Limits) -> Upload:
        """Promise room to a new upload and make its place, or raise ``NoRoom`` and its kin."""
        with self.lock:
            check_count(upload.owner, self.records.values(), limits)
            if not upload.ended:
                self.check_room(upload.length or 0, limits)
            staging.make_box(self.root, upload.id)
            try:
                with staging.box(self.root, upload.id) as here:
                    upload = self._reserved(upload, here)
                    staging.save(here, upload)
                    if upload.ended:
                        os.unlink(staging.DATA, dir_fd=here)
            except OSError:
                staging.remove_box(self.root, upload.id)
                raise
            self.records[upload.id] = upload
            self.settled.add(upload.id)
        return upload

    def tell_length(self, upload: Upload, length: int, limits: Limits) -> Upload:
        """The upload with its length, for which there is room; as :meth:`begin`."""
        with self.lock:
            self.check_room(length, limits, beside=upload.id)
            told = replace(upload, order=replace(upload.order, length=length))
            with staging.box(self.root, upload.id) as here:
                told = self._reserved(told, here)
                self.keep(here, told)
        return told

    def keep(self, here: int, upload: Upload) -> None:
        """Write a record down."""
        staging.save(here, upload)
        self.records[upload.id] = upload

    def drop(self, upload_id: str) -> None:
        """Take an upload away with its bytes."""
        staging.remove_box(self.root, upload_id)
        self.records.pop(upload_id, None)
        self.settled.discard(upload_id)

    def check_room(self, wanted: int, limits: Limits, beside: str = "") -> None:
        """Raises ``NoRoom`` or ``TooBig`` unless ``wanted`` bytes may come, beside the others."""
        check_size(wanted, limits)
        self.check_free(wanted, limits, beside)

    def check_free(self, wanted: int, limits: Limits, beside: str = "") -> None:
        """Raises ``NoRoom`` unless ``wanted`` bytes have room beside all that is promised."""
        others = [u for u in self.records.values() if u.id != beside and not u.ended]
        reserved = sum(each.promised for each in self.reservations)
        with staging.shelf(self.root) as shelf:
            check_disk(wanted, shelf, reserved + sum(self.missing(u) for u in others), limits)
        if limits.quota is None:
            return
        promised = reserved + sum(self.held(upload) for upload in others)
        if self.used(FRESH) + promised + wanted > limits.quota:
            check_quota(wanted, self.used(A_MOMENT), promised, limits)

    def left(self, limits: Limits) -> int:
        """Bytes that may come beside all that is promised, by the disk and the quota."""
        waiting = [upload for upload in self.records.values() if not upload.ended]
        reserved = sum(each.promised for each in self.reservations)
        with staging.shelf(self.root) as shelf:
            disk = os.fstatvfs(shelf)
        promised = reserved + sum(self.missing(upload) for upload in waiting)
        free = disk.f_bavail * disk.f_frsize - promised - limits.spare
        if limits.quota is not None:
            promised = reserved + sum(self.held(upload) for upload in waiting)
            free = min(free, limits.quota - self.used(A_MOMENT) - promised)
        return max(0, free)

    def used(self, fresh: float) -> int:
        """Bytes of the files below the root, added up at most ``fresh`` seconds ago."""
        now = tally_of(self.root, self.tally, fresh)
        self.tally = now
        return now.size

    def grew(self, size: int) -> None:
        """A file of ``size`` bytes was published; the sum is right without adding up anew."""
        if self.tally is not None:
            self.tally = Tally(self.tally.size + size, self.tally.at)

    def size(self, upload: Upload) -> int:
        """Bytes of an upload that have come, whether they are safe or not."""
        if upload.state in MOVED:
            return upload.length or 0
        try:
            with staging.box(self.root, upload.id) as here:
                return os.stat(staging.DATA, dir_fd=here, follow_symlinks=False).st_size
        except (NotHere, FileNotFoundError):
            return 0

    def held(self, upload: Upload) -> int:
        """Bytes that an upload counts for in the quota."""
        return self.size(upload) if upload.length is None else upload.length

    def missing(self, upload: Upload) -> int:
        """Bytes that will still be taken from the disk's free ones."""
        if upload.reserved or upload.length is None:
            return 0
        return max(0, upload.length - self.size(upload))

    def _reserved(self, upload: Upload, here: int) -> Upload:
        if upload.ended:
            return upload
        data = staging.open_data(here)
        try:
            return replace(upload, reserved=staging.set_aside(data, upload.length or 0))
        finally:
            os.close(data)


def open_book(root: Root) -> Book:
    """Read what waits below a root. What was never quite begun is taken away."""
    book = Book(root)
    for upload_id in staging.boxes(root):
        try:
            with staging.box(root, upload_id) as here:
                found = staging.load(here)
                touched = _touched(here)
        except NotHere:
            staging.remove_box(root, upload_id)
            continue
        if found is None or found.id != upload_id:
            staging.remove_box(root, upload_id)
        else:
            book.records[upload_id] = replace(found, touched=max(found.touched, touched))
    return book


def _touched(here: int) -> float:
    try:
        # A file that waits for its name may have its client's time already, which may be to come.
        return min(os.stat(staging.DATA, dir_fd=here, follow_symlinks=False).st_mtime, time.time())
    except FileNotFoundError:
        return 0.0


def tally_of(root: Root, known: Tally | None, fresh: float) -> Tally:
    """The sum of a tree's sizes; ``known`` where it is not older than ``fresh`` seconds."""
    if known is not None and time.monotonic() - known.at < fresh:
        return known
    found = open_place(Place(root, ()), os.O_RDONLY | os.O_DIRECTORY)
    try:
        return tally(found, root.hidden)
    finally:
        os.close(found)


def unfinished(records: Iterable[Upload], owner: str) -> list[Upload]:
    """The uploads of one owner that have not ended, the latest first; pieces are not told."""
    found = [
        upload
        for upload in records
        if upload.owner == owner and not upload.ended and upload.order.part is not Part.PARTIAL
    ]
    return sorted(found, key=lambda upload: upload.touched, reverse=True)
