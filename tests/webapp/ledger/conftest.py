"""A ledger over each kind of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.webapp.accounts.conftest import KINDS, postgres
from tests.webapp.accounts.postgres_server import PostgresServer
from webapp.access.secret import Secret
from webapp.accounts.database import open_database
from webapp.ledger.ledger import Ledger, open_ledger
from webapp.ledger.schema import HEAD, METADATA, VERSION_TABLE

__all__ = ["postgres"]


@pytest.fixture(params=KINDS)
def ledger_url(request: pytest.FixtureRequest, memory_folder: Path) -> Secret:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return Secret(f"sqlite:///{memory_folder}/ledger.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return Secret(server.empty_database())


@pytest.fixture
def ledger(ledger_url: Secret, memory_folder: Path) -> Iterator[Ledger]:
    """An empty ledger, with the tables that its steps come to, but quicker."""
    database = open_database(ledger_url, Path())
    with database.write() as connection:
        METADATA.create_all(connection)
        connection.execute(sa.text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32))"))
        connection.execute(sa.text(f"INSERT INTO {VERSION_TABLE} VALUES ('{HEAD}')"))
    database.close()
    opened = open_ledger(ledger_url, memory_folder)
    yield opened
    opened.close()
