"""Completes an upload once all bytes have arrived; keeps its running SHA-256."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from filebrowser.access.gate import find_place, parse_path
from filebrowser.errors import WrongContent
from filebrowser.uploads import publish, staging_area
from filebrowser.uploads.errors import Over, WrongChecksum
from filebrowser.uploads.publish import PublishContext
from filebrowser.uploads.records import Conflict, Upload, UploadKind, UploadState
from filebrowser.uploads.rules import ContentRules
from filebrowser.uploads.upload_session import UploadSession, disk_full_error
from filebrowser.uploads.write_pipeline import Digest
from filebrowser.watch.file_events import FileEvent, FileEventKind


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """An upload, and the number of bytes received."""

    upload: Upload
    offset: int

    @property
    def is_complete(self) -> bool:
        """Whether all bytes are here."""
        return self.offset == self.upload.length


@dataclass(slots=True, eq=False)
class UploadCompletion:
    """Checks and publishes by ``rules``, and tells ``published`` of each new file."""

    rules: ContentRules
    on_published: Callable[[FileEvent], object]
    _digests: dict[str, tuple[Digest, int]] = field(default_factory=dict)

    def finish(self, session: UploadSession) -> UploadStatus:
        """The standing; a whole file is checked and published first."""
        upload = session.upload
        if upload.state is UploadState.REFUSED:
            raise Over(upload.fault)
        at = session.offset
        waits = at != upload.length or upload.order.part is UploadKind.PARTIAL
        if upload.is_ended or (upload.state is UploadState.OPEN and waits):
            return UploadStatus(upload, at)
        place = find_place(upload.order.path, (session.root,))
        context = PublishContext(session.staging_fd, place, session.save, session.lock.touch)
        if upload.state is UploadState.OPEN:
            self._check_content(session, context)
        try:
            ended = publish.publish(context, upload)
        except OSError as error:
            raise disk_full_error(error, "The file waits to appear.") from error
        self._digests.pop(upload.id, None)
        if ended.state is UploadState.DONE:
            session.index.add_usage(at)
            kind = (
                FileEventKind.CHANGED
                if upload.order.conflict is Conflict.OVERWRITE
                else FileEventKind.CREATED
            )
            self.on_published(FileEvent(kind, parse_path(ended.path, (session.root,))))
        return UploadStatus(ended, at)

    def _check_content(self, session: UploadSession, context: PublishContext) -> None:
        """Raises where the bytes are not those announced, or may not lie there."""
        digest, digested_bytes = self._digests.get(session.upload.id, (None, 0))
        try:
            publish.verify_checksum(
                context, session.upload, digest if digested_bytes == session.offset else None
            )
        except WrongChecksum:
            session.truncate(0)
            self._digests.pop(session.upload.id, None)
            raise
        with open(staging_area.open_data(session.staging_fd), "rb") as data:
            try:
                self.rules.check_content(context.place, data.fileno())
            except WrongContent as error:
                publish.end_refused(context, session.upload, error)
                raise

    def running_digest(self, upload: Upload, offset: int) -> Digest | None:
        """The SHA-256 of the first ``offset`` bytes, where all of them came in this life."""
        if not upload.order.sha256:
            return None
        digest, digested_bytes = self._digests.get(upload.id, (None, 0))
        if offset == 0:
            return hashlib.sha256()
        return digest.copy() if digest is not None and digested_bytes == offset else None

    def remember_digest(self, session: UploadSession, digest: Digest | None, before: int) -> None:
        """Remember the sum after a piece that began at ``before``, unless it was thrown away."""
        if digest is not None and session.offset > before:
            self._digests[session.upload.id] = (digest, session.offset)

    def forget(self, upload_id: str) -> None:
        """Drop what is remembered of an upload."""
        self._digests.pop(upload_id, None)
