"""Hashes of model files, cached in a SQLite file.

sha256 of the whole file names a checkpoint (contract 5.10); sha256 of what follows the safetensors
header names a LoRA (2.6), so that editing its metadata keeps its name; the legacy hash looks at 64
KiB only. Hashing a gigabyte takes about a second, so it is done once a file, in the background.
"""

import hashlib
import logging
import os
import sqlite3
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generator.database import CacheDatabase, CacheSchema
from generator.models.diffusers_folders import look_at
from generator.models.plain_files import FileStamp, open_plain, stamp_of

LEGACY_OFFSET = 0x100000  # bytes
LEGACY_LENGTH = 0x10000
PIECE = 1 << 20
BUSY_SECONDS = 5.0

TABLE = """
CREATE TABLE IF NOT EXISTS hashes (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  sha256 TEXT NOT NULL, payload TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS file_states (
  path TEXT PRIMARY KEY, inode INTEGER NOT NULL, ctime_ns INTEGER NOT NULL
)"""
"""The second table came later, so that files of before it are used as they are: hashes of a path
that has no row there are taken for those of the file that has their size and time of change."""

KNOWN = """
SELECT path, size, mtime_ns, sha256, payload, inode, ctime_ns
FROM hashes LEFT JOIN file_states USING (path)"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hashes:
    """What was computed from one state of a file. Both are 64 hex digits."""

    size: int
    mtime_ns: int
    sha256: str
    payload_sha256: str  # without the safetensors header; the whole file for other containers
    inode: int | None = None  # None: not noted, by an Easel that did not tell files apart by it
    ctime_ns: int | None = None

    def are_of(self, stamp: FileStamp) -> bool:
        """Whether they were computed from the file of that state, as far as is noted."""
        noted = (self.size, self.mtime_ns, self.inode, self.ctime_ns)
        return noted == stamp if self.inode is not None else noted[:2] == stamp[:2]

    def at(self, stamp: FileStamp) -> "Hashes":
        """The same hashes, of a file of that state."""
        size, mtime_ns, inode, ctime_ns = stamp
        return replace(self, size=size, mtime_ns=mtime_ns, inode=inode, ctime_ns=ctime_ns)


def legacy_hash(path: Path) -> str:
    """The first 8 hex of the sha256 of 64 KiB at 1 MiB; of nothing, where the file is shorter."""
    with open_plain(path) as file:
        file.seek(LEGACY_OFFSET)
        return hashlib.sha256(file.read(LEGACY_LENGTH)).hexdigest()[:8]


def compute_hashes(path: Path, should_stop: Callable[[], bool] = lambda: False) -> Hashes | None:
    """Read the file once and hash it. None when stopped, or when it changed meanwhile."""
    with open_plain(path) as file:
        before = os.fstat(file.fileno())
        file_digest, payload = hashlib.sha256(), hashlib.sha256()
        header = _header_length(path, file.read(8), before.st_size)
        file.seek(0)
        for digest in ((file_digest,), (file_digest, payload)):
            left = header if len(digest) == 1 else before.st_size - header
            while left > 0:
                piece = file.read(min(PIECE, left))
                if not piece or should_stop():
                    return None
                for each in digest:
                    each.update(piece)
                left -= len(piece)
    stamp = stamp_of(before)
    if stamp_of(path.stat()) != stamp:
        return None
    return Hashes(*stamp[:2], file_digest.hexdigest(), payload.hexdigest(), *stamp[2:])


def compute_folder_hashes(
    folder: Path, should_stop: Callable[[], bool] = lambda: False
) -> Hashes | None:
    """The hash of a folder of diffusers: sha256 of what ``sha256sum`` prints of its weights.

    None when stopped, or when it changed meanwhile. Raises as :func:`look_at` does.
    """
    before, lines = look_at(folder), dict[str, str]()
    for part in before.parts:
        hashes = compute_hashes(part.path, should_stop)
        if hashes is None:
            return None
        name = part.path.relative_to(folder).as_posix()
        lines[name] = f"{hashes.sha256}  {name}\n"
    if look_at(folder).stamp != before.stamp:
        return None
    size, mtime_ns, inode, ctime_ns = before.stamp
    digest = hashlib.sha256("".join(lines[name] for name in sorted(lines)).encode()).hexdigest()
    return Hashes(size, mtime_ns, digest, digest, inode, ctime_ns)


def _header_length(path: Path, start: bytes, size: int) -> int:
    if path.suffix.lower() != ".safetensors" or len(start) < 8:
        return 0
    (length,) = struct.unpack("<Q", start)
    return 8 + length if 8 + length <= size else 0


class HashCache:
    """``.easel/hashes.db``: path -> hashes of one state of the file there (:data:`FileStamp`).

    Shared by the processes of a data directory. It can always be computed again, so an unusable
    database costs a warning and a re-computation, never the service.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = CacheDatabase(path, CacheSchema(TABLE, lock_timeout=BUSY_SECONDS))

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        self._database.close()

    def all_hashes(self) -> Mapping[str, Hashes]:
        """Everything that is remembered, by absolute path."""
        return {path: Hashes(*rest) for path, *rest in self._read(KNOWN)}

    def hashes_of(self, path: Path) -> Hashes | None:
        """What is remembered of one path, whatever its state is now."""
        rows = self._read(f"{KNOWN} WHERE hashes.path = ?", str(path))
        return Hashes(*rows[0][1:]) if rows else None

    def remember(self, path: Path, hashes: Hashes) -> None:
        """Keep the hashes of a path, in place of those of its earlier states."""
        self.remember_all({path: hashes})

    def remember_all(self, found: Mapping[Path, Hashes]) -> None:
        """Keep the hashes of some paths, in place of those of their earlier states."""

        def store(rows: sqlite3.Connection) -> list[tuple[Any, ...]]:
            for path, known in found.items():
                values = (known.size, known.mtime_ns, known.sha256, known.payload_sha256)
                rows.execute(
                    "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?)", (str(path), *values)
                )
                rows.execute("DELETE FROM file_states WHERE path = ?", (str(path),))
                if known.inode is not None:
                    state = (str(path), known.inode, known.ctime_ns)
                    rows.execute("INSERT INTO file_states VALUES (?, ?, ?)", state)
            return []

        self._execute(store)

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        return self._execute(lambda rows: rows.execute(query, values).fetchall())

    def _execute(
        self, work: Callable[[sqlite3.Connection], list[tuple[Any, ...]]]
    ) -> list[tuple[Any, ...]]:
        try:
            return self._database.call(work)
        except (sqlite3.Error, OSError) as error:
            log.warning("Hashes cannot be kept in %s: %s", self.path, error)
            return []
