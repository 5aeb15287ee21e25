"""docs/queue.md names every parameter, header, status and limit that the code has."""

import pytest

from tests.conftest import ROOT
from webapp.requests import queue_calls
from webapp.routes.predict import addresses, reading

PAGE = (ROOT / "docs/queue.md").read_text(encoding="utf-8")
HEADERS = (addresses.USER_HEADER, addresses.PRIORITY_HEADER, addresses.REQUEST_ID_HEADER)
STATUSES = (204, 400, 401, 403, 404, 405, 409, 413, 414, 429, 431, 503, 507)
LIMITS = {
    "`_length_`": queue_calls.MAX_LENGTH,
    "`_window_`": queue_calls.MAX_WINDOW,
    "`_indexes_`": queue_calls.MAX_INDEXES,
    "tags": queue_calls.MAX_TAG_LENGTH,
    "`_code_`": queue_calls.MAX_CODE,
    "`_reason_`": queue_calls.MAX_REASON,
    "`_timeout_`": int(reading.MAX_WAIT_SECONDS),
}


@pytest.mark.parametrize("name", sorted(queue_calls.PARAMETERS))
def test_every_parameter_is_described(name: str) -> None:
    assert name in PAGE


@pytest.mark.parametrize("name", [*HEADERS, addresses.REAR_HEADER, "Retry-After", "…-Gid"])
def test_every_header_is_described(name: str) -> None:
    assert f"`{name}" in PAGE


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_described(status: int) -> None:
    assert str(status) in PAGE


@pytest.mark.parametrize(("name", "most"), LIMITS.items())
def test_limits_are_those_of_the_code(name: str, most: int) -> None:
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {name} | "))
    assert f"{most:,}" in line
