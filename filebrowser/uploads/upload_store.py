"""Upload operations for one caller: begin, append, status, concatenate, end; all idempotent."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from filebrowser.access.file_access import FileAccess, Right, check_rights
from filebrowser.access.gate import Place, Root, check_name, find_place
from filebrowser.errors import FileError, NotAllowed, NotHere, Taken
from filebrowser.uploads import cross_device_copy, publish, staging_area
from filebrowser.uploads.blocks import Source
from filebrowser.uploads.completion import UploadCompletion, UploadStatus
from filebrowser.uploads.errors import Busy, WrongRequest
from filebrowser.uploads.records import Conflict, Upload, UploadKind, UploadSpec, UploadState
from filebrowser.uploads.reservations import SpaceCounter
from filebrowser.uploads.rules import ContentRules
from filebrowser.uploads.space import UploadLimits
from filebrowser.uploads.upload_index import (
    UploadIndex,
    load_shared_index,
    load_upload_index,
    unfinished_uploads,
)
from filebrowser.uploads.upload_locks import SharedTurns, UploadLock, UploadLocks, no_interrupt
from filebrowser.uploads.upload_session import (
    UploadChunk,
    UploadSession,
    disk_full_error,
    never_stop,
)
from filebrowser.watch.file_events import FileEvent


@dataclass(slots=True, eq=False)
class UploadStore:
    """Everything that waits below some roots. Thread-safe.

    ``published`` hears of each file that an upload became. With ``shared`` other processes take
    uploads into the same folders: each goes on where the other was.
    """

    limits: UploadLimits = field(default_factory=UploadLimits)
    rules: ContentRules = field(default_factory=ContentRules)
    on_published: Callable[[FileEvent], object] = field(default=lambda happening: None)
    clock: Callable[[], float] = time.time
    shared: SharedTurns | None = None
    locks: UploadLocks = field(init=False)
    _indexes: dict[Path, UploadIndex] = field(default_factory=dict, init=False)
    _completion: UploadCompletion = field(init=False)
    _open_lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self.locks = UploadLocks(self.limits.at_once, self.limits.at_once_in_all, self.shared)
        self._completion = UploadCompletion(self.rules, self.on_published)

    def begin(self, access: FileAccess, spec: UploadSpec) -> Upload:
        """A new upload. One without bytes is a file when this returns.

        Raises ``NotAllowed``, ``BadPath``, ``NotHere``; :class:`Taken` where a file is there
        already and the order does not say what to do; :class:`WrongContent` for what may not lie
        there; ``NoRoom``, ``TooBig`` and ``TooMany`` where there is no room for it.
        """
        root, place = self._target(access, spec)
        upload = Upload(
            staging_area.new_id(),
            access.who,
            spec,
            self.clock(),
            self.clock(),
            boot=staging_area.boot_id(),
        )
        if place is not None and publish.is_taken(place):
            if spec.conflict is None:
                raise Taken(
                    f"/{place.text} is there already. Say what to do: skip, overwrite or rename."
                )
            if spec.conflict is Conflict.SKIP:
                upload = replace(upload, state=UploadState.SKIPPED, path=f"/{place.text}")
        index = self._whole_index_of(root)
        try:
            upload = index.create(upload, self.limits)
        except OSError as error:
            raise disk_full_error(error, "Nothing was begun.") from error
        return self.status(access, upload.id).upload if spec.length == 0 else upload

    def status(self, access: FileAccess, upload_id: str) -> UploadStatus:
        """How far an upload is: so many bytes are on the disk and stay there, come what may.

        One whose bytes are all here is published before this returns. Raises ``NotHere`` for
        uploads of others too, :class:`Over` for refused ones, ``Busy`` while bytes keep coming.
        """
        with self._session(access, upload_id) as session:
            session.sync()
            return self._completion.finish(session)

    def append(
        self,
        access: FileAccess,
        upload_id: str,
        chunk: UploadChunk,
        source: Source,
        check_continue: Callable[[], None] = never_stop,
        interrupt: Callable[[], None] = no_interrupt,
    ) -> UploadStatus:
        """Take bytes; publish the file with the last one. What came before a break is kept.

        ``still`` is called after each block and raises when the caller may no longer send;
        ``interrupt`` ends a call of ``source`` that waits. Raises as :meth:`standing`,
        :class:`WrongOffset`, ``TooBig``, :class:`WrongChecksum` (the piece is thrown away),
        ``NoRoom`` (what came is kept) and what publishing raises.
        """
        with self._session(access, upload_id, interrupt, sending=True) as session:
            session.check_chunk(chunk, self.limits)
            if not session.upload.is_ended and session.upload.state is UploadState.OPEN:
                running = self._completion.running_digest(session.upload, chunk.offset)
                session.receive(chunk, source, check_continue, running, self.limits)
                self._completion.remember_digest(session, running, chunk.offset)
            return self._completion.finish(session)

    def join(self, access: FileAccess, spec: UploadSpec, parts: Sequence[str]) -> Upload:
        """One file of several partial uploads, which end with it. Raises as :meth:`begin`.

        Who asks again, because the answer was lost, gets the same upload, as long as it is kept.
        """
        spec = replace(spec, part=UploadKind.FINAL, parts=tuple(parts))
        with self.locks.acquire(f"join {access.who} {' '.join(parts)}", access.who):
            upload = self._find_joined(access, spec) or self._join(access, spec)
            for part in parts:
                with suppress(NotHere):
                    self.delete(access, part)
        return upload

    def _find_joined(self, access: FileAccess, spec: UploadSpec) -> Upload | None:
        """What became of the same order before; one that a crash left half done is begun anew."""
        check_rights(access, {Right.CREATE})
        uploads = [
            upload
            for _, index in self._indexes_of(access.roots, whole=True)
            for upload in tuple(index.records.values())
            if upload.owner == access.who
            and (upload.order.parts, upload.order.path) == (spec.parts, spec.path)
            and upload.state is not UploadState.REFUSED
            and not self._is_expired(upload)
        ]
        for upload in uploads:
            with suppress(NotHere):
                upload = self.status(access, upload.id).upload
                if upload.is_ended:
                    return upload
                self.delete(access, upload.id)
        return None

    def _join(self, access: FileAccess, spec: UploadSpec) -> Upload:
        pieces = [self._complete_part(access, part) for part in spec.parts]
        length = sum(offset for _, offset in pieces)
        upload = self.begin(access, replace(spec, length=length))
        if upload.is_ended:
            return upload
        try:
            with self._session(access, upload.id) as session:
                self._copy_parts(session, pieces, access)
                return self._completion.finish(session).upload
        except BaseException:
            with suppress(NotHere):
                self.delete(access, upload.id)
            raise

    def delete(self, access: FileAccess, upload_id: str) -> None:
        """Throw an upload away. A file that it became already stays."""
        with self._session(access, upload_id, at_once=True) as session:
            session.index.delete(upload_id)
            self._completion.forget(upload_id)

    @contextmanager
    def reserve(self, root: Root, size: int = 0) -> Iterator[SpaceCounter]:
        """Room below a root for ``size`` bytes that are no upload's, and more as they are taken.

        Every door that writes on a caller's word asks here: quota and spare count them together.
        Raises ``NoRoom``.
        """
        with self._whole_index_of(root).reserve(self.limits, size) as room:
            yield room

    def list_unfinished(self, access: FileAccess) -> list[UploadStatus]:
        """The caller's uploads that have not ended, with the bytes that have come so far."""
        check_rights(access, {Right.CREATE})
        statuses = []
        for _, index in self._indexes_of(access.roots, whole=True):
            for upload in unfinished_uploads(tuple(index.records.values()), access.who):
                statuses.append(UploadStatus(upload, index.bytes_received(upload)))
        return statuses

    def peek(self, access: FileAccess, upload_id: str) -> UploadStatus:
        """One's upload as it is at this moment; nothing is waited for."""
        _, index = self._find(access, upload_id)
        return UploadStatus(index.get(upload_id), index.bytes_received(index.get(upload_id)))

    def sweep(self, roots: Sequence[Root]) -> None:
        """Finish what a crash left unfinished at its last step; take away what has expired."""
        for root in _writable(roots):
            index = self._whole_index_of(root)
            for upload in tuple(index.records.values()):
                if not self.locks.is_locked(upload.id):
                    with (
                        suppress(Busy, NotHere),
                        self.locks.acquire(upload.id, upload.owner) as turn,
                    ):
                        self._sweep_one(root, index, index.get(upload.id), turn)

    def expires_at(self, upload: Upload) -> float:
        """When an upload is thrown away unless more bytes come, in seconds since 1970."""
        return upload.touched + self.limits.keep

    def _target(self, access: FileAccess, spec: UploadSpec) -> tuple[Root, Place | None]:
        """The root to stage in, and the place of the file (None for a part)."""
        overwrites = spec.conflict is Conflict.OVERWRITE
        check_rights(access, {Right.CREATE, *([Right.MODIFY] if overwrites else [])})
        if spec.part is UploadKind.PARTIAL:
            root = next((root for root, _ in self._indexes_of(access.roots)), None)
            if root is None:
                raise NotAllowed("Nothing may be written here.")
            return root, None
        place = find_place(spec.path, access.roots)
        if not place.writable:
            raise NotAllowed(f"/{place.text} cannot be written.")
        check_name(place.names[-1])
        self.rules.check_name(place)
        return place.root, place

    def _index_of(self, root: Root) -> UploadIndex:
        with self._open_lock:
            index = self._indexes.get(root.path)
            if index is None:
                load = load_upload_index if self.shared is None else load_shared_index
                index = self._indexes[root.path] = load(root)
        return index

    def _whole_index_of(self, root: Root) -> UploadIndex:
        """The index, with what other processes have begun and ended."""
        index = self._index_of(root)
        if self.shared is not None:
            index.reload_all(self.locks.is_own)
        return index

    def _indexes_of(
        self, roots: Sequence[Root], whole: bool = False
    ) -> Iterator[tuple[Root, UploadIndex]]:
        """Of the roots that take uploads. One whose disk is away now holds up no other."""
        for root in _writable(roots):
            try:
                index = self._whole_index_of(root) if whole else self._index_of(root)
            except (FileError, OSError):  # the sweeper says so in the log
                continue
            yield root, index

    def _find(self, access: FileAccess, upload_id: str) -> tuple[Root, UploadIndex]:
        check_rights(access, {Right.CREATE})
        for root, index in self._indexes_of(access.roots):
            if self.shared is not None and not self.locks.is_own(upload_id):
                index.reload(upload_id)
            upload = index.records.get(upload_id)
            if upload is not None and upload.owner == access.who and not self._is_expired(upload):
                return root, index
        raise NotHere(f"There is no upload {upload_id[:64]!r}.")

    @contextmanager
    def _session(
        self,
        access: FileAccess,
        upload_id: str,
        interrupt: Callable[[], None] = no_interrupt,
        sending: bool = False,
        at_once: bool = False,
    ) -> Iterator[UploadSession]:
        root, index = self._find(access, upload_id)
        with (
            self.locks.acquire(upload_id, access.who, interrupt, sending, at_once) as turn,
            self._open_session(root, index, upload_id, turn) as session,
        ):
            yield session

    @contextmanager
    def _open_session(
        self, root: Root, index: UploadIndex, upload_id: str, turn: UploadLock
    ) -> Iterator[UploadSession]:
        is_shared = self.shared is not None
        if is_shared:
            index.reload(upload_id)
        with staging_area.open_upload(root, upload_id) as here:
            session = UploadSession(root, index, here, turn, index.get(upload_id), is_shared)
            session.recover()
            yield session

    def _complete_part(self, access: FileAccess, upload_id: str) -> tuple[Upload, int]:
        """A partial upload that is whole. Raises :class:`WrongRequest` for others."""
        status = self.status(access, upload_id)
        if status.upload.order.part is not UploadKind.PARTIAL:
            raise WrongRequest(f"The upload {upload_id} is no part of another.")
        if not status.is_complete:
            raise WrongRequest(f"The part {upload_id} is not whole yet.")
        return status.upload, status.offset

    def _copy_parts(
        self, session: UploadSession, pieces: Sequence[tuple[Upload, int]], access: FileAccess
    ) -> None:
        at = 0
        with session.open_data() as data:
            for part, size in pieces:
                root, _ = self._find(access, part.id)
                with (
                    staging_area.open_upload(root, part.id) as there,
                    open(staging_area.open_data(there), "rb", buffering=0) as source,
                ):
                    cross_device_copy.append_from(
                        source.fileno(), size, data, at, session.lock.touch
                    )
                at += size
        session.sync()

    def _sweep_one(self, root: Root, index: UploadIndex, upload: Upload, turn: UploadLock) -> None:
        if self._is_expired(upload):
            index.delete(upload.id)
            self._completion.forget(upload.id)
        elif not upload.is_ended:
            # An error stays with the upload, and is told to who asks for it.
            with (
                suppress(FileError, OSError),
                self._open_session(root, index, upload.id, turn) as session,
            ):
                session.sync()
                upload = self._completion.finish(session).upload
            if upload.order.part is UploadKind.FINAL and not upload.is_ended:
                index.delete(upload.id)  # whoever put it together asks again

    def _is_expired(self, upload: Upload) -> bool:
        return self.clock() > self.expires_at(upload)


def _writable(roots: Sequence[Root]) -> Iterator[Root]:
    yield from (root for root in roots if root.writable)
