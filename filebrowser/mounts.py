"""Tells which paths lie on a file system that does not report its changes."""

import re
from collections.abc import Mapping
from pathlib import Path

MOUNTS = Path("/proc/mounts")

UNREPORTING = frozenset(
    {"nfs", "nfs3", "nfs4", "cifs", "smb", "smb3", "smbfs", "9p", "afs", "autofs", "beegfs"}
    | {"ceph", "drvfs", "fuse", "glusterfs", "gpfs", "lustre", "ossfs", "prl_fs", "vboxsf"}
    | {"virtiofs", "vmhgfs"}
)
"""Types of which another machine, or a daemon, may change files without inotify noticing."""


def reports_changes(path: Path, mounts: Mapping[Path, str]) -> bool:
    """Whether inotify can be relied on below ``path``, which need not exist."""
    kind = file_system(path, mounts)
    return kind not in UNREPORTING and not kind.startswith("fuse.")


def file_system(path: Path, mounts: Mapping[Path, str]) -> str:
    """The type of the file system that holds ``path``; "" where it is not known."""
    resolved = path.resolve()
    for place in (resolved, *resolved.parents):
        if place in mounts:
            return mounts[place]
    return ""


def mounted(table: Path = MOUNTS) -> Mapping[Path, str]:
    """Mount point -> type, later mounts over earlier ones; empty where there is no such table."""
    try:
        lines = table.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return {}
    fields = [line.split(" ") for line in lines]
    return {Path(_unescaped(each[1])): each[2] for each in fields if len(each) >= 3}


def _unescaped(text: str) -> str:
    # Blanks in a mount point are written as octal numbers: "\040".
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
