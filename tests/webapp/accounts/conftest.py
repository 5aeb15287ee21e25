"""Accounts over each kind of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.webapp.accounts.postgres_server import PostgresServer
from webapp.access.secret import Secret
from webapp.accounts.accounts import Accounts, open_accounts
from webapp.accounts.database import open_database
from webapp.accounts.schema import HEAD, METADATA

KINDS = ("sqlite", "postgresql")


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
    create_schema(database_url)
    opened = open_accounts(database_url, memory_folder)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_url(memory_folder: Path) -> Secret:
    """The address of a file with this version's tables."""
    url = Secret(f"sqlite:///{memory_folder}/house.db")
    create_schema(url)
    return url


def create_schema(url: Secret) -> None:
    """What all migrations come to, as test_account_migrations proves, but quicker."""
    database = open_database(url, Path())
    with database.write() as connection:
        METADATA.create_all(connection)
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(sa.text(f"INSERT INTO alembic_version VALUES ('{HEAD}')"))
    database.close()
