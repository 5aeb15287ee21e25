"""Path checks: turns a request's path into an open file; the only code that opens paths of users.

A path is cut into names, each name is judged, and the rest is the kernel's: ``openat2`` with
``RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS`` from the root's own descriptor,
so that no link, at the end or on the way, swapped in at any moment, leads out. Where a kernel or
a sandbox refuses ``openat2``, the names are walked one by one with ``O_NOFOLLOW``. Verbs get file
descriptors, or the parent's descriptor and a name; never a path to open again.

Source: openat2(2); reference checklist on paths (1-20).
"""

import errno
import operator
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path
from typing import BinaryIO, Literal

from filebrowser.access.hidden_names import (
    is_ancestor,
    is_within,
    matches_exactly,
    matches_prefix,
    split_pattern,
)
from filebrowser.access.kernel_open import DIRECTORY_FLAGS, open_by_kernel, open_by_walking
from filebrowser.errors import BadPath, FileError, NotAFile, NotAllowed, NotHere
from filebrowser.names import check_name, decode_shown_name, encode_name

MAX_PATH_BYTES = 4096  # bytes
MAX_DEPTH = 64  # names
UNICODE_FORMS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")

UMASK_VARIABLE = "EASEL_UMASK"
"""Environment variable: the umask, in octal, that the service was started with."""

_NO_OPENAT2_ERRNOS = frozenset({errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP})
_FORBIDDEN_ERRNOS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_MODES_ERRNOS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})
_LINK_ERRNOS = frozenset({errno.EXDEV, errno.ELOOP, errno.ENOTDIR, errno.EAGAIN})


PlaceKey = tuple[Path, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Root:
    """A tree that callers may walk, under the name that begins their paths.

    ``hidden``, ``sealed`` and ``fixed`` are paths below it, "name" or "name/name", whose names may
    hold wildcards (``*``, ``?``, ``[]``); the first two mean all that lies below them too.
    """

    name: str
    path: Path
    writable: bool = True
    hidden: frozenset[str] = frozenset()  # does not exist for anybody
    sealed: frozenset[str] = frozenset()  # is read-only: code folders
    fixed: frozenset[str] = frozenset()  # stays where it is, and may be emptied: the service's own


@dataclass(frozen=True, slots=True)
class Place:
    """A checked path: a root and the names below it."""

    root: Root
    names: tuple[str, ...]

    @property
    def key(self) -> PlaceKey:
        """What tells it from other places, whatever its root allows."""
        return self.root.path, self.names

    @property
    def writable(self) -> bool:
        """Whether this may be changed, moved and removed.

        A root never may, nor a folder on the way to something hidden, sealed or fixed, which would
        go along; new things may lie in either.
        """
        fixed = self.root.fixed
        return self.is_creatable and not (
            is_ancestor(self.names, fixed)
            or any(matches_exactly(self.names, each) for each in fixed)
        )

    @property
    def is_creatable(self) -> bool:
        """Whether a folder may be made here, or something new lie in one that is here."""
        root = self.root
        return (
            bool(self.names)
            and root.writable
            and not is_within(self.names, root.sealed)
            and not is_ancestor(self.names, root.hidden | root.sealed)
        )

    @property
    def text(self) -> str:
        """The path as callers write it."""
        return "/".join((self.root.name, *map(encode_name, self.names)))


def parse_path(path: str, roots: Sequence[Root]) -> Place:
    """Parse ``path``, "root/name/name", into a place among ``roots``; the disk is not read.

    Odd names that others left on the disk are asked for as they are listed: written out. Raises
    :class:`BadPath` for what is no path and :class:`NotHere` for an unknown root or a hidden name.
    Nothing is looked up on the disk.
    """
    first, *names = map(decode_shown_name, _split_names(path)) if path.strip("/") else ("",)
    root = next((root for root in roots if root.name == first), None)
    if root is None or is_within(names, root.hidden):
        raise NotHere(f"There is nothing at {path!r}.")
    return Place(root, tuple(names))


def find_place(path: str, roots: Sequence[Root]) -> Place:
    """As :func:`parse_path`, with the names on the disk where Unicode has two forms (NFC, NFD).

    "ü" is one character or two (NFC, NFD), by the system that a name came from, and the same to
    people. A name that is there just as it was asked for comes first; one that is there in neither
    form stays as it was asked for. What is found is judged again, by the names it has.
    """
    place = parse_path(path, roots)
    if all(map(str.isascii, place.names)):
        return place
    names: tuple[str, ...] = ()
    for name in place.names:
        forms = dict.fromkeys(
            (name, *(unicodedata.normalize(form, name) for form in UNICODE_FORMS))
        )
        existing_forms = (
            form for form in forms if len(forms) > 1 and _exists(place.root, (*names, form))
        )
        names = (*names, next(existing_forms, name))
    return place if names == place.names else parse_path(Place(place.root, names).text, roots)


def _exists(root: Root, names: tuple[str, ...]) -> bool:
    """Whether something has this name, be it what the gate would not open."""
    try:
        with _open_root(root) as top:
            os.close(_open_beneath(top, names, os.O_PATH, 0, Place(root, names)))
    except NotHere:
        return False
    except (FileError, OSError):
        return True
    return True


def hidden_name_matcher(place: Place) -> Callable[[str], object]:
    """A predicate on names in the folder at ``place``: truthy for hidden ones."""
    depth = len(place.names)
    last = [
        translate(parts[depth])
        for parts in map(split_pattern, place.root.hidden)
        if len(parts) == depth + 1 and matches_prefix(place.names, parts)
    ]
    if not last:
        return operator.not_  # no name is empty; asked of 100,000 names
    return re.compile("|".join(last), re.IGNORECASE).match


def split_path(path: str) -> tuple[str, ...]:
    """The names of a path between slashes, all of which may be given to new files.

    Leading, doubled and trailing slashes count for none. Raises :class:`BadPath`.
    """
    names = _split_names(path)
    for name in names:
        check_name(name)
    return names


def _split_names(path: str) -> tuple[str, ...]:
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        raise BadPath(f"A path of more than {MAX_PATH_BYTES} bytes.")
    names = tuple(name for name in path.split("/") if name)
    if len(names) > MAX_DEPTH:
        raise BadPath(f"A path of {len(names)} names; at most {MAX_DEPTH}.")
    return names


def open_place(
    place: Place, flags: int = os.O_RDONLY, mode: int = 0o600, *, any_name: bool = False
) -> int:
    """A descriptor of the file or directory at ``place``; the caller closes it.

    A file that is made has a name that may be given, unless ``any_name``: a copy. Only ordinary
    files and directories are opened, without waiting for a pipe's other end. Raises
    :class:`NotHere`, :class:`NotAllowed` (writing where nothing may be), :class:`NotAFile` (also
    for links, wherever they lead), ``BadPath`` and ``OSError`` of the disk.
    """
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) and not place.writable:
        raise NotAllowed(f"{place.text!r} cannot be changed.")
    if flags & os.O_CREAT and not any_name:
        check_name(place.names[-1])
    with _open_root(place.root) as root:
        fd = _open_beneath(root, place.names, flags | os.O_NONBLOCK, mode, place)
    if not _is_ordinary(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotAFile(f"{place.text!r} is no ordinary file.")
    os.set_blocking(fd, True)
    if flags & os.O_EXCL:
        set_mode(fd, mode)
    return fd


def stat_place(place: Place) -> os.stat_result:
    """What stat(2) says of an ordinary file or folder. Raises as :func:`open_place`."""
    fd = open_place(place)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


@contextmanager
def open_file(place: Place, buffering: int = -1) -> Iterator[BinaryIO]:
    """Open an ordinary file to be read. Raises :class:`NotAFile` for a folder, and as above."""
    fd = open_place(place)
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise NotAFile(f"/{place.text} is a folder.")
        with open(fd, "rb", buffering, closefd=False) as file:
            yield file
    finally:
        os.close(fd)


@contextmanager
def open_parent(place: Place) -> Iterator[tuple[int, str]]:
    """The open directory that holds ``place``, and its last name, for verbs that take ``dir_fd``.

    Raises as :func:`open_place`, and :class:`NotAllowed` for places that may not be changed.
    """
    if not place.writable:
        raise NotAllowed(f"{place.text!r} cannot be changed{why_fixed(place)}.")
    with open_parent_to_read(place) as parent_and_name:
        yield parent_and_name


def why_fixed(place: Place) -> str:
    """Text that a refusal adds where the place is one of the service's own folders, else ""."""
    return ": the service needs it; it can be emptied" if place.is_creatable else ""


@contextmanager
def open_parent_to_read(place: Place) -> Iterator[tuple[int, str]]:
    """As :func:`open_parent`, for reading: nothing may be changed through it. Not for a root.

    What the system itself forbids inside is :class:`NotAllowed` too.
    """
    if not place.names:
        raise NotAllowed(f"{place.text!r} is a whole tree.")
    with _open_root(place.root) as root:
        parent = _open_beneath(root, place.names[:-1], os.O_RDONLY | os.O_DIRECTORY, 0, place)
    try:
        yield parent, place.names[-1]
    except OSError as error:
        if error.errno not in _FORBIDDEN_ERRNOS:
            raise
        raise NotAllowed(f"The system does not let {place.text!r} be changed.") from None
    finally:
        os.close(parent)


def set_mode(fd: int, mode: int) -> None:
    """Give a new file or folder of a tree its mode, less the umask the service was started with.

    The processes themselves run with umask 077, for what is the service's own.
    """
    try:
        os.fchmod(fd, mode & ~int(os.environ.get(UMASK_VARIABLE, "022"), 8))
    except OSError as error:  # a file system without modes
        if error.errno not in _NO_MODES_ERRNOS:
            raise


def make_folder_in(holder: int, name: str, mode: int, *, any_name: bool = False) -> None:
    """A new folder in an open one. Raises ``FileExistsError``, and ``BadPath`` by its name."""
    if not any_name:
        check_name(name)
    os.mkdir(name, 0o700, dir_fd=holder)
    fd = os.open(name, DIRECTORY_FLAGS, dir_fd=holder)
    try:
        set_mode(fd, mode)
    finally:
        os.close(fd)


@contextmanager
def open_own_folder(root: Root, name: str) -> Iterator[int]:
    """Open the service's own folder ``name`` at the top of ``root``; made, 0700, if missing.

    No path of a caller leads there: ``name`` is one of the root's ``hidden`` names. Raises
    :class:`NotAllowed` on a root that may not be changed, :class:`NotAFile` for a link.
    """
    if name not in root.hidden or not root.writable:
        raise NotAllowed(f"{root.name!r} cannot keep a folder {name!r}.")
    with _open_root(root) as top:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=top)
        folder = _open_beneath(top, (name,), os.O_RDONLY | os.O_DIRECTORY, 0, Place(root, (name,)))
    try:
        if os.fstat(folder).st_mode & 0o077:  # of an earlier version
            set_mode(folder, 0o700)
        yield folder
    finally:
        os.close(folder)


def make_folders(place: Place, mode: int = 0o750) -> None:
    """Make the folder at ``place`` and those above it where they are missing.

    Raises :class:`NotAFile` where a file or a link is in the way, :class:`NotAllowed` where nothing
    may be changed.
    """
    for depth in range(1, len(place.names) + 1):
        step = Place(place.root, place.names[:depth])
        with open_parent_to_read(step) as (holder, name):
            if _name_exists(name, holder):
                continue
            if not step.is_creatable:
                raise NotAllowed(f"{step.text!r} cannot be made.")
            with suppress(FileExistsError):
                make_folder_in(holder, name, mode)
    os.close(open_place(place, os.O_RDONLY | os.O_DIRECTORY))


def _name_exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _open_root(root: Root) -> Iterator[int]:
    # The root's own path is the owner's, who may have put a link there.
    try:
        fd = os.open(root.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise NotHere(f"The folder of {root.name!r} cannot be opened.") from error
    try:
        yield fd
    finally:
        os.close(fd)


def _open_beneath(root: int, names: Sequence[str], flags: int, mode: int, place: Place) -> int:
    try:
        try:
            return open_by_kernel(root, names, flags, mode)
        except OSError as error:
            if error.errno not in _NO_OPENAT2_ERRNOS:
                raise
            return open_by_walking(root, names, flags, mode)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise NotHere(f"There is nothing at {place.text!r}.") from None
        if error.errno in _LINK_ERRNOS:
            raise NotAFile(f"{place.text!r} leads through a link or a file.") from None
        if error.errno in (errno.ENXIO, errno.ENODEV):
            raise NotAFile(f"{place.text!r} is no ordinary file.") from None
        if error.errno in _FORBIDDEN_ERRNOS:
            raise NotAllowed(f"The system does not let {place.text!r} be opened.") from None
        raise


def open_subfolder(holder: int, name: str) -> int:
    """A descriptor of the folder ``name`` in an open one; no link. Raises ``OSError``."""
    return os.open(name, DIRECTORY_FLAGS, dir_fd=holder)


def is_inside(folder: int, identity: tuple[int, int]) -> bool:
    """Whether the open ``folder`` is the folder of this (device, inode), or is below it."""
    here, last = os.dup(folder), (0, 0)
    try:
        while True:
            facts = os.fstat(here)
            now = (facts.st_dev, facts.st_ino)
            if now == identity:
                return True
            if now == last:  # the root of all is its own parent
                return False
            last = now
            above = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = above
    finally:
        os.close(here)


def _is_ordinary(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
