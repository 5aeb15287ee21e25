"""Finds folders on file systems that do not report changes through inotify."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

MOUNTS = Path("/proc/mounts")

NO_INOTIFY_TYPES = frozenset(
    {"nfs", "nfs3", "nfs4", "cifs", "smb", "smb3", "smbfs", "9p", "afs", "autofs", "beegfs"}
    | {"ceph", "drvfs", "fuse", "glusterfs", "gpfs", "lustre", "ossfs", "prl_fs", "vboxsf"}
    | {"virtiofs", "vmhgfs"}
)
"""Types of which another machine, or a daemon, may change files without inotify noticing."""


def supports_inotify(path: Path, mounts: Mapping[Path, str]) -> bool:
    """Whether inotify can be relied on below ``path``, which need not exist."""
    kind = file_system_type(path, mounts)
    return kind not in NO_INOTIFY_TYPES and not kind.startswith("fuse.")


def folders_without_inotify(
    root: Path, mounts: Mapping[Path, str], follow_links: bool = True
) -> tuple[Path, ...]:
    """The folders below ``root`` from which on inotify cannot be relied on, as seen from there.

    A mount may lie anywhere in a local tree, and a symbolic link may lead to one, if ``links`` are
    followed.
    """
    folders: list[Path] = []
    real = {str(root): Path(os.path.realpath(root))}
    for place, names, _ in os.walk(root, followlinks=follow_links):
        for name in tuple(names):
            path, here = Path(place, name), real[place] / name
            link = path.is_symlink()
            if link and not follow_links:
                continue
            real[str(path)] = Path(os.path.realpath(path)) if link else here
            known = link and real[str(path)] in tuple(real.values())[:-1]
            needs_polling = (link or here in mounts) and not supports_inotify(path, mounts)
            if needs_polling:
                folders.append(path)
            if needs_polling or known:
                names.remove(name)  # it is polled, or it is a loop
    return tuple(folders)


def file_system_type(path: Path, mounts: Mapping[Path, str]) -> str:
    """The type of the file system that holds ``path``; "" where it is not known."""
    resolved = Path(os.path.realpath(path))
    for place in (resolved, *resolved.parents):
        if place in mounts:
            return mounts[place]
    return ""


def read_mounts(table: Path = MOUNTS) -> Mapping[Path, str]:
    """Mount point -> type, later mounts over earlier ones; empty where there is no such table."""
    try:
        lines = table.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return {}
    fields = [line.split(" ") for line in lines]
    return {Path(_unescape(each[1])): each[2] for each in fields if len(each) >= 3}


def _unescape(text: str) -> str:
    # Blanks in a mount point are written as octal numbers: "\040".
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
