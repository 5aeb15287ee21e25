"""Who stands at the gate: a name, the trees that are open to it, and what it may do there."""

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
    """One caller at the gate. ``who`` owns uploads, shares and what lies in the trash."""

    who: str
    roots: tuple[Root, ...]
    rights: frozenset[Right] = EVERYTHING


def check_rights(visit: Visit, needed: Collection[Right]) -> None:
    """Raises :class:`NotAllowed` naming what is missing."""
    missing = ", ".join(sorted(set(needed) - visit.rights))
    if missing:
        raise NotAllowed(f"{visit.who!r} may not do this; it takes the right to {missing}.")


def reach(visit: Visit, path: str, *needed: Right) -> Place:
    """The place that ``path``, "/root/name/name", means for this visit.

    Raises :class:`NotAllowed` without the rights ``needed``, ``BadPath`` and ``NotHere`` as
    :func:`filebrowser.gate.locate`: a root of others is as absent as one that is not there.
    """
    check_rights(visit, needed)
    return find_place(path, visit.roots)
