"""Folders and file names of saved pictures (contract 6.5, the vendor's guide)."""

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePath
from typing import TYPE_CHECKING
from uuid import uuid4

from generator.pictures.file_names import FileNameFacts, NamingRules
from webapp.files.output_files import PictureFiles

if TYPE_CHECKING:
    from webapp.queues.job_codec import SaveOptions

LEADING_NUMBER = re.compile(r"(\d+)(?:[-.]|$)")
GRID_NUMBER = re.compile(r"grid-(\d+)(?:[-.]|$)")


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """A folder of pictures or grids, made when it is not there."""

    files: PictureFiles
    path: Path
    prefix: str  # what stands before a file's name in its address
    vendor: bool

    @classmethod
    def for_picture(
        cls,
        saving: "SaveOptions",
        under: str,
        files: PictureFiles,
        facts: FileNameFacts,
        *,
        grid: bool = False,
    ) -> "OutputFolder":
        """The folder for a picture: ``under`` and what the pattern says, in the data directory.

        The vendor's callers get ``YYYY-MM-DD``. Raises ``CannotSave`` when it cannot be made,
        when its name leads into a protected folder, or when it has been turned, since it was
        checked, into a way out of the data directory.
        """
        vendor = saving.naming == "vendor"
        today = (facts.now.date().isoformat(),)
        inner = PurePath(under, *(today if vendor else saving.names.folders(facts, grid=grid)))
        path = files.data_dir / inner
        with files.open_folder(path):
            return cls(files, path, f"{saving.url_prefix}/{inner}", vendor)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder while a number is chosen and used: two workers may save at once.

        Workers of other machines do not see it where the file system is a network's.
        """
        with self.files.open_folder(self.path) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield

    def picture_path(
        self, rules: NamingRules, facts: FileNameFacts, extension: str, suffix: str = ""
    ) -> Path:
        """``00000-SEED.png`` with the next free number, or the vendor's ``UUID-SEED.png``.

        A ``suffix`` is set off by a hyphen: ``00000-SEED-mask.png``.
        """
        if self.vendor:
            return self.path / f"{'-'.join(non_empty(str(uuid4()), facts.seed, suffix))}{extension}"
        stem = "-".join(non_empty(rules.stem(facts), suffix))
        if is_numbered(rules, facts):
            return self.numbered_path(
                LEADING_NUMBER, lambda number: non_empty(f"{number:05d}", stem), extension
            )
        return (
            self.path / f"{stem}{extension}" if rules.replace else self.free_path(stem, extension)
        )

    def replaces(self, rules: NamingRules, facts: FileNameFacts) -> bool:
        """Whether a picture takes the place of the file that has its name."""
        return rules.replace and not self.vendor and not is_numbered(rules, facts)

    def map_path(self, extension: str) -> Path:
        """A name of its own for a mask or map of the vendor's form."""
        return self.path / f"{uuid4()}{extension}"

    def grid_path(self, rules: NamingRules, facts: FileNameFacts, extension: str) -> Path:
        """``grid-0000.png`` with the next free number, or the vendor's ``grid-UUID.png``."""
        if self.vendor:
            return self.path / f"grid-{uuid4()}{extension}"
        stem = rules.stem(facts, grid=True)
        return self.numbered_path(
            GRID_NUMBER, lambda number: non_empty("grid", f"{number:04d}", stem), extension
        )

    def numbered_path(
        self, pattern: re.Pattern[str], parts: Callable[[int], list[str]], extension: str
    ) -> Path:
        """The name with the next number that nothing has; a listing may be older than that."""
        for number in count(self.next_number(pattern)):
            path = self.path / f"{'-'.join(parts(number))}{extension}"
            if not self.files.exists(path):
                break
        return path

    def next_number(self, pattern: re.Pattern[str]) -> int:
        """One more than the greatest number that a file here begins with; 0 in an empty folder."""
        with self.files.open_folder(self.path) as folder:
            matches = [pattern.match(name) for name in os.listdir(folder)]
        return max((int(match[1]) for match in matches if match), default=-1) + 1

    def free_path(self, stem: str, extension: str) -> Path:
        """``stem`` with its ending, and ``-1``, ``-2``, ... where that is taken."""
        path = self.path / f"{stem}{extension}"
        for number in count(1):
            if not self.files.exists(path):
                break
            path = self.path / f"{stem}-{number}{extension}"
        return path

    def url(self, path: Path) -> str:
        """The address under which the answer names a file of this folder."""
        return f"{self.prefix}/{path.name}"


def is_numbered(rules: NamingRules, facts: FileNameFacts) -> bool:
    """Whether a picture's name begins with a number of its own."""
    return rules.numbered or not rules.stem(facts)


def non_empty(*parts: object) -> list[str]:
    """The parts that are neither "" nor None, as text."""
    return [str(part) for part in parts if part not in ("", None)]
