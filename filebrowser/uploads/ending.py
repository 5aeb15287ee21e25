"""Completion of an upload once all bytes are here, and its running SHA-256."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from filebrowser.errors import WrongContent
from filebrowser.gate import find_place, locate
from filebrowser.happenings import Happening, What
from filebrowser.uploads import finishing, staging
from filebrowser.uploads.errors import Over, WrongChecksum
from filebrowser.uploads.finishing import Desk
from filebrowser.uploads.holding import Held, full
from filebrowser.uploads.records import Conflict, Part, State, Upload
from filebrowser.uploads.rules import Rules
from filebrowser.uploads.writing import Digest


@dataclass(frozen=True, slots=True)
class Standing:
    """An upload, and the number of bytes received."""

    upload: Upload
    offset: int

    @property
    def whole(self) -> bool:
        """Whether all bytes are here."""
        return self.offset == self.upload.length


@dataclass(slots=True, eq=False)
class Ending:
    """Checks and publishes by ``rules``, and tells ``published`` of each new file."""

    rules: Rules
    published: Callable[[Happening], object]
    _sums: dict[str, tuple[Digest, int]] = field(default_factory=dict)

    def finish(self, held: Held) -> Standing:
        """The standing; a whole file is checked and published first."""
        upload = held.upload
        if upload.state is State.REFUSED:
            raise Over(upload.fault)
        at = held.offset
        waits = at != upload.length or upload.order.part is Part.PARTIAL
        if upload.ended or (upload.state is State.OPEN and waits):
            return Standing(upload, at)
        place = find_place(upload.order.path, (held.root,))
        desk = Desk(held.here, place, held.keep, held.turn.touch)
        if upload.state is State.OPEN:
            self._check(held, desk)
        try:
            ended = finishing.publish(desk, upload)
        except OSError as error:
            raise full(error, "The file waits to appear.") from error
        self._sums.pop(upload.id, None)
        if ended.state is State.DONE:
            held.book.grew(at)
            what = What.CHANGED if upload.order.conflict is Conflict.OVERWRITE else What.CREATED
            self.published(Happening(what, locate(ended.path, (held.root,))))
        return Standing(ended, at)

    def _check(self, held: Held, desk: Desk) -> None:
        """Raises where the bytes are not those announced, or may not lie there."""
        digest, seen = self._sums.get(held.upload.id, (None, 0))
        try:
            finishing.check_sum(desk, held.upload, digest if seen == held.offset else None)
        except WrongChecksum:
            held.cut(0)
            self._sums.pop(held.upload.id, None)
            raise
        with open(staging.open_data(held.here), "rb") as data:
            try:
                self.rules.check_content(desk.place, data.fileno())
            except WrongContent as error:
                finishing.refused(desk, held.upload, error)
                raise

    def running_sum(self, upload: Upload, offset: int) -> Digest | None:
        """The SHA-256 of the first ``offset`` bytes, where all of them came in this life."""
        if not upload.order.sha256:
            return None
        digest, seen = self._sums.get(upload.id, (None, 0))
        if offset == 0:
            return hashlib.sha256()
        return digest.copy() if digest is not None and seen == offset else None

    def keep_sum(self, held: Held, digest: Digest | None, before: int) -> None:
        """Remember the sum after a piece that began at ``before``, unless it was thrown away."""
        if digest is not None and held.offset > before:
            self._sums[held.upload.id] = (digest, held.offset)

    def forget(self, upload_id: str) -> None:
        """Drop what is remembered of an upload."""
        self._sums.pop(upload_id, None)
