"""A caller reaches what its roots hold, with the rights that it has."""

from pathlib import Path

import pytest

from filebrowser.access.file_access import READ_RIGHTS, FileAccess, Right, resolve_path
from filebrowser.access.gate import Root
from filebrowser.errors import NotAllowed, NotHere


@pytest.fixture
def reader(tmp_path: Path) -> FileAccess:
    return FileAccess("ann", (Root("data", tmp_path),), READ_RIGHTS)


def test_a_path_begins_with_a_root_of_the_visit(reader: FileAccess) -> None:
    assert resolve_path(reader, "/data/outputs", Right.VIEW).text == "data/outputs"
    with pytest.raises(NotHere):
        resolve_path(reader, "/others/outputs", Right.VIEW)


def test_a_missing_right_is_named(reader: FileAccess) -> None:
    with pytest.raises(NotAllowed, match="delete"):
        resolve_path(reader, "/data/outputs", Right.VIEW, Right.DELETE)


def test_no_right_is_asked_of_the_disk_first(reader: FileAccess) -> None:
    with pytest.raises(NotAllowed):
        resolve_path(reader, "/others", Right.CREATE)
