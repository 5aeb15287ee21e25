"""Every case of the attack checklist, 1 to 75, is a test that says so by its number.

``test_52_...`` is one of case 52, ``test_43_and_46_...`` one of both. ``ELSEWHERE`` names those of
other files, as ``CASES`` does in ``test_attacks_on_people.py``.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.webapp.test_attacks_on_people import CASES

TESTS = Path(__file__).parents[1]
NUMBER = re.compile(r"(?:^test_|_and_)(\d\d)(?=_)")
ALL = frozenset(range(1, 76))
ELSEWHERE: dict[int, tuple[str, str]] = {
    13: (
        "filebrowser/test_gate.py",
        "test_a_link_swapped_in_at_any_moment_never_leads_out",
    ),
    25: ("webapp/test_upload_crashes.py", "test_two_tabs_on_one_upload"),
    29: ("webapp/test_upload_crashes.py", "test_who_has_fallen_silent_makes_way"),
    30: (
        "webapp/test_upload_crashes.py",
        "test_a_kill_in_a_large_upload_loses_nothing_that_was_told",
    ),
    31: ("filebrowser/uploads/test_upload_store.py", "test_a_full_disk"),
    34: (
        "filebrowser/uploads/test_upload_store.py",
        "test_whenever_the_process_dies_at_the_end_there_is_one_file",
    ),
    51: ("filebrowser/test_thumbnails.py", "test_30000_by_30000_pixels_are_refused_at_once"),
}


def names_in(path: Path) -> set[str]:
    """The names of the tests in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return {name for name in names if name.startswith("test_")}


def numbered() -> set[int]:
    """The cases that tests of the attacks bear in their names."""
    files = (TESTS / "webapp").glob("test_attacks_*.py")
    names = {name for file in files for name in names_in(file)}
    return {int(number) for name in names for number in NUMBER.findall(name)}


def told() -> set[int]:
    """The cases of tests in other files."""
    notes = [note for tests in CASES.values() for note in tests.values()]
    return {int(note.split()[0]) for note in notes} | set(ELSEWHERE)


def test_every_case_has_a_test() -> None:
    assert sorted(ALL - numbered() - told()) == []


@pytest.mark.parametrize("case", ELSEWHERE)
def test_those_of_other_files_are_there(case: int) -> None:
    file, name = ELSEWHERE[case]
    assert name in names_in(TESTS / file)
