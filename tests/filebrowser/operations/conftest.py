"""What tests of operations share: two trees, their caller, and a step's context."""

from pathlib import Path

import pytest

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Root
from filebrowser.operations.move import StepContext
from filebrowser.watch.file_events import FileEvent
from tests.filebrowser.conftest import OWN_NAMES


@pytest.fixture
def events() -> list[FileEvent]:
    """The events that listeners heard of."""
    return []


@pytest.fixture
def context(events: list[FileEvent]) -> StepContext:
    """The context of a step for which no conflict policy was chosen."""
    return StepContext("key", None, lambda _: None, events.append)


@pytest.fixture
def both(tmp_path: Path, data: Root) -> FileAccess:
    """A caller with every right in ``data`` and in a second tree, ``more``."""
    (tmp_path / "more").mkdir()
    return FileAccess("ann", (data, Root("more", tmp_path / "more", hidden=OWN_NAMES)))
