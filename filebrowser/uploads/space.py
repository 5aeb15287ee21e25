"""Disk and quota space (bytes), checked before an upload's first byte."""

import os
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from filebrowser.errors import NoRoom, TooBig
from filebrowser.own_folders import TRASH_FOLDER
from filebrowser.uploads.blocks import MIB
from filebrowser.uploads.errors import TooMany
from filebrowser.uploads.records import Upload

USAGE_MAX_AGE = 60.0  # seconds for which a sum of a tree's sizes is good enough


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What uploads may take. Sizes in bytes, times in seconds."""

    largest: int = 1 << 40  # one file
    quota: int | None = None  # all files below a root, with what is still coming
    spare: int = 256 * MIB  # left free on the disk
    keep: float = 48 * 3600.0  # an upload after its last byte, and what is known of one that ended
    begun: int = 500  # uploads of one owner that have not ended
    at_once: int = 16  # transfers of one owner
    at_once_in_all: int = 64


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """The bytes of the files below a root at one moment; staging does not count."""

    size: int
    at: float  # monotonic seconds


def measure_usage(root: int, ours: Collection[str]) -> TreeUsage:
    """Add up the files below the open folder ``root``.

    Folders at its top that fit the patterns ``ours`` are the service's own and count for nobody;
    what was thrown away (``.trash``) still takes room.
    """
    total, at = 0, time.monotonic()
    for place, folders, files, here in os.fwalk(".", dir_fd=root, follow_symlinks=False):
        if place == ".":
            folders[:] = [
                name for name in folders if name == TRASH_FOLDER or not _matches_any(name, ours)
            ]
        for name in files:
            try:
                total += os.stat(name, dir_fd=here, follow_symlinks=False).st_size
            except FileNotFoundError:
                continue  # it left while we looked
    return TreeUsage(total, at)


def _matches_any(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def check_size(length: int, limits: UploadLimits) -> None:
    """Raises :class:`TooBig` for a file that is larger than any may be."""
    if length > limits.largest:
        raise TooBig(f"{length:,} bytes; at most {limits.largest:,} are taken in one file.")


def check_count(owner: str, begun: Iterable[Upload], limits: UploadLimits) -> None:
    """Raises :class:`TooMany` where an owner has begun too many uploads."""
    count = sum(upload.owner == owner and not upload.is_ended for upload in begun)
    if count >= limits.begun:
        raise TooMany(f"{count} uploads of yours are unfinished. Finish or delete some of them.")


def check_disk(wanted: int, shelf: int, promised: int, limits: UploadLimits) -> None:
    """Raises :class:`NoRoom` unless the disk of ``shelf`` has room beside what is promised."""
    disk = os.fstatvfs(shelf)
    free = disk.f_bavail * disk.f_frsize - promised - limits.spare
    if wanted > free:
        raise NoRoom(
            f"{wanted:,} bytes do not fit: the disk has room for {max(0, free):,} more, unfinished "
            "uploads and the reserve counted. Delete something, or name another folder."
        )


def check_quota(wanted: int, used: int, promised: int, limits: UploadLimits) -> None:
    """Raises :class:`NoRoom` unless the quota has room beside what is there and promised."""
    if limits.quota is None:
        return
    left = limits.quota - used - promised
    if wanted > left:
        raise NoRoom(
            f"{wanted:,} bytes do not fit: of the quota of {limits.quota:,} bytes "
            f"{max(0, left):,} are left, unfinished uploads counted. Delete something."
        )
