"""Accounts over each kind of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webapp.accounts.postgres_server import BINARIES, MISSING, PostgresServer, postgres_server
from webapp.access.secret import Secret
from webapp.accounts.accounts import Accounts, open_accounts

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for all tests of the run; tests that need it skip without PostgreSQL."""
    if not BINARIES:
        pytest.skip(MISSING)
    with postgres_server() as server:
        yield server


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, memory_folder: Path) -> Secret:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return Secret(f"sqlite:///{memory_folder}/accounts.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return Secret(server.empty_database())


@pytest.fixture
def accounts(database_url: Secret, memory_folder: Path) -> Iterator[Accounts]:
    """Accounts without any user."""
    opened = open_accounts(database_url, memory_folder)
    yield opened
    opened.close()
