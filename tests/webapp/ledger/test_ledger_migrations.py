"""The ledger's steps make its tables, beside those of the accounts in one database."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from webapp.access.secret import Secret
from webapp.accounts.accounts import open_accounts
from webapp.accounts.database import open_database
from webapp.accounts.errors import AccountsUnusable
from webapp.ledger.ledger import STEPS, open_ledger
from webapp.ledger.schema import HEAD, METADATA, VERSION_TABLE


def test_the_steps_make_the_schema_that_is_used(ledger_url: Secret, tmp_path: Path) -> None:
    ledger = open_ledger(ledger_url, tmp_path)
    options = {"version_table": VERSION_TABLE}
    with ledger.database.read() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []
    assert ScriptDirectory(str(STEPS.folder)).get_heads() == [HEAD]
    ledger.close()


def test_accounts_and_ledger_share_a_database(ledger_url: Secret, tmp_path: Path) -> None:
    for _ in range(2):
        ledger = open_ledger(ledger_url, tmp_path)
        accounts = open_accounts(ledger_url, tmp_path)
        accounts.close()
        ledger.close()


def test_a_newer_ledger_is_left_alone(ledger_url: Secret, tmp_path: Path) -> None:
    open_ledger(ledger_url, tmp_path).close()
    database = open_database(ledger_url, tmp_path)
    with database.write() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    with pytest.raises(AccountsUnusable, match="ledger's database was written by another version"):
        open_ledger(ledger_url, tmp_path)
