"""How much of what was recorded may differ, and that each such case is named."""

from fnmatch import fnmatch
from pathlib import Path

from tests.parity.known_differences import KNOWN_DIFFERENCES, cause_of
from tests.parity.recorded_cases import all_cases
from tests.parity.recorded_xl import xl_cases

MOST = 0.02  # of all cases


def test_few_recorded_cases_differ(goldens: Path) -> None:
    names = [case.name for case in (*all_cases(goldens), *xl_cases("*"))]
    assert len(names) > 500
    assert sum(cause_of(name) is not None for name in names) <= MOST * len(names)


def test_every_known_cause_is_that_of_a_case(goldens: Path) -> None:
    names = [case.name for case in (*all_cases(goldens), *xl_cases("*"))]
    assert [p for p in KNOWN_DIFFERENCES if not any(fnmatch(name, p) for name in names)] == []
