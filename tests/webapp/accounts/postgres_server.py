"""Debian's PostgreSQL, started by tests on a socket of its own and as nobody's superuser."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.wait import wait_until

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
MISSING = "Debian's PostgreSQL is not here: apt-get install postgresql"
USERS = ("postgres", "nobody")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB")


@dataclass
class PostgresServer:
    """A running server."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    def connect(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        """To one of its databases."""
        return psycopg.connect(
            host=str(self.folder), user="easel", dbname=database, autocommit=True
        )

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"easel_{next(self.numbers)}"
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.address_of(name)

    def empty_database(self) -> str:
        """The address of one database for a test after the other, emptied: quicker than a new one.

        Whoever used it before has closed it.
        """
        with self.connect() as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return self.address_of("postgres")

    def address_of(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql://easel@/{name}?host={self.folder}"

    def answers(self) -> bool:
        """Whether it takes connections yet."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def server_user() -> Mapping[str, Any]:
    """As whom it runs: PostgreSQL refuses root."""
    if os.geteuid():
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in USERS if name in known)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server that has ended afterwards, with its folder."""
    who, binary = server_user(), BINARIES[-1]
    folder = Path(tempfile.mkdtemp(prefix="easel-pg-", dir="/tmp"))  # a socket's path is short
    if who:
        os.chown(folder, who["user"], who["group"])
    data, environ = folder / "data", {"LC_ALL": "C", "PATH": os.environ["PATH"]}
    try:
        subprocess.run(
            [binary.with_name("initdb"), "-D", data, "-U", "easel", "-A", "trust", "-E", "UTF8",
             "--no-sync"],
            check=True, capture_output=True, cwd=folder, env=environ, **who,
        )  # fmt: skip
        settings = [word for each in FAST for word in ("-c", each)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [binary, "-D", data, "-k", folder, "-c", "listen_addresses=", *settings],
                cwd=folder, env=environ, stdout=log, stderr=log, **who,
            )  # fmt: skip
        server = PostgresServer(folder)
        try:
            wait_until(lambda: process.poll() is not None or server.answers())
            assert process.poll() is None, (folder / "log").read_text()
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
