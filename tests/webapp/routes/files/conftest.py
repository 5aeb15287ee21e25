"""Operations on files are waited for, however busy the machine is."""

import pytest

from tests.wait import TIMEOUT


@pytest.fixture(autouse=True)
def patient_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small operation is answered with its end (200), not with its number (202)."""
    monkeypatch.setattr("webapp.routes.files.operations.WAIT_SECONDS", TIMEOUT)
