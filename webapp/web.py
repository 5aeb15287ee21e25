"""The web process: gunicorn, one process with many threads, around ``create_app``."""

import os
import resource
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from plugins.importing import refuse_for_good
from webapp.allocator import return_large_pieces
from webapp.app import create_app
from webapp.config import Config, parse_handed
from webapp.content_policy import NOTHING
from webapp.family import LISTEN_FD, die_with_parent, die_with_supervisor
from webapp.logs import about, start_log
from webapp.places import CannotUse, prepare
from webapp.queue_watch import WatchingThread
from webapp.secret_flags import blot_out, forget
from webapp.services import build
from webapp.thread_admission import ThreadLimits
from webapp.web_worker import ConnectionLimits, HeadFirstWorker

if TYPE_CHECKING:
    import logging

    from flask import Flask

OTHER_THREADS = 240
"""Threads beside those of requests that wait for their pictures (``--max-waiting-requests``)."""

BODY_THREADS = 128
"""Requests whose long bodies are read at once; others wait, without a thread."""

MOST_OF_ONE_ADDRESS = 0.85
"""Share of the threads that one address may hold."""

FILES_BESIDE = 2000  # open files beside the connections
KEEP_ALIVE = 30  # seconds
GRACE = 3  # seconds for open requests on shutdown; workers have finished by then
LONGEST_LINE = 8190  # bytes; gunicorn's limit


class Lines(Logger):
    """Gunicorn's logger without its own handlers: its lines go to the process's log."""

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's own handlers away again."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Named:
    """A socket that adds X-Request-Id and CSP headers to the errors that gunicorn writes itself."""

    def __init__(self, connection: Any, name: str) -> None:
        self.connection, self.name = connection, name

    def __getattr__(self, name: str) -> Any:
        """All else is the connection's."""
        return getattr(self.connection, name)

    def sendall(self, data: bytes) -> None:
        """Send, with the header after the status line."""
        status, line, rest = data.partition(b"\r\n")
        headers = f"X-Request-Id: {self.name}\r\nContent-Security-Policy: {NOTHING}\r\n"
        self.connection.sendall(status + line + headers.encode() + rest)


class Threads(HeadFirstWorker):
    """The worker with request ids for malformed requests."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a malformed request; the log and the answer name it alike."""
        name = uuid4().hex
        with about(request=name):
            super().handle_error(req, Named(client, name), addr, exc)


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
        return_large_pieces()
        services = build(self.config)
        if services.filing is not None:
            services.filing.begin()
        WatchingThread(services.stream, partial(end, self.config, services.log)).start()
        app = create_app(services)
        refuse_for_good()  # a plugin's web.py shall not bring torch in by a later import
        return app


def end(config: Config, log: "logging.Logger", why: str) -> bool:
    """End this process as gunicorn does it, with answers for all who wait; it is started anew.

    False, and nothing done, while no other could use the data directory either: as long as this
    one lives, whoever asks is told.
    """
    try:
        prepare(config)
    except CannotUse as error:
        log.debug("nothing to start anew with: %s", error)
        return False
    log.error("%s The web process ends, to be started anew.", why)
    os.kill(os.getpid(), signal.SIGTERM)
    return True


def settings(config: Config) -> dict[str, Any]:
    """Gunicorn's settings by name."""
    descriptor = os.environ.get(LISTEN_FD)
    limits = connection_limits(config)
    memory = Path("/dev/shm")  # on a disk, gunicorn's heartbeat file can block the server
    return {
        "bind": [f"fd://{descriptor}" if descriptor else address(config.host, config.port or 7860)],
        "worker_class": worker_class(limits),
        "workers": 1,
        "threads": limits.threads.all,
        "worker_connections": limits.all + 1,  # the worker makes room itself, and always accepts
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


def connection_limits(config: Config) -> ConnectionLimits:
    """What the flags allow."""
    threads = config.max_waiting_requests + OTHER_THREADS
    return ConnectionLimits(
        all=config.max_connections,
        per_address=config.max_connections_per_address,
        threads=ThreadLimits(threads, int(threads * MOST_OF_ONE_ADDRESS), BODY_THREADS),
        root=config.root_path,
    )


def worker_class(limits: ConnectionLimits) -> type[Threads]:
    """The worker with these limits; gunicorn makes it by its class."""
    return type("Worker", (Threads,), {"limits": limits})


def allow_files(count: int) -> None:
    """Raise the number of open files that this process may have, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def address(host: str, port: int) -> str:
    """Host and port as gunicorn writes them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def main(words: Sequence[str]) -> int:
    """``easel web``: serve until a signal; the exit code."""
    die_with_supervisor()
    config = parse_handed(words)
    blot_out(words, os.environ)  # of one that was started by hand
    forget(os.environ)
    start_log(config.log_json)
    allow_files(config.max_connections + FILES_BESIDE)
    Server(config).run()
    return 0
