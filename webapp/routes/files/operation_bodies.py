"""Bodies and answers of the operations that change the trees."""

from typing_extensions import TypedDict

from filebrowser.operations.move import Conflict
from webapp.routes.files.params import (
    OperationAnswer,
    Path,
    Paths,
    StrictBody,
)


class TrashedItem(TypedDict):
    """A file or folder that was deleted."""

    path: str
    kind: str


class Deletion(TypedDict):
    """What was deleted at once; ``deleted`` in seconds since 1970."""

    trash_id: str
    deleted: float
    items: list[TrashedItem]


class TrashAnswer(TypedDict):
    """The caller's own deletions."""

    thrown: list[Deletion]


class DeletionAnswer(OperationAnswer):
    """The results of a deletion, with the id that brings it back."""

    trash_id: str


LATER_DELETED = {"202": DeletionAnswer}


class FolderBody(StrictBody):
    """The body of ``folder``."""

    path: Path


class TransferBody(StrictBody):
    """The body of ``move`` and ``copy``."""

    paths: Paths
    to: Path
    conflict: Conflict | None = None


class RenameBody(StrictBody):
    """The body of ``rename``."""

    path: Path
    name: Path
    conflict: Conflict | None = None


class DeleteBody(StrictBody):
    """The body of ``delete``."""

    paths: Paths


class ExtractBody(StrictBody):
    """The body of ``extract``; ``to`` is the folder in which the new one is made."""

    path: Path
    to: Path | None = None
    conflict: Conflict | None = None


class RestoreBody(StrictBody):
    """The body of ``restore``."""

    trash_id: Path
    conflict: Conflict | None = None
