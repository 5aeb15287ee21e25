"""Installs plugins from zips, wheels or folders into ``extensions``; no code of theirs runs.

An archive is foreign: its names must stay below the plugin's folder, it holds plain files alone,
and what it unpacks to is bounded whatever its header claims.
"""

import os
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO
from uuid import uuid4

from generator.data_folders import EXTENSIONS_FOLDER, STATE_FOLDER
from generator.reasons import reason_of
from plugins.errors import BadPackage
from plugins.manifest import FILE, Manifest, parse_manifest
from plugins.wheels import is_wheel, read_entry, root_in_wheel

MAX_ARCHIVE_BYTES = 64 << 20  # bytes
MAX_UNPACKED_BYTES = 256 << 20  # bytes, unpacked
MAX_FILES = 4000
MAX_PATH_LENGTH = 200  # characters of a path below the plugin's folder
MAX_NAME_BYTES = 255  # bytes of one name in it
MAX_INDEX_BYTES = 2 << 20  # bytes of a zip's list of files; one of 4000 files takes 500 KB
PIECE = 1 << 20
DAMAGED_ARCHIVE_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, EOFError,
    ValueError, LookupError, OverflowError, FileExistsError, IsADirectoryError,
    NotADirectoryError,
)  # fmt: skip
"""What :mod:`zipfile` raises of a damaged archive, and the disk of names that do not fit."""

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others cannot be unpacked by pieces
WHEEL = ".whl"
ENDINGS = (".zip", WHEEL)
IGNORED_NAMES = frozenset({"__pycache__", ".git"})
FORBIDDEN_CHARACTERS = frozenset('<>:"|?*')


def install(
    archive: IO[bytes], data_dir: Path, *, replace: bool = False, wheel: bool = False
) -> Manifest:
    """Unpack a zip or a wheel into ``extensions/<name>``; the plugin's manifest.

    ``wheel``: it has to be one; what has a wheel's metadata is taken for one in any case. Raises
    :class:`BadPackage` and :class:`BadManifest` saying what is wrong; nothing is left then.
    """
    with open_archive(archive) as packed:
        root, entries = find_contents(packed, wheel=wheel)
        manifest = parse_manifest(read_entry(packed, f"{root}{FILE}"))
        return _move_into_place(packed, root, entries, manifest, data_dir, replace=replace)


@contextmanager
def open_archive(archive: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """The zip in ``archive``, once its list of files is known to be of a plugin's length.

    Raises :class:`BadPackage`, also for what shows inside the block to be damaged.
    """
    try:
        with zipfile.ZipFile(BoundedArchive(archive)) as packed:
            yield packed
    except DAMAGED_ARCHIVE_ERRORS as error:
        raise BadPackage(f"The archive cannot be read: {reason_of(error)}, or no zip.") from error


class BoundedArchive:
    """A file whose single reads are limited to ``MAX_INDEX_BYTES`` bytes.

    :mod:`zipfile` takes a list of files whole, however long its last record says that it is.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """As of any file. Raises :class:`BadPackage` for more than may be read."""
        if size > MAX_INDEX_BYTES:
            raise BadPackage(
                f"The archive's list of files has {size:,} bytes; at most {MAX_INDEX_BYTES:,} are "
                "read."
            )
        return self._file.read(size if size >= 0 else MAX_INDEX_BYTES)


def unpacked_size(archive: IO[bytes]) -> int:
    """Bytes that an archive's files take by its own list, at most ``MAX_UNPACKED_BYTES``.

    Raises :class:`BadPackage`.
    """
    with open_archive(archive) as packed:
        return min(sum(each.file_size for each in packed.infolist()), MAX_UNPACKED_BYTES)


def install_folder(folder: Path, data_dir: Path, *, replace: bool = False) -> Manifest:
    """Copy a plugin's folder into ``extensions/<name>``, under the rules of archives.

    Raises as :func:`install`.
    """
    with TemporaryFile(dir=_staging_folder(data_dir)) as archive:
        try:
            pack_folder(folder, archive)
        except OSError as error:
            raise BadPackage(f"The folder cannot be read: {error.strerror}.") from error
        archive.seek(0)
        return install(archive, data_dir, replace=replace)


def pack_folder(folder: Path, archive: IO[bytes]) -> None:
    """Write a plugin's folder into a zip. Raises :class:`BadPackage`, ``OSError``."""
    if not folder.is_absolute() or not (folder / FILE).is_file():
        raise BadPackage(f"{folder} is no whole path of a folder that has an {FILE}.")
    with zipfile.ZipFile(archive, "w", strict_timestamps=False) as packed:
        for path in plain_files(folder):
            packed.write(path, path.relative_to(folder))


def plain_files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, but what Python and git keep there.

    Raises :class:`BadPackage` for a link, for what is no plain file, and where it is too much.
    """
    left, count = MAX_UNPACKED_BYTES, 0
    for path in sorted(folder.rglob("*")):
        if IGNORED_NAMES & set(path.relative_to(folder).parts):
            continue
        facts = path.lstat()
        if stat.S_ISDIR(facts.st_mode):
            continue
        if not stat.S_ISREG(facts.st_mode):
            raise BadPackage(f"The folder holds {path.name!r}, which is a link or no plain file.")
        left, count = left - facts.st_size, count + 1
        if left < 0 or count > MAX_FILES:
            most = f"{MAX_FILES} files and {MAX_UNPACKED_BYTES >> 20} MiB"
            raise BadPackage(f"The folder holds more than {most}.")
        yield path


def remove_plugin(folder: Path, data_dir: Path) -> None:
    """Delete the folder of a plugin; it is out of the way at once, even if that takes long."""
    aside = _staging_folder(data_dir) / f"removed-{uuid4().hex}"
    os.rename(folder, aside)
    shutil.rmtree(aside)


def find_contents(packed: zipfile.ZipFile, *, wheel: bool) -> tuple[str, list[zipfile.ZipInfo]]:
    """Where the plugin begins in the archive ("" or a folder's name with "/"), and its files.

    Raises :class:`BadPackage`.
    """
    entries = packed.infolist()
    if len(entries) > MAX_FILES:
        raise BadPackage(
            f"The archive holds {len(entries)} entries; at most {MAX_FILES} are taken."
        )
    for entry in entries:
        check_entry(entry)
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise BadPackage(f"The archive unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB.")
    names = [entry.filename for entry in entries]
    root = root_in_wheel(packed) if wheel or is_wheel(names) else root_of(names)
    inside = [each for each in entries if each.filename.startswith(root) and not each.is_dir()]
    check_duplicates(entries)
    return root, inside


def check_duplicates(entries: Iterable[zipfile.ZipInfo]) -> None:
    """Raise :class:`BadPackage` for two files of one name, or a file that is a folder as well.

    Names are the same where some system takes them to be: whatever their case and composition.
    """
    files, folders = set[tuple[str, ...]](), set[tuple[str, ...]]()
    for entry in entries:
        name = unicodedata.normalize("NFC", unicodedata.normalize("NFC", entry.filename).casefold())
        parts = PurePosixPath(name).parts
        folders.update(parts[:depth] for depth in range(1, len(parts)))
        if entry.is_dir():
            folders.add(parts)
        elif parts in files:
            raise BadPackage(f"The archive holds the file {entry.filename!r} twice.")
        else:
            files.add(parts)
    for both in sorted(files & folders)[:1]:
        raise BadPackage(f"The archive holds {'/'.join(both)!r} as a file and as a folder.")


def check_entry(entry: zipfile.ZipInfo) -> None:
    """Raise :class:`BadPackage` for an entry that may not be unpacked."""
    name, path = entry.filename, PurePosixPath(entry.filename)
    mode = entry.external_attr >> 16
    if "\\" in name or "\0" in name or path.is_absolute() or ".." in path.parts:
        raise BadPackage(f"The archive holds {name!r}, which leads out of its folder.")
    if not path.parts or any(len(part.encode()) > MAX_NAME_BYTES for part in path.parts):
        raise BadPackage(f"The archive holds {name[:80]!r}, which no file can be called.")
    if FORBIDDEN_CHARACTERS & set(name) or len(name) > MAX_PATH_LENGTH or not name.isprintable():
        raise BadPackage(f"The archive holds {name[:80]!r}, which is no name for every system.")
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and stat.S_IFMT(mode):
        raise BadPackage(f"The archive holds {name!r}, which is a link or no plain file.")
    if entry.compress_type not in COMPRESSIONS:
        raise BadPackage(f"The archive holds {name!r}, packed by another way than deflate.")
    if entry.flag_bits & 1:
        raise BadPackage(f"The archive holds {name!r}, which is encrypted.")


def root_of(names: Iterable[str]) -> str:
    """The folder that holds the manifest. Raises :class:`BadPackage` without one."""
    folders = {name.removesuffix(FILE) for name in names if name.rpartition("/")[2] == FILE}
    roots = sorted(root for root in folders if root.count("/") <= 1)
    if len(roots) != 1:
        count_text = f"has {len(roots)} of them" if roots else "has none"
        raise BadPackage(
            f"The archive should have one {FILE}, at its top or in a folder; it {count_text}."
        )
    return roots[0]


def _move_into_place(
    packed: zipfile.ZipFile,
    root: str,
    entries: list[zipfile.ZipInfo],
    manifest: Manifest,
    data_dir: Path,
    *,
    replace: bool,
) -> Manifest:
    target = data_dir / EXTENSIONS_FOLDER / manifest.name
    if target.exists() and not replace:
        raise BadPackage(f"There is a plugin {manifest.name!r} already; remove it first.")
    draft = _staging_folder(data_dir) / f"new-{uuid4().hex}"
    try:
        left = MAX_UNPACKED_BYTES
        for entry in entries:
            left -= _unpack(packed, entry, draft / entry.filename.removeprefix(root), left)
        if target.exists():
            remove_plugin(target, data_dir)
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
                raise BadPackage(
                    f"The archive unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB."
                )
            file.write(piece)
    return written


def _staging_folder(data_dir: Path) -> Path:
    """A folder on the same disk where half a plugin may lie."""
    folder = data_dir / STATE_FOLDER / "installing"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
