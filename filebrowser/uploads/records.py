"""Record of an upload, stored beside its data."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import TypeAdapter

from filebrowser.operations.conflicts import Conflict


class UploadKind(StrEnum):
    """Whether an upload becomes a file."""

    WHOLE = "whole"  # one upload, one file
    PARTIAL = "partial"  # a piece for a later FINAL; never a file of its own
    FINAL = "final"  # pieces put together


class UploadState(StrEnum):
    """How far an upload is."""

    OPEN = "open"  # bytes are awaited, or all are here and the file is about to appear
    PUBLISHING = "publishing"  # the file ``inode`` is being moved to ``path`` at this moment
    DONE = "done"  # the file is at ``path``
    SKIPPED = "skipped"  # a file was there already and stays
    REFUSED = "refused"  # the content may not lie there; ``fault`` says why


ENDED_STATES = frozenset({UploadState.DONE, UploadState.SKIPPED, UploadState.REFUSED})


@dataclass(frozen=True, slots=True)
class UploadSpec:
    """What a caller wants to upload.

    ``path`` is "/root/folder/name"; "" for a partial upload. ``length`` in bytes, None while it is
    not known. ``sha256`` is of the whole file, in hex. ``note`` and
    ``made_of`` are given back as they came. ``modified`` is the time that the file is to have, in
    nanoseconds since 1970; None for that of its last byte.
    """

    path: str
    length: int | None
    conflict: Conflict | None = None
    sha256: str = ""
    note: str = ""
    part: UploadKind = UploadKind.WHOLE
    made_of: str = ""  # how a client named the parts of a FINAL one
    modified: int | None = None
    parts: tuple[str, ...] = ()  # ids of the uploads that a FINAL one is put together of


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload as it is written to ``info.json``. Bytes and seconds since 1970."""

    id: str
    owner: str
    order: UploadSpec
    created: float
    touched: float  # when bytes came last
    state: UploadState = UploadState.OPEN
    durable: int = 0  # so many bytes are on the disk, whatever happens
    boot: str = ""  # the machine's boot in which ``durable`` was last raised
    trusted: int | None = None  # what lies beyond was not compared with its checksum yet
    reserved: bool = False  # its blocks are set aside on the disk
    path: str = ""  # where the file is, or is about to be
    inode: int = 0
    fault: str = ""

    @property
    def length(self) -> int | None:
        """Bytes of the whole file; None while nobody told."""
        return self.order.length

    @property
    def is_ended(self) -> bool:
        """Whether no bytes are taken any more."""
        return self.state in ENDED_STATES


RECORD_ADAPTER = TypeAdapter(Upload)
