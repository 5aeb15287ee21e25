"""Brings a plugin from an archive into the folder of extensions. Nothing of it runs here.

An archive is foreign: its names must stay below the plugin's folder, it holds plain files alone,
and what it unpacks to is bounded whatever its header claims.
"""

import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import uuid4

from plugins.errors import BadPackage
from plugins.finding import EXTENSIONS
from plugins.manifest import FILE, Manifest, parse

LARGEST_ARCHIVE = 64 << 20  # bytes
LARGEST_WHOLE = 256 << 20  # bytes, unpacked
MOST_FILES = 4000
LONGEST_NAME = 200  # characters of a path below the plugin's folder
PIECE = 1 << 20
ENDINGS = (".zip", ".whl")
RESERVED = frozenset('<>:"|?*')


def install(archive: BinaryIO, data_dir: Path, *, replace: bool = False) -> Manifest:
    """Unpack a zip or a wheel into ``extensions/<name>``; the plugin's manifest.

    Raises :class:`BadPackage` and :class:`BadManifest` saying what is wrong; nothing is left then.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            root, entries = contents(packed)
            manifest = parse(packed.read(f"{root}{FILE}"))
            return _place(packed, root, entries, manifest, data_dir, replace=replace)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadPackage(f"The archive cannot be read: {error}.") from error


def remove(folder: Path, data_dir: Path) -> None:
    """Delete the folder of a plugin; it is out of the way at once, even if that takes long."""
    aside = _workshop(data_dir) / f"removed-{uuid4().hex}"
    os.rename(folder, aside)
    shutil.rmtree(aside)


def contents(packed: zipfile.ZipFile) -> tuple[str, list[zipfile.ZipInfo]]:
    """Where the plugin begins in the archive ("" or a folder's name with "/"), and its files.

    Raises :class:`BadPackage`.
    """
    entries = packed.infolist()
    if len(entries) > MOST_FILES:
        raise BadPackage(
            f"The archive holds {len(entries)} entries; at most {MOST_FILES} are taken."
        )
    for entry in entries:
        check(entry)
    if sum(entry.file_size for entry in entries) > LARGEST_WHOLE:
        raise BadPackage(f"The archive unpacks to more than {LARGEST_WHOLE >> 20} MiB.")
    root = root_of(entry.filename for entry in entries)
    inside = [each for each in entries if each.filename.startswith(root) and not each.is_dir()]
    folded = [each.filename.casefold() for each in inside]
    if len(set(folded)) < len(folded):
        raise BadPackage("The archive holds a file twice.")
    return root, inside


def check(entry: zipfile.ZipInfo) -> None:
    """Raise :class:`BadPackage` for an entry that may not be unpacked."""
    name, path = entry.filename, PurePosixPath(entry.filename)
    mode = entry.external_attr >> 16
    if "\\" in name or "\0" in name or path.is_absolute() or ".." in path.parts:
        raise BadPackage(f"The archive holds {name!r}, which leads out of its folder.")
    if RESERVED & set(name) or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadPackage(f"The archive holds {name[:80]!r}, which is no name for every system.")
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and stat.S_IFMT(mode):
        raise BadPackage(f"The archive holds {name!r}, which is a link or no plain file.")
    if entry.flag_bits & 1:
        raise BadPackage(f"The archive holds {name!r}, which is encrypted.")


def root_of(names: Iterator[str]) -> str:
    """The folder that holds the manifest. Raises :class:`BadPackage` without one."""
    found = {name.removesuffix(FILE) for name in names if PurePosixPath(name).name == FILE}
    roots = sorted(root for root in found if root.count("/") <= 1)
    if len(roots) != 1:
        told = f"has {len(roots)} of them" if roots else "has none"
        raise BadPackage(
            f"The archive should have one {FILE}, at its top or in a folder; it {told}."
        )
    return roots[0]


def _place(
    packed: zipfile.ZipFile,
    root: str,
    entries: list[zipfile.ZipInfo],
    manifest: Manifest,
    data_dir: Path,
    *,
    replace: bool,
) -> Manifest:
    target = data_dir / EXTENSIONS / manifest.name
    if target.exists() and not replace:
        raise BadPackage(f"There is a plugin {manifest.name!r} already; remove it first.")
    draft = _workshop(data_dir) / f"new-{uuid4().hex}"
    try:
        left = LARGEST_WHOLE
        for entry in entries:
            left -= _unpack(packed, entry, draft / entry.filename.removeprefix(root), left)
        if target.exists():
            remove(target, data_dir)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _unpack(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, most: int) -> int:
    """Bytes that were written; a header may claim less than there is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with packed.open(entry) as source, path.open("xb") as file:
        while piece := source.read(PIECE):
            written += len(piece)
            if written > most:
                raise BadPackage(f"The archive unpacks to more than {LARGEST_WHOLE >> 20} MiB.")
            file.write(piece)
    return written


def _workshop(data_dir: Path) -> Path:
    """A folder on the same disk where half a plugin may lie."""
    folder = data_dir / ".easel" / "installing"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
