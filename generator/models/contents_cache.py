"""What listed model files say of themselves, kept in a SQLite file from one start to the next.

A header of a thousand tensors takes milliseconds to parse, and a collection has thousands of
files. An entry holds for one state of a file and for one form of the rules that read it.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from generator.database import CacheDatabase, CacheSchema
from generator.models.embedding_facts import EmbeddingFacts
from generator.models.families.architecture import Architecture
from generator.models.families.detection_table import RULES
from generator.models.file_contents import FileContents
from generator.models.kinds import ModelKind
from generator.models.plain_files import FileStamp
from generator.models.quantisation import WeightFormat

FORM = 1  # of an entry; another one makes all entries void
BUSY_SECONDS = 5.0
SPARE_ROWS = 1000  # of files that left, beyond as many as there are, before they are deleted
TABLE = """
CREATE TABLE IF NOT EXISTS contents (
  path TEXT NOT NULL, kind TEXT NOT NULL, rules TEXT NOT NULL, size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
  facts TEXT NOT NULL, PRIMARY KEY (path, kind)
)"""
FIND = """
SELECT facts FROM contents WHERE path = ? AND kind = ? AND rules = ?
AND size = ? AND mtime_ns = ? AND inode = ? AND ctime_ns = ?"""
T = TypeVar("T")
FileState = tuple[str, ModelKind, FileStamp]
"""A path, the kind that its folder makes it, and the state that the disk tells."""

log = logging.getLogger(__name__)


class ContentsCache:
    """``.easel/model-facts.db``, shared by the processes of a data directory.

    It can always be read again from the files: an unusable database costs a warning and time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = CacheDatabase(path, CacheSchema(TABLE, lock_timeout=BUSY_SECONDS))
        self._rules = _rules_digest()

    def find(self, path: str, kind: ModelKind, stamp: FileStamp) -> FileContents | None:
        """What the file of that state told; None where it was not read yet."""
        values = (path, kind.value, self._rules, *stamp)
        row = self._execute(lambda rows: rows.execute(FIND, values).fetchone(), None)
        return _from_text(row[0]) if row else None

    def remember_all(self, read: Mapping[FileState, FileContents], here: Collection[str]) -> None:
        """Keep what was read; entries of paths that are not ``here`` go when they are many."""

        def store(rows: sqlite3.Connection) -> None:
            rows.executemany(
                "INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (path, kind.value, self._rules, *stamp, _to_text(contents))
                    for (path, kind, stamp), contents in read.items()
                ],
            )
            ((count,),) = rows.execute("SELECT count(*) FROM contents")
            if count > 2 * len(here) + SPARE_ROWS:
                known = [path for (path,) in rows.execute("SELECT path FROM contents")]
                gone = [(path,) for path in known if path not in here]
                rows.executemany("DELETE FROM contents WHERE path = ?", gone)

        self._execute(store, None)

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        self._database.close()

    def _execute(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        try:
            return self._database.call(work)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            log.warning("Facts of models cannot be kept in %s: %s", self.path, error)
            return otherwise


def _rules_digest() -> str:
    """Names the form of the rules: what other rules read is read again."""
    forms = (FORM, RULES, [*Architecture], [*WeightFormat])
    return blake2b(repr(forms).encode(), digest_size=8).hexdigest()


def _to_text(contents: FileContents) -> str:
    return json.dumps(
        {
            "metadata": dict(contents.metadata),
            "architecture": contents.architecture and contents.architecture.name,
            "weight_format": contents.weight_format and contents.weight_format.name,
            "legacy_hash": contents.legacy_hash,
            "embedding": asdict(contents.embedding),
        }
    )


def _from_text(text: str) -> FileContents | None:
    """None for what is no entry of ours: the file is read again."""
    try:
        facts = json.loads(text)
        architecture, weight_format = facts["architecture"], facts["weight_format"]
        return FileContents(
            facts["metadata"],
            Architecture[architecture] if architecture else None,
            WeightFormat[weight_format] if weight_format else None,
            facts["legacy_hash"],
            EmbeddingFacts(**facts["embedding"]),
        )
    except (ValueError, LookupError, TypeError):
        return None
