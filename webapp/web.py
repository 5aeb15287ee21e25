"""The web process: gunicorn, one process with many threads, around ``create_app``."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.workers.gthread import ThreadWorker

from plugins.importing import refuse_for_good
from webapp.app import create_app
from webapp.config import Config, parse
from webapp.family import LISTEN_FD, die_with_parent, die_with_supervisor
from webapp.logs import about, start_log
from webapp.services import build

if TYPE_CHECKING:
    from flask import Flask

THREADS = 200
"""Synchronous requests that may wait for their picture at once, open event streams included."""

KEEP_ALIVE = 30  # seconds
GRACE = 3  # seconds for open requests on shutdown; workers have finished by then
LONGEST_LINE = 8190  # bytes; gunicorn's limit


class Lines(Logger):
    """Gunicorn's log in the form of ours: its lines go to the handler of the process."""

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's own handlers away again."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Named:
    """A connection to which gunicorn writes an error of its own: the answer gets an id."""

    def __init__(self, connection: Any, name: str) -> None:
        self.connection, self.name = connection, name

    def __getattr__(self, name: str) -> Any:
        """All else is the connection's."""
        return getattr(self.connection, name)

    def sendall(self, data: bytes) -> None:
        """Send, with the header after the status line."""
        status, line, rest = data.partition(b"\r\n")
        self.connection.sendall(status + line + f"X-Request-Id: {self.name}\r\n".encode() + rest)


class Threads(ThreadWorker):
    """Gunicorn's worker, whose answers to what is no request have ids as well."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a malformed request; the log and the answer name it alike."""
        name = uuid4().hex
        with about(request=name):
            super().handle_error(req, Named(client, name), addr, exc)

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        """Close after a request whose unread body is malformed: it has its answer already."""
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        except (ParseException, NoMoreData) as error:
            self.log.warning("An unread body from %s is malformed: %s", conn.client, error)
            return False


class Server(BaseApplication):
    """Gunicorn with settings of our own instead of its command line."""

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings to gunicorn."""
        for name, value in settings(self.config).items():
            self.cfg.set(name, value)

    def load(self) -> "Flask":
        """Make the app, in the process that serves it."""
        services = build(self.config)
        if services.filing is not None:
            services.filing.begin()
        app = create_app(services)
        refuse_for_good()  # a plugin's web.py shall not bring torch in by a later import
        return app


def settings(config: Config) -> dict[str, Any]:
    """Gunicorn's settings by name."""
    descriptor = os.environ.get(LISTEN_FD)
    memory = Path("/dev/shm")  # on a disk, gunicorn's heartbeat file can block the server
    return {
        "bind": [f"fd://{descriptor}" if descriptor else address(config.host, config.port or 7860)],
        "worker_class": Threads,
        "workers": 1,
        "threads": THREADS,
        "worker_connections": 1000,
        "keepalive": KEEP_ALIVE,
        "timeout": 0,  # a picture may take minutes
        "graceful_timeout": GRACE,
        "limit_request_line": LONGEST_LINE,
        "limit_request_field_size": LONGEST_LINE,
        "control_socket_disable": True,
        "worker_tmp_dir": str(memory) if memory.is_dir() else None,
        "accesslog": None,  # --api-log is ours
        "errorlog": "-",
        "logger_class": Lines,
        "loglevel": "warning",
        "keyfile": str(config.tls_keyfile) if config.tls_keyfile else None,
        "certfile": str(config.tls_certfile) if config.tls_certfile else None,
        "post_fork": lambda server, worker: die_with_parent(),
    }


def address(host: str, port: int) -> str:
    """Host and port as gunicorn writes them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def main(words: Sequence[str]) -> int:
    """``easel web``: serve until a signal; the exit code."""
    die_with_supervisor()
    config = parse(words)
    start_log(config.log_json)
    Server(config).run()
    return 0
