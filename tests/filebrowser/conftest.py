"""What tests of several rooms ask for: a tree, its caller, and descriptors that do not leak."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Root

OWN_NAMES = frozenset({".easel", ".trash", ".uploads"})
"""What a service hides at the top of its trees."""


@pytest.fixture
def data(tmp_path: Path) -> Root:
    """An empty tree, ``data``."""
    (tmp_path / "data").mkdir()
    return Root("data", tmp_path / "data", hidden=OWN_NAMES)


@pytest.fixture
def ann(data: Root) -> FileAccess:
    """A caller with every right in ``data``."""
    return FileAccess("ann", (data,))


@pytest.fixture
def no_descriptor_leaks() -> Iterator[None]:
    """Fails a test that leaves a descriptor open."""
    gc.collect()  # what tests before this one left is closed now, and not in the middle
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) <= before


@pytest.fixture
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """For many small writes of which none has to outlive the machine."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
