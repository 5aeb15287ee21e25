"""Renames that never replace an existing name unless told to (``renameat2``, with fallbacks).

``renameat2`` where the file system knows it; else the nearest that a file system without it can do
(NFS, buckets and other FUSE). All by descriptors of open folders.
"""

import ctypes
import errno
import os
import re
import stat

from filebrowser.access.gate import is_inside

NOREPLACE, EXCHANGE = 1, 2
MAX_SUFFIX_LENGTH = 12  # letters after the last dot
INNER_SUFFIXES = ("vae", "preview", "civitai", "metadata", "cm-info", "index", "safetensors", "tar")
PRECISION = ("fp16", "bf16", "fp32", "fp8")
SUFFIX = re.compile(
    rf"(\.({'|'.join(INNER_SUFFIXES + PRECISION)}))+\.[^. ]{{1,{MAX_SUFFIX_LENGTH}}}$",
    re.IGNORECASE,
)
"""Suffixes of several parts: of models and what lies beside them, and of archives."""

MAX_NUMBERED_NAMES = 10_000  # numbers tried for a name that is taken
NO_RENAME_ERRNOS = frozenset({errno.EXDEV, errno.EPERM, errno.ENOSYS, errno.ENOTSUP})
"""What a file system says that cannot give a file another name at all, as some buckets do."""

_NO_RENAMEAT2_ERRNOS = frozenset({errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.ENOTSUP})
_NO_LINK_ERRNOS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV, errno.EMLINK})


def rename_noreplace(source: int, name: str, target: int, new: str) -> None:
    """Move ``name`` of one open folder to ``new`` in another.

    Raises ``FileExistsError`` where something is there, whatever it is; else ``OSError``.
    """
    try:
        _renameat2(source, name, target, new, NOREPLACE)
    except FileExistsError:
        if not is_same_entry(source, name, target, new):
            raise
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno not in _NO_RENAMEAT2_ERRNOS or _is_inside_source(source, name, target):
            raise
        _rename_noreplace_fallback(source, name, target, new)


def is_same_entry(source: int, name: str, target: int, new: str) -> bool:
    """Whether two names are one entry of a folder, whose file system knows no case or no forms.

    Two entries of one inode are two: each has its own name in the folder.
    """
    if name == new or _inode_key(os.fstat(source)) != _inode_key(os.fstat(target)):
        return False
    try:
        ours = os.stat(name, dir_fd=source, follow_symlinks=False)
        theirs = os.stat(new, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return _inode_key(ours) == _inode_key(theirs) and new not in os.listdir(target)


def _inode_key(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def exchange_names(source: int, name: str, target: int, new: str) -> None:
    """Let two names trade what they stand for, in one step. Raises ``OSError``."""
    _renameat2(source, name, target, new, EXCHANGE)


def _renameat2(source: int, name: str, target: int, new: str, flags: int) -> None:
    call = ctypes.CDLL(None, use_errno=True).renameat2
    if call(source, os.fsencode(name), target, os.fsencode(new), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), new)


def _rename_noreplace_fallback(source: int, name: str, target: int, new: str) -> None:
    """Files get a second name and lose the first; folders take the place of an empty one."""
    if stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
        os.mkdir(new, 0o700, dir_fd=target)
    else:
        try:
            os.link(name, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINK_ERRNOS:
                raise
            handle = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=target)
            os.close(handle)
        else:
            os.unlink(name, dir_fd=source)
            return
    try:
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
    except OSError:
        _remove_placeholder(new, target)
        raise


def _remove_placeholder(name: str, folder: int) -> None:
    """Remove the empty file or folder that kept a name free."""
    if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        os.rmdir(name, dir_fd=folder)
    else:
        os.unlink(name, dir_fd=folder)


def _is_inside_source(source: int, name: str, target: int) -> bool:
    """Whether the folder ``target`` is ``name`` itself or lies below it: EINVAL says that too."""
    moved = os.stat(name, dir_fd=source, follow_symlinks=False)
    return is_inside(target, (moved.st_dev, moved.st_ino))


def numbered_name(name: str, number: int, folder: bool = False) -> str:
    """``name`` told apart by a number: "a (1).png", "a (1).vae.safetensors".

    Files that belong together are known by one stem: ``a.safetensors`` and ``a.preview.png`` still
    do as ``a (1)``. A folder's dots are no suffix.
    """
    stem, suffix = (name, "") if folder else split_suffix(name)
    tail = f" ({number}){suffix}"
    room = 255 - len(os.fsencode(tail))
    return os.fsencode(stem)[:room].decode(errors="ignore").rstrip(". ") + tail


def split_suffix(name: str) -> tuple[str, str]:
    """A file's stem, and its suffix with all that is known to belong to it; "" where none is."""
    match = SUFFIX.search(name)
    if match is not None and match.start() > 0:
        return name[: match.start()], match[0]
    stem, dot, last = name.rpartition(".")
    if not stem or len(last) > MAX_SUFFIX_LENGTH:
        return name, ""
    return stem, dot + last
