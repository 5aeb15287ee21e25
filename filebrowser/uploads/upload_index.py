"""In-memory records of one root's uploads, in step with its staging folder."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from filebrowser.access.gate import Place, Root, open_place
from filebrowser.errors import NotHere
from filebrowser.uploads import staging_area
from filebrowser.uploads.records import Upload, UploadKind, UploadState
from filebrowser.uploads.reservations import Reservation
from filebrowser.uploads.space import (
    USAGE_MAX_AGE,
    TreeUsage,
    UploadLimits,
    check_count,
    check_disk,
    check_quota,
    check_size,
    measure_usage,
)

MOVED_STATES = frozenset({UploadState.PUBLISHING, UploadState.DONE, UploadState.SKIPPED})
"""States in which all bytes came, and lie where uploads do no more."""

BEGUN_SECONDS = 60.0
"""Seconds after which an upload without a record was never quite begun, by no process."""

USAGE_MIN_AGE = 1.0  # seconds for which a sum is good enough to refuse by


@dataclass(slots=True, eq=False)
class UploadIndex:
    """Uploads of one root. ``lock`` guards reservations of disk space."""

    root: Root
    records: dict[str, Upload] = field(default_factory=dict)
    recovered_ids: set[str] = field(
        default_factory=set
    )  # those whose bytes were looked at in this life
    lock: threading.Lock = field(default_factory=threading.Lock)
    usage: TreeUsage | None = None
    reservations: list[Reservation] = field(default_factory=list)

    @contextmanager
    def reserve(
        self, limits: UploadLimits, size: int = 0, upload: Upload | None = None
    ) -> Iterator[Reservation]:
        """Room for ``size`` bytes, and more as they are taken, of an upload or of another door.

        Raises ``NoRoom``.
        """
        reserved = Reservation(
            self, limits, upload, target_size=self.bytes_received(upload) if upload else 0
        )
        with self.lock:
            self.reservations.append(reserved)
        try:
            reserved.reserve(size)
            yield reserved
        finally:
            with self.lock:
                self.reservations.remove(reserved)
                if upload is None and self.usage is not None:
                    # What was taken may be gone again: it is added up anew before it refuses.
                    self.usage = TreeUsage(self.usage.size, self.usage.at - USAGE_MIN_AGE)

    def get(self, upload_id: str) -> Upload:
        """One record. Raises :class:`NotHere`."""
        upload = self.records.get(upload_id)
        if upload is None:
            raise NotHere(f"There is no upload {upload_id[:64]!r}.")
        return upload

    def reload(self, upload_id: str) -> None:
        """Take up what another process has made of an upload, in which nobody is here."""
        try:
            with staging_area.open_upload(self.root, upload_id) as here:
                record = _read_record(here, upload_id)
        except NotHere:
            record = None
        self.recovered_ids.discard(upload_id)
        if record is None:
            self.records.pop(upload_id, None)
        else:
            self.records[upload_id] = record

    def reload_all(self, is_own: Callable[[str], bool]) -> None:
        """The same of all uploads, but those where somebody of this process is."""
        ids = {*staging_area.list_upload_ids(self.root), *self.records}
        for upload_id in ids:
            if not is_own(upload_id):
                self.reload(upload_id)

    def create(self, upload: Upload, limits: UploadLimits) -> Upload:
        """Promise room to a new upload and make its place, or raise ``NoRoom`` and its kin."""
        with self.lock:
            check_count(upload.owner, self.records.values(), limits)
            if not upload.is_ended:
                self.check_space(upload.length or 0, limits)
            staging_area.create_upload(self.root, upload.id)
            try:
                with staging_area.open_upload(self.root, upload.id) as here:
                    upload = self._preallocate(upload, here)
                    staging_area.save_record(here, upload)
                    if upload.is_ended:
                        os.unlink(staging_area.DATA, dir_fd=here)
            except OSError:
                staging_area.delete_upload(self.root, upload.id)
                raise
            self.records[upload.id] = upload
            self.recovered_ids.add(upload.id)
        return upload

    def set_length(self, upload: Upload, length: int, limits: UploadLimits) -> Upload:
        """The upload with its length, for which there is room; as :meth:`begin`."""
        with self.lock:
            self.check_space(length, limits, beside=upload.id)
            updated = replace(upload, order=replace(upload.order, length=length))
            with staging_area.open_upload(self.root, upload.id) as here:
                updated = self._preallocate(updated, here)
                self.save(here, updated)
        return updated

    def save(self, here: int, upload: Upload) -> None:
        """Write a record down."""
        staging_area.save_record(here, upload)
        self.records[upload.id] = upload

    def delete(self, upload_id: str) -> None:
        """Take an upload away with its bytes."""
        staging_area.delete_upload(self.root, upload_id)
        self.records.pop(upload_id, None)
        self.recovered_ids.discard(upload_id)

    def check_space(self, wanted: int, limits: UploadLimits, beside: str = "") -> None:
        """Raises ``NoRoom`` or ``TooBig`` unless ``wanted`` bytes may come, beside the others."""
        check_size(wanted, limits)
        self.check_free(wanted, limits, beside)

    def check_free(self, wanted: int, limits: UploadLimits, beside: str = "") -> None:
        """Raises ``NoRoom`` unless ``wanted`` bytes have room beside all that is promised."""
        others = [u for u in self.records.values() if u.id != beside and not u.is_ended]
        reserved = sum(each.pending_bytes for each in self.reservations)
        with staging_area.open_staging(self.root) as shelf:
            check_disk(
                wanted, shelf, reserved + sum(self.bytes_unreserved(u) for u in others), limits
            )
        if limits.quota is None:
            return
        promised = reserved + sum(self.bytes_promised(upload) for upload in others)
        if self.bytes_used(USAGE_MAX_AGE) + promised + wanted > limits.quota:
            check_quota(wanted, self.bytes_used(USAGE_MIN_AGE), promised, limits)

    def bytes_left(self, limits: UploadLimits) -> int:
        """Bytes that may come beside all that is promised, by the disk and the quota."""
        waiting = [upload for upload in self.records.values() if not upload.is_ended]
        reserved = sum(each.pending_bytes for each in self.reservations)
        with staging_area.open_staging(self.root) as shelf:
            disk = os.fstatvfs(shelf)
        promised = reserved + sum(self.bytes_unreserved(upload) for upload in waiting)
        free = disk.f_bavail * disk.f_frsize - promised - limits.spare
        if limits.quota is not None:
            promised = reserved + sum(self.bytes_promised(upload) for upload in waiting)
            free = min(free, limits.quota - self.bytes_used(USAGE_MIN_AGE) - promised)
        return max(0, free)

    def bytes_used(self, fresh: float) -> int:
        """Bytes of the files below the root, added up at most ``fresh`` seconds ago."""
        now = usage_of(self.root, self.usage, fresh)
        self.usage = now
        return now.size

    def add_usage(self, size: int) -> None:
        """A file of ``size`` bytes was published; the sum is right without adding up anew."""
        if self.usage is not None:
            self.usage = TreeUsage(self.usage.size + size, self.usage.at)

    def bytes_received(self, upload: Upload) -> int:
        """Bytes of an upload that have come, whether they are safe or not."""
        if upload.state in MOVED_STATES:
            return upload.length or 0
        try:
            with staging_area.open_upload(self.root, upload.id) as here:
                return os.stat(staging_area.DATA, dir_fd=here, follow_symlinks=False).st_size
        except (NotHere, FileNotFoundError):
            return 0

    def bytes_promised(self, upload: Upload) -> int:
        """Bytes that an upload counts for in the quota."""
        return self.bytes_received(upload) if upload.length is None else upload.length

    def bytes_unreserved(self, upload: Upload) -> int:
        """Bytes that will still be taken from the disk's free ones."""
        if upload.reserved or upload.length is None:
            return 0
        return max(0, upload.length - self.bytes_received(upload))

    def _preallocate(self, upload: Upload, here: int) -> Upload:
        if upload.is_ended:
            return upload
        data = staging_area.open_data(here)
        try:
            return replace(upload, reserved=staging_area.preallocate(data, upload.length or 0))
        finally:
            os.close(data)


def load_upload_index(root: Root, unfit_seconds: float = 0.0) -> UploadIndex:
    """Read what waits below a root. What was never quite begun is taken away.

    That is a folder without a record, which is ``unfit_seconds`` old.
    """
    index = UploadIndex(root)
    for upload_id in staging_area.list_upload_ids(root):
        try:
            with staging_area.open_upload(root, upload_id) as here:
                record = _read_record(here, upload_id)
                age = time.time() - os.fstat(here).st_mtime
        except NotHere:
            record, age = None, unfit_seconds
        if record is not None:
            index.records[upload_id] = record
        elif age >= unfit_seconds or not unfit_seconds:
            staging_area.delete_upload(root, upload_id)
    return index


def load_shared_index(root: Root) -> UploadIndex:
    """The same where another process may be beginning an upload at this moment."""
    return load_upload_index(root, BEGUN_SECONDS)


def _read_record(here: int, upload_id: str) -> Upload | None:
    """The record of an open upload; None where there is none of it."""
    record = staging_area.load_record(here)
    if record is None or record.id != upload_id:
        return None
    return replace(record, touched=max(record.touched, _data_mtime(here)))


def _data_mtime(here: int) -> float:
    try:
        # A file that waits for its name may have its client's time already, which may be to come.
        return min(
            os.stat(staging_area.DATA, dir_fd=here, follow_symlinks=False).st_mtime, time.time()
        )
    except FileNotFoundError:
        return 0.0


def usage_of(root: Root, known: TreeUsage | None, fresh: float) -> TreeUsage:
    """The sum of a tree's sizes; ``known`` where it is not older than ``fresh`` seconds."""
    if known is not None and time.monotonic() - known.at < fresh:
        return known
    fd = open_place(Place(root, ()), os.O_RDONLY | os.O_DIRECTORY)
    try:
        return measure_usage(fd, root.hidden)
    finally:
        os.close(fd)


def unfinished_uploads(records: Iterable[Upload], owner: str) -> list[Upload]:
    """The uploads of one owner that have not ended, the latest first; pieces are not told."""
    uploads = [
        upload
        for upload in records
        if upload.owner == owner
        and not upload.is_ended
        and upload.order.part is not UploadKind.PARTIAL
    ]
    return sorted(uploads, key=lambda upload: upload.touched, reverse=True)
