"""Each schema of the accounts becomes the next one, with its rows."""

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from webapp.access.secret import Secret
from webapp.accounts.accounts import open_accounts
from webapp.accounts.database import AccountDatabase, open_database
from webapp.accounts.errors import AccountsUnusable
from webapp.accounts.logins import find_login
from webapp.accounts.migrate import FOLDER, migrate
from webapp.accounts.passwords import AccountPasswords
from webapp.accounts.schema import HEAD, METADATA

FIRST_TABLES = ("users", "logins", "tokens", "invitations")


def rows_of(database: AccountDatabase) -> dict[str, list[dict[str, Any]]]:
    """All rows of the first schema's tables, by name."""
    tables = sa.MetaData()
    with database.read() as connection:
        tables.reflect(connection)
        return {
            name: [
                dict(row) for row in connection.execute(sa.select(tables.tables[name])).mappings()
            ]
            for name in FIRST_TABLES
        }


def fill(database: AccountDatabase, login: Secret) -> None:
    """Rows of the first schema, as its version wrote them."""
    encoded = AccountPasswords().hash_password(Secret("five wet maps hum"))
    user = {"id": 7, "name": "ann", "role": "admin", "password": encoded, "created": 1.5}
    token = {
        "id": "t1", "digest": "d" * 64, "user_id": 7, "label": "l", "scopes": "read generate",
        "created": 2.5, "expires": None, "used": 3.0,
    }  # fmt: skip
    kept = {
        "id": "l1", "digest": login.full_digest(), "user_id": 7, "began": 1.0, "seen": 4e9,
        "expires": 4e9, "address": "::1", "agent": "a browser",
    }  # fmt: skip
    invitation = {
        "id": "i1", "digest": "e" * 64, "role": "viewer", "name": None, "created": 1.0,
        "created_by": "ann", "expires": 4e9,
    }  # fmt: skip
    tables = sa.MetaData()
    with database.write() as connection:
        tables.reflect(connection)
        rows = (("users", user), ("tokens", token), ("logins", kept), ("invitations", invitation))
        for name, row in rows:
            connection.execute(tables.tables[name].insert().values(**row))


def test_rows_of_the_first_schema_are_kept(database_url: Secret, tmp_path: Path) -> None:
    database, login = open_database(database_url, tmp_path), Secret("a cookie of before")
    migrate(database, "0001")
    fill(database, login)
    before = rows_of(database)
    assert all(len(rows) == 1 for rows in before.values())
    database.close()
    accounts = open_accounts(database_url, tmp_path)
    after = rows_of(accounts.database)
    added = {after["users"][0].pop(name) for name in ("identity", "group_id")}
    assert (after, added) == (before, {None})
    assert find_login(accounts.database, login)
    assert accounts.authenticate("ann", Secret("five wet maps hum"), "")
    accounts.close()


def test_the_steps_make_the_schema_that_is_used(database_url: Secret, tmp_path: Path) -> None:
    database = open_database(database_url, tmp_path)
    migrate(database)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    assert ScriptDirectory(str(FOLDER)).get_heads() == [HEAD]
    database.close()


def test_processes_that_start_at_once_migrate_once(database_url: Secret, tmp_path: Path) -> None:
    failures: list[Exception] = []

    def start() -> None:
        database = open_database(database_url, tmp_path)
        try:
            migrate(database)
        except Exception as error:
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_newer_database_is_left_alone(database_url: Secret, tmp_path: Path) -> None:
    database = open_database(database_url, tmp_path)
    migrate(database)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(AccountsUnusable, match="another version of Easel"):
        migrate(database)
    database.close()


def test_a_step_that_fails_changes_nothing(database_url: Secret, tmp_path: Path) -> None:
    database = open_database(database_url, tmp_path)
    migrate(database, "0001")
    with database.write() as connection:  # in the way of the second step, after its first change
        connection.execute(sa.text("CREATE TABLE audit (id INTEGER)"))
    with pytest.raises(AccountsUnusable):
        migrate(database)
    with database.read() as connection:
        assert "identity" not in {
            row["name"] for row in sa.inspect(connection).get_columns("users")
        }
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "0001"
    with database.write() as connection:
        connection.execute(sa.text("DROP TABLE audit"))
    migrate(database)
    database.close()


def test_the_file_is_its_users_alone(memory_folder: Path) -> None:
    accounts = open_accounts(None, memory_folder)
    modes = {path.name: path.stat().st_mode & 0o777 for path in memory_folder.iterdir()}
    accounts.close()
    assert modes
    assert set(modes.values()) == {0o600}, modes


def test_a_damaged_file_is_told_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    path.write_bytes(b"no database" * 1000)
    before = path.read_bytes()
    with pytest.raises(AccountsUnusable, match="file is not a database"):
        open_accounts(None, tmp_path)
    assert path.read_bytes() == before
