"""A tree with an owner and others, and a store of shares with a clock of its own."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Root
from filebrowser.shares.actions import ShareSpec, create_share, find_share, open_shared
from filebrowser.shares.passwords import SharePasswords
from filebrowser.shares.store import Share, ShareStore


@dataclass
class Desk:
    """What the owners of one tree do with shares at the time ``now``."""

    folder: Path
    store: ShareStore
    now: float = 1000.0
    passwords: SharePasswords = field(default_factory=SharePasswords)
    callers: dict[str, FileAccess] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.passwords.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        root = Root("data", self.folder, hidden=frozenset({".trash", "work/secret*"}))
        self.callers |= {who: FileAccess(who, (root,)) for who in ("ann", "bob")}

    def share(self, path: str, who: str = "ann", **more: object) -> Share:
        spec = ShareSpec(path, **more)  # type: ignore[arg-type]
        return create_share(self.callers[who], spec, self.store, self.passwords, self.now)

    def read(self, share: Share, inner: str = "") -> bytes:
        """The bytes of a file that a visitor of the share opens."""
        _, fd = open_shared(find_share(share.id, self.store, self.now), inner, self.callers.get)
        with os.fdopen(fd, "rb") as file:
            return file.read()

    def names(self, share: Share, inner: str = "") -> list[str]:
        """What a visitor finds in a folder."""
        _, fd = open_shared(find_share(share.id, self.store, self.now), inner, self.callers.get)
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with ``work/{a.txt,sub/b.txt}``."""
    folder = tmp_path / "tree"
    (folder / "work" / "sub").mkdir(parents=True)
    (folder / "work" / "a.txt").write_bytes(b"letters")
    (folder / "work" / "sub" / "b.txt").write_bytes(b"more letters")
    return folder


@pytest.fixture
def database(memory_folder: Path) -> Path:
    """Where the shares of ``desk`` are kept."""
    return memory_folder / "own" / "shares.db"


@pytest.fixture
def desk(tree: Path, database: Path) -> Iterator[Desk]:
    """Ann and Bob, who share out of one tree."""
    store = ShareStore(database)
    yield Desk(tree, store)
    store.close()
