"""Hashes of model files, and the file that remembers them.

sha256 of the whole file names a checkpoint (contract 5.10); sha256 of what follows the safetensors
header names a LoRA (2.6), so that editing its metadata keeps its name; the legacy hash looks at 64
KiB only. Hashing a gigabyte takes about a second, so it is done once a file, in the background.
"""

import hashlib
import logging
import sqlite3
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.database import Database, Layout
from generator.models.plain_files import open_plain

LEGACY_OFFSET = 0x100000  # bytes
LEGACY_LENGTH = 0x10000
PIECE = 1 << 20
BUSY_SECONDS = 5.0

TABLE = """
CREATE TABLE IF NOT EXISTS hashes (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  sha256 TEXT NOT NULL, payload TEXT NOT NULL
)"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hashes:
    """What was computed from one state of a file. Both are 64 hex digits."""

    size: int
    mtime_ns: int
    sha256: str
    payload_sha256: str  # without the safetensors header; the whole file for other containers


def legacy_hash(path: Path) -> str:
    """The first 8 hex of the sha256 of 64 KiB at 1 MiB; of nothing, where the file is shorter."""
    with open_plain(path) as file:
        file.seek(LEGACY_OFFSET)
        return hashlib.sha256(file.read(LEGACY_LENGTH)).hexdigest()[:8]


def compute(path: Path, stopped: Callable[[], bool] = lambda: False) -> Hashes | None:
    """Read the file once and hash it. None when stopped, or when it changed meanwhile."""
    with open_plain(path) as file:
        before = path.stat()
        whole, payload = hashlib.sha256(), hashlib.sha256()
        header = _header_length(path, file.read(8), before.st_size)
        file.seek(0)
        for digest in ((whole,), (whole, payload)):
            left = header if len(digest) == 1 else before.st_size - header
            while left > 0:
                piece = file.read(min(PIECE, left))
                if not piece or stopped():
                    return None
                for each in digest:
                    each.update(piece)
                left -= len(piece)
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return None
    return Hashes(before.st_size, before.st_mtime_ns, whole.hexdigest(), payload.hexdigest())


def _header_length(path: Path, start: bytes, size: int) -> int:
    if path.suffix.lower() != ".safetensors" or len(start) < 8:
        return 0
    (length,) = struct.unpack("<Q", start)
    return 8 + length if 8 + length <= size else 0


class HashCache:
    """``.easel/hashes.db``: path -> hashes of the state with that size and time of change.

    Shared by the processes of a data directory. It can always be computed again, so an unusable
    database costs a warning and a re-computation, never the service.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path, Layout(TABLE, patience=BUSY_SECONDS))

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        self._database.close()

    def known(self) -> Mapping[str, Hashes]:
        """Everything that is remembered, by absolute path."""
        rows = self._read("SELECT path, size, mtime_ns, sha256, payload FROM hashes")
        return {path: Hashes(*rest) for path, *rest in rows}

    def of(self, path: Path) -> Hashes | None:
        """What is remembered of one path, whatever its state is now."""
        rows = self._read(
            "SELECT size, mtime_ns, sha256, payload FROM hashes WHERE path = ?", str(path)
        )
        return Hashes(*rows[0]) if rows else None

    def remember(self, path: Path, hashes: Hashes) -> None:
        """Keep the hashes of ``path``, in place of those of its earlier states."""
        row = (
            str(path),
            hashes.size,
            hashes.mtime_ns,
            hashes.sha256,
            hashes.payload_sha256,
        )
        self._try("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?)", row)

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        return self._try(query, values)

    def _try(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._database.call(lambda rows: rows.execute(query, values).fetchall())
        except (sqlite3.Error, OSError) as error:
            log.warning("Hashes cannot be kept in %s: %s", self.path, error)
            return []
