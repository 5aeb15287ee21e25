"""Access of one caller: its name, the roots that are open to it, and its rights."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from filebrowser.access.gate import Place, Root, find_place
from filebrowser.access.hidden_names import is_ancestor, is_within
from filebrowser.errors import NotAllowed


class Right(StrEnum):
    """What may be done with files. None of them contains another."""

    VIEW = "view"  # names, sizes, previews, facts of files
    CREATE = "create"  # new files and folders: uploads, copies, extraction
    MODIFY = "modify"  # other content or another name for what is there
    DELETE = "delete"
    SHARE = "share"  # links for people without a credential
    DOWNLOAD = "download"  # the bytes of files, archives


ALL_RIGHTS = frozenset(Right)
READ_RIGHTS = frozenset({Right.VIEW, Right.DOWNLOAD})


@dataclass(frozen=True, slots=True)
class FileAccess:
    """One caller's access. ``who`` is the owner name of uploads, shares and trash entries.

    ``view_only`` are paths, "root/name", with wildcards as a root's hidden ones: at and below them
    the rights to download and to share are missing.
    """

    who: str
    roots: tuple[Root, ...]
    rights: frozenset[Right] = ALL_RIGHTS
    view_only: frozenset[str] = frozenset()


def check_rights(access: FileAccess, needed: Collection[Right]) -> None:
    """Raises :class:`NotAllowed` naming what is missing."""
    missing = ", ".join(sorted(set(needed) - access.rights))
    if missing:
        raise NotAllowed(f"{access.who!r} may not do this; it takes the right to {missing}.")


def is_view_only(access: FileAccess, place: Place) -> bool:
    """Whether what is at ``place``, or something below it, is there to be looked at alone."""
    names = (place.root.name, *place.names)
    return is_within(names, access.view_only) or is_ancestor(names, access.view_only)


def may_download(access: FileAccess, place: Place) -> bool:
    """Whether the bytes at ``place``, and below it, are the caller's to have."""
    return Right.DOWNLOAD in access.rights and not is_view_only(access, place)


def check_copyable(access: FileAccess, place: Place) -> None:
    """Raises :class:`NotAllowed` for what is there to be looked at alone, wherever it would go."""
    if is_view_only(access, place):
        raise NotAllowed(f"{place.text!r} is here to be looked at: it takes the right to download.")


def check_place(access: FileAccess, place: Place, needed: Collection[Right]) -> None:
    """Raises :class:`NotAllowed` where a right is missing, here or everywhere."""
    check_rights(access, needed)
    if {Right.DOWNLOAD, Right.SHARE} & set(needed):
        check_copyable(access, place)


def resolve_path(access: FileAccess, path: str, *needed: Right) -> Place:
    """The place that ``path``, "/root/name/name", means for this access.

    Raises :class:`NotAllowed` without the rights ``needed``, ``BadPath`` and ``NotHere`` as
    :func:`filebrowser.access.gate.parse_path`: a root of others is as absent as one that is not
    there.
    """
    check_rights(access, needed)
    place = find_place(path, access.roots)
    check_place(access, place, needed)
    return place
