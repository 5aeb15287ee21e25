"""The folder ``.easel``: the service's own state, for its user alone. No Flask, no torch."""

import logging
import os
import stat
from pathlib import Path

from generator.atomic_file import UMASK_VARIABLE, put_aside
from webapp.settings.config import UnknownFlag

PRIVATE_UMASK = 0o077
FOLDERS = frozenset({"bells", "converted", "drawn", "installing", "plugins", "saved", "thumbnails"})
"""What in ``.easel`` has to be a folder."""

FILES = frozenset({"ballast", "ended_logins", "token", "session.key"})
FILE_ENDINGS = (".db", ".db-wal", ".db-shm", ".db-journal", ".json", ".lock")
"""What in it has to be a file, by name or ending."""

THUMBNAILS = "thumbnails"
"""Holds so many files that they are looked at only where somebody else could come to them."""

log = logging.getLogger("easel")


def set_private_umask() -> None:
    """Let nobody else read what this process, and those that it starts, will make.

    The user's own umask is kept in the environment: it holds for what people look through (models,
    pictures). Raises :class:`UnknownFlag` where that variable holds no umask.
    """
    before = os.umask(PRIVATE_UMASK)
    umask_text = os.environ.setdefault(UMASK_VARIABLE, f"{before:03o}")
    try:
        int(umask_text, 8)
    except ValueError:
        raise UnknownFlag(
            f"{UMASK_VARIABLE} takes an octal umask such as 022, not {umask_text!r}."
        ) from None


def prepare_state_folder(folder: Path) -> None:
    """Make ``.easel`` with mode 0700, tighten old modes and move misplaced entries aside.

    A folder where a file belongs, or the other way round, is put aside. Raises ``OSError`` where
    the folder cannot be made.
    """
    if not folder.is_dir() and os.path.lexists(folder):
        _set_aside(folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    was_open = _make_private(folder)
    with os.scandir(folder) as entries:
        found_entries = list(entries)
    for entry in found_entries:
        if entry.is_dir(follow_symlinks=False):
            _make_tree_private(Path(entry.path), all_of_it=was_open)
        else:
            _make_private(Path(entry.path))
        if _is_misplaced(entry):
            _set_aside(Path(entry.path))


def _is_misplaced(entry: "os.DirEntry[str]") -> bool:
    if entry.name in FOLDERS:
        return not entry.is_dir()
    named = entry.name in FILES or entry.name.endswith(FILE_ENDINGS)
    return named and entry.is_dir()


def _set_aside(path: Path) -> None:
    try:
        aside = put_aside(path)
    except OSError as error:
        log.error("%s is in the way and cannot be put aside: %s", path, error.strerror)
    else:
        log.error("%s was in the way of Easel's own state and is kept as %s", path, aside.name)


def _make_tree_private(folder: Path, *, all_of_it: bool) -> None:
    """Take from others what a folder and all below it gives them."""
    if not _make_private(folder) and folder.name == THUMBNAILS and not all_of_it:
        return
    for here, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _make_private(Path(here, name))


def _make_private(path: Path) -> bool:
    """Take from a file or folder what it gives to others; whether it gave anything."""
    try:
        mode = path.lstat().st_mode
        open_bits = 0 if stat.S_ISLNK(mode) else stat.S_IMODE(mode) & PRIVATE_UMASK
        if open_bits:
            path.chmod(stat.S_IMODE(mode) & ~PRIVATE_UMASK)
    except FileNotFoundError:  # of a process that ends
        return False
    except OSError as error:
        log.warning("%s can be read by others: %s", path, error.strerror)
        return True
    return bool(open_bits)
