"""Renames within a file system, by what is to be done with a file already there."""

import os
import stat

from filebrowser.access.gate import (
    open_subfolder,
)
from filebrowser.errors import Taken
from filebrowser.operations.conflicts import Conflict
from filebrowser.operations.renames import (
    MAX_NUMBERED_NAMES,
    numbered_name,
    rename_noreplace,
)


def rename_by_conflict(
    source: int, name: str, target: int, new: str, conflict: Conflict | None
) -> str | None:
    """Rename ``name`` of one open folder to ``new`` in another, by the conflict policy.

    The name that it got; None where it was left as it is. Raises :class:`Taken` and ``OSError``.
    """
    if conflict is Conflict.OVERWRITE:
        _overwrite(source, name, target, new)
        return new
    try:
        rename_noreplace(source, name, target, new)
        return new
    except FileExistsError:
        if conflict is Conflict.SKIP:
            return None
        if conflict is None:
            raise Taken(f"{new!r} is there already.") from None
    return _rename_numbered(source, name, target, new)


def _rename_numbered(source: int, name: str, target: int, new: str) -> str:
    folder = stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode)
    for number in range(1, MAX_NUMBERED_NAMES):
        final = numbered_name(new, number, folder)
        try:
            rename_noreplace(source, name, target, final)
            return final
        except FileExistsError:
            continue
    raise Taken(f"{new!r} and {MAX_NUMBERED_NAMES} names like it are there already.")


def _overwrite(source: int, name: str, target: int, new: str) -> None:
    """A file takes a file's place in one step; a folder joins a folder."""
    try:
        rename_noreplace(source, name, target, new)
        return
    except FileExistsError:
        pass
    ours = os.stat(name, dir_fd=source, follow_symlinks=False)
    theirs = os.stat(new, dir_fd=target, follow_symlinks=False)
    if os.path.samestat(ours, theirs):
        raise Taken(f"{new!r} is the same file.")
    if stat.S_ISDIR(ours.st_mode) != stat.S_ISDIR(theirs.st_mode):
        raise Taken(f"{new!r} is a folder and a file; neither takes the other's place.")
    if stat.S_ISDIR(ours.st_mode):
        _merge_folder(source, name, target, new)
    else:
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)


def _merge_folder(source: int, name: str, target: int, new: str) -> None:
    ours = open_subfolder(source, name)
    try:
        theirs = open_subfolder(target, new)
        try:
            for each in sorted(os.listdir(ours)):
                _overwrite(ours, each, theirs, each)
        finally:
            os.close(theirs)
    finally:
        os.close(ours)
    os.rmdir(name, dir_fd=source)
