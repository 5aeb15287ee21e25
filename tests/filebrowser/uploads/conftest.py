"""A tree with uploads, processes that die, and a small disk."""

import hashlib
import io
import os
import random
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Root
from filebrowser.uploads.completion import UploadStatus
from filebrowser.uploads.records import Upload, UploadKind, UploadSpec
from filebrowser.uploads.rules import ContentRules
from filebrowser.uploads.space import UploadLimits
from filebrowser.uploads.upload_session import UploadChunk
from filebrowser.uploads.upload_store import UploadStore
from filebrowser.watch.file_events import FileEvent

CONTENT = random.Random(3).randbytes(300_000)
HIDDEN = frozenset({".uploads", ".trash"})
LIMITS = UploadLimits(spare=0)


class Died(BaseException):
    """The process ended at this very moment."""


class Disk:
    """A tree with uploads; ``reopen`` is what the next process finds there."""

    def __init__(
        self, path: Path, limits: UploadLimits = LIMITS, rules: ContentRules | None = None
    ) -> None:
        self.path, self.limits, self.rules = path, limits, rules or ContentRules()
        self.visit = FileAccess("ann", (Root("data", path, hidden=HIDDEN),))
        self.told: list[FileEvent] = []
        self.now = 1000.0
        self.reopen()

    @property
    def root(self) -> Root:
        return self.visit.roots[0]

    def reopen(self) -> "Disk":
        self.uploads = UploadStore(
            self.limits, self.rules, on_published=self.told.append, clock=lambda: self.now
        )
        return self

    def begin(
        self, path: str = "/data/a/b.png", length: int | None = len(CONTENT), **more: Any
    ) -> str:
        return self.uploads.begin(self.visit, UploadSpec(path, length, **more)).id

    def append(self, name: str, offset: int, content: bytes, **more: Any) -> int:
        piece = UploadChunk(offset, len(content), **more)
        return self.send(name, piece, content).offset

    def send(self, name: str, piece: UploadChunk, content: bytes, **more: Any) -> UploadStatus:
        """As ``append``, with all that can be said of a piece."""
        return self.uploads.append(self.visit, name, piece, io.BytesIO(content).readinto, **more)

    def offset(self, name: str) -> int:
        return self.uploads.status(self.visit, name).offset

    def record(self, name: str) -> Upload:
        return self.uploads.peek(self.visit, name).upload

    def put(self, path: str, content: bytes, **more: Any) -> Upload:
        """A whole upload in one piece."""
        upload = self.uploads.begin(self.visit, UploadSpec(path, len(content), **more))
        if not upload.is_ended:
            self.append(upload.id, 0, content)
        return self.record(upload.id)

    def put_parts(self, contents: Sequence[bytes]) -> list[str]:
        """Whole partial uploads."""
        parts = [self.begin("", len(each), part=UploadKind.PARTIAL) for each in contents]
        for name, content in zip(parts, contents, strict=True):
            if content:
                self.append(name, 0, content)
        return parts

    def waiting(self) -> list[str]:
        """Names in the staging folder."""
        return sorted(path.name for path in self.path.glob(".uploads/*"))


def checksum_of(content: bytes, name: str = "sha256") -> tuple[str, bytes]:
    """The checksum of a piece as it is announced."""
    return name, hashlib.new(name, content).digest()


def dying(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, call: int = 1) -> None:
    """Let the process die just before this call of a function."""
    real, calls = getattr(where, name), 0

    def instead(*words: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Died
        return real(*words, **more)

    monkeypatch.setattr(where, name, instead)


@pytest.fixture
def disk(memory_folder: Path) -> Disk:
    return Disk(memory_folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)
