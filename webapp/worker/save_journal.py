"""Journal of a job's saved files, kept until the job is answered.

A worker may die between saving and answering; then another runs the job again, finds the
journal and overwrites the same files, so that no picture is saved twice.
"""

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from generator.atomic_file import write_atomically

JOURNAL_FOLDER = "saved"  # below .easel
MAX_AGE_SECONDS = 86_400.0  # seconds; a job that was given up leaves its receipt behind


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A saved file: its path, its URL in the answer, and the sha256 of its bytes.

    ``is_new``: no earlier delivery of the job chose it.
    """

    path: str  # absolute
    url: str
    sha256: str
    is_new: bool = True


class SaveJournal:
    """Journal of one job's files, in the order in which they are saved.

    On disk paths begin at the data directory: another machine may have it elsewhere.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file  # None: nothing is remembered; else DATA_DIR/.easel/saved/NAME
        self._previous = _read_entries(file, file.parents[2]) if file else []
        self._current: list[SavedFile] = []

    @classmethod
    def for_job(cls, easel_dir: Path, job: str) -> "SaveJournal":
        """The receipt of a job in a data directory's ``.easel``."""
        return cls(
            easel_dir / JOURNAL_FOLDER / f"{hashlib.sha256(job.encode()).hexdigest()[:32]}.json"
        )

    def reserve(self, data: bytes, choose: Callable[[], tuple[Path, str]]) -> SavedFile:
        """Where the next file of the job goes: as before, else where ``choose`` says.

        It is noted before the file is written, with what will be in it: a file that came there
        since and is another's is never written over.
        """
        index, digest = len(self._current), hashlib.sha256(data).hexdigest()
        previous = self._previous[index] if index < len(self._previous) else None
        if previous is not None and _is_ours(previous):
            saved_file = SavedFile(previous.path, previous.url, digest, is_new=False)
        else:
            path, url = choose()
            saved_file = SavedFile(str(path), url, digest)
        self._current.append(saved_file)
        self._write()
        return saved_file

    def withdraw(self) -> None:
        """Take back the last reservation: somebody else was quicker with that name."""
        self._current.pop()

    def delete(self) -> None:
        """Delete the journal: the job is answered."""
        if self._file:
            self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        entries = [*self._current, *self._previous[len(self._current) :]]
        root = self._file.parents[2]
        write_atomically(
            self._file, json.dumps([_to_json(each, root) for each in entries]).encode()
        )


def delete_old_journals(easel_dir: Path) -> None:
    """Remove the receipts of jobs that nobody will take again."""
    with suppress(FileNotFoundError):
        for file in (easel_dir / JOURNAL_FOLDER).iterdir():
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > MAX_AGE_SECONDS:
                    file.unlink()


def _to_json(saved: SavedFile, root: Path) -> dict[str, str]:
    path = Path(saved.path)
    inner = path.relative_to(root) if path.is_relative_to(root) else path
    return {"path": str(inner), "url": saved.url, "sha256": saved.sha256}


def _read_entries(file: Path, root: Path) -> list[SavedFile]:
    try:
        return [
            SavedFile(str(root / entry["path"]), str(entry["url"]), str(entry["sha256"]))
            for entry in json.loads(file.read_text())
        ]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # damaged
        return []


def _is_ours(saved_file: SavedFile) -> bool:
    """Whether the file is the one that was noted, or is not there at all."""
    try:
        with open(saved_file.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == saved_file.sha256
    except FileNotFoundError:
        return True
