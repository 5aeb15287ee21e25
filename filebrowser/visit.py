"""Access of one caller: its name, the roots that are open to it, and its rights."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from filebrowser.errors import NotAllowed
from filebrowser.gate import Place, Root, find_place


class Right(StrEnum):
    """What may be done with files. None of them contains another."""

    VIEW = "view"  # names, sizes, previews, facts of files
    CREATE = "create"  # new files and folders: uploads, copies, extraction
    MODIFY = "modify"  # other content or another name for what is there
    DELETE = "delete"
    SHARE = "share"  # links for people without a credential
    DOWNLOAD = "download"  # the bytes of files, archives


EVERYTHING = frozenset(Right)
READING = frozenset({Right.VIEW, Right.DOWNLOAD})


@dataclass(frozen=True, slots=True)
class Visit:
    """One caller's access. ``who`` is the owner name of uploads, shares and trash entries."""

    who: str
    roots: tuple[Root, ...]
    rights: frozenset[Right] = EVERYTHING


def check_rights(visit: Visit, needed: Collection[Right]) -> None:
    """Raises :class:`NotAllowed` naming what is missing."""
    missing = ", ".join(sorted(set(needed) - visit.rights))
    if missing:
        raise NotAllowed(f"{visit.who!r} may not do this; it takes the right to {missing}.")


def reach(visit: Visit, path: str, *needed: Right) -> Place:
    """The place that ``path``, "/root/name/name", means for this access.

    Raises :class:`NotAllowed` without the rights ``needed``, ``BadPath`` and ``NotHere`` as
    :func:`filebrowser.gate.locate`: a root of others is as absent as one that is not there.
    """
    check_rights(visit, needed)
    return find_place(path, visit.roots)
