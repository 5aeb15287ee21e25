"""Brings a database of SQLAlchemy's to the schema of this version. No Flask."""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from webapp.accounts.database import AccountDatabase, describe
from webapp.accounts.errors import AccountsUnusable
from webapp.accounts.schema import HEAD

FOLDER = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version"
LOCK_KEY = 0x6561736C  # PostgreSQL's advisory lock: one process at a time migrates


@dataclass(frozen=True, slots=True)
class Steps:
    """Where the steps of a schema lie, the last of them, and the table that says which was run."""

    folder: Path = FOLDER
    head: str = HEAD
    version_table: str = VERSION_TABLE


def migrate(database: AccountDatabase, target: str | None = None, steps: Steps = Steps()) -> None:
    """Run the steps that are missing, all or none; rows are kept.

    Raises :class:`AccountsUnusable` for a database that cannot be reached, or that a newer Easel
    has written.
    """
    target = target or steps.head
    try:
        if _revision(database, steps) == target:
            return
        with database.writer.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK_KEY)))
            _upgrade(connection, target, steps, database.content)
    except (SQLAlchemyError, OSError) as error:
        why = describe(error) if isinstance(error, SQLAlchemyError) else error.strerror
        raise AccountsUnusable(
            f"The {database.content} cannot be used ({why}). See that it runs and lets this "
            "service write, or name another with --database-url."
        ) from error


def _revision(database: AccountDatabase, steps: Steps) -> str | None:
    """The last step that was run; None for an empty database. Alembic is not loaded for it."""
    with database.reader.connect() as connection:
        if not sa.inspect(connection).has_table(steps.version_table):
            return None
        return connection.scalar(sa.text(f"SELECT version_num FROM {steps.version_table}"))


def _upgrade(connection: sa.Connection, target: str, steps: Steps, content: str) -> None:
    from alembic import command  # a quarter of a second, which few starts need
    from alembic.config import Config
    from alembic.util import CommandError

    settings = Config()
    settings.set_main_option("script_location", str(steps.folder).replace("%", "%%"))
    settings.attributes["connection"] = connection
    try:
        command.upgrade(settings, target)
    except CommandError as error:
        raise AccountsUnusable(
            f"The {content} was written by another version of Easel: {error}"
        ) from error
