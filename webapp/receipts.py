"""Journal of a job's saved files, kept until the job is answered.

A worker may die between saving and answering; then another runs the job again, finds the
journal and overwrites the same files, so that no picture is saved twice.
"""

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from generator.atomic_file import write_atomically

FOLDER = "saved"  # below .easel
FORGOTTEN = 86_400.0  # seconds; a job that was given up leaves its receipt behind


@dataclass(frozen=True, slots=True)
class Place:
    """A saved file: its path, its URL in the answer, and the sha256 of its bytes."""

    path: str  # absolute
    url: str
    sha256: str


class Receipt:
    """Journal of one job's files, in the order in which they are saved."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file  # None: nothing is remembered
        self._before = _read(file) if file else []
        self._now: list[Place] = []

    @classmethod
    def of(cls, easel_dir: Path, job: str) -> "Receipt":
        """The receipt of a job in a data directory's ``.easel``."""
        return cls(easel_dir / FOLDER / f"{hashlib.sha256(job.encode()).hexdigest()[:32]}.json")

    def place(self, data: bytes, choose: Callable[[], tuple[Path, str]]) -> Place:
        """Where the next file of the job goes: as before, else where ``choose`` says.

        It is noted before the file is written, with what will be in it: a file that came there
        since and is another's is never written over.
        """
        index, digest = len(self._now), hashlib.sha256(data).hexdigest()
        before = self._before[index] if index < len(self._before) else None
        if before is not None and _is_ours(before):
            found = Place(before.path, before.url, digest)
        else:
            path, url = choose()
            found = Place(str(path), url, digest)
        self._now.append(found)
        self._write()
        return found

    def drop(self) -> None:
        """Delete the journal: the job is answered."""
        if self._file:
            self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        places = [*self._now, *self._before[len(self._now) :]]
        write_atomically(self._file, json.dumps([asdict(place) for place in places]).encode())


def forget_old(easel_dir: Path) -> None:
    """Remove the receipts of jobs that nobody will take again."""
    with suppress(FileNotFoundError):
        for file in (easel_dir / FOLDER).iterdir():
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > FORGOTTEN:
                    file.unlink()


def _read(file: Path) -> list[Place]:
    try:
        return [
            Place(str(entry["path"]), str(entry["url"]), str(entry["sha256"]))
            for entry in json.loads(file.read_text())
        ]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # damaged
        return []


def _is_ours(place: Place) -> bool:
    """Whether the file is the one that was noted, or is not there at all."""
    try:
        with open(place.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == place.sha256
    except FileNotFoundError:
        return True
