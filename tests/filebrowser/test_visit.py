"""A caller reaches what its roots hold, with the rights that it has."""

from pathlib import Path

import pytest

from filebrowser.errors import NotAllowed, NotHere
from filebrowser.gate import Root
from filebrowser.visit import READING, Right, Visit, reach


@pytest.fixture
def reader(tmp_path: Path) -> Visit:
    return Visit("ann", (Root("data", tmp_path),), READING)


def test_a_path_begins_with_a_root_of_the_visit(reader: Visit) -> None:
    assert reach(reader, "/data/outputs", Right.VIEW).text == "data/outputs"
    with pytest.raises(NotHere):
        reach(reader, "/others/outputs", Right.VIEW)


def test_a_missing_right_is_named(reader: Visit) -> None:
    with pytest.raises(NotAllowed, match="delete"):
        reach(reader, "/data/outputs", Right.VIEW, Right.DELETE)


def test_no_right_is_asked_of_the_disk_first(reader: Visit) -> None:
    with pytest.raises(NotAllowed):
        reach(reader, "/others", Right.CREATE)
