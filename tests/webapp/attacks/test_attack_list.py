"""Every case of the attack checklist, 1 to 75, has its tests, by name, in ``attack_list.txt``.

A line is ``CASE FILE::TEST``. A test that says by its own name which case it is, ``test_52_...`` or
``test_43_and_46_...``, has to be in the list too.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
NUMBER = re.compile(r"(?:^test_|_and_)(\d\d)(?=_)")
CASES = range(1, 76)
Line = tuple[int, str]


def listed_cases() -> list[Line]:
    """The lines of the list: case, and file and test."""
    lines = Path(__file__).with_name("attack_list.txt").read_text(encoding="utf-8").splitlines()
    return [(int(case), test) for case, _, test in (line.partition(" ") for line in lines)]


def functions(path: Path) -> Iterator[str]:
    """The tests of a file that are not left out for good."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = [ast.unparse(mark) for mark in node.decorator_list]
            if not any("mark.skip(" in mark or "mark.xfail" in mark for mark in marks):
                yield node.name


def numbered_tests() -> set[Line]:
    """The cases that tests bear in their names."""
    return {
        (int(case), f"{path.relative_to(TESTS)}::{name}")
        for path in TESTS.rglob("test_*.py")
        for name in functions(path)
        for case in NUMBER.findall(name)
        if int(case) in CASES
    }


@pytest.mark.parametrize("case", CASES)
def test_each_case_has_tests_that_are_there(case: int) -> None:
    tests = [test for number, test in listed_cases() if number == case]
    assert tests, f"No test attacks case {case}."
    for test in tests:
        file, _, name = test.partition("::")
        assert name in functions(TESTS / file), f"{test} of case {case} is gone."


def test_the_list_is_whole_and_in_order() -> None:
    assert sorted(numbered_tests() - set(listed_cases())) == []
    assert len(set(listed_cases())) == len(listed_cases())
    assert [case for case, _ in listed_cases()] == sorted(case for case, _ in listed_cases())
