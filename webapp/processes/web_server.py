"""The web process: gunicorn, one process with many threads, around ``create_app``."""

import gc
import logging
import math
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from plugins.part_loader import refuse_imports
from webapp.access.forwarded import parse_networks
from webapp.accounts.errors import AccountsUnusable
from webapp.app import create_app
from webapp.http.content_policy import EMPTY_POLICY
from webapp.http.thread_admission import ThreadLimits
from webapp.http.url_fetch import fetch_rules
from webapp.http.waiting_limit import WaitingLimit
from webapp.jobs.job_follower import JobFollower, JobParts, hold_always
from webapp.jobs.webhooks import WebhookPoster
from webapp.ledger.drain import DrainThread
from webapp.ledger.prices import BadPrices
from webapp.logs import bind_for_block, start_log
from webapp.process_tree import LISTEN_FD_VARIABLE, die_with_parent, die_with_supervisor
from webapp.processes.allocator import return_large_pieces
from webapp.processes.web_worker import ConnectionLimits, HeadFirstWorker
from webapp.queues.folder_watch import QueueWatchThread
from webapp.queues.service_notice import NoticeThread
from webapp.routes.predict.dispatcher import EntryDispatcher
from webapp.services import Services, build_services
from webapp.settings.config import Config, local_address, parse_with_secrets
from webapp.settings.data_dir import CannotUse, prepare_data_dir
from webapp.settings.secret_files import session_key
from webapp.settings.secret_flags import overwrite_secrets, remove_secrets
from webapp.settings.service_file import publish_service

if TYPE_CHECKING:
    from flask import Flask

    from webapp.accounts.accounts import Accounts

FREE_SHARE = 0.25
"""Of the threads, that neither requests that wait for pictures (``--max-waiting-requests``, the
owner's besides) nor watchers (``--max-watchers``) can take."""

MIN_FREE_THREADS = 160
"""Threads left for other requests, however few may wait and watch."""

BODY_THREADS = 128
"""Requests whose long bodies are read at once; others wait, without a thread."""

COMPUTING_THREADS = 8
"""Requests that compute at once; one that waits for a picture or for its client is none."""

SWITCH_SECONDS = 0.001
"""Seconds after which a thread that computes gives way to one that asks; Python's own are 0.005.

Each call of the system in the accepting loop asks again, and waits as long.
"""

ADDRESS_SHARE = 0.85
"""Share of the threads that one address may hold."""

OTHER_FILES = 2000  # open files beside the connections
DEFAULT_PORT = 7860
KEEP_ALIVE = 30  # seconds
GRACE_SECONDS = 3  # seconds for open requests on shutdown; workers have finished by then
MAX_LINE = 8190  # bytes; gunicorn's limit


class GunicornLog(Logger):
    """Gunicorn's logger without its own handlers: its lines go to the process's log."""

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's own handlers away again."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class RequestIdSocket:
    """A socket that adds X-Request-Id and CSP headers to the errors that gunicorn writes itself."""

    def __init__(self, connection: Any, request_id: str) -> None:
        self.connection, self.request_id = connection, request_id

    def __getattr__(self, name: str) -> Any:
        """All else is the connection's."""
        return getattr(self.connection, name)

    def sendall(self, data: bytes) -> None:
        """Send, with the header after the status line."""
        status, line, rest = data.partition(b"\r\n")
        headers = f"X-Request-Id: {self.request_id}\r\nContent-Security-Policy: {EMPTY_POLICY}\r\n"
        self.connection.sendall(status + line + headers.encode() + rest)


class ThreadedWorker(HeadFirstWorker):
    """The worker with request ids for malformed requests."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a malformed request; the log and the answer name it alike."""
        name = uuid4().hex
        with bind_for_block(request=name):
            super().handle_error(req, RequestIdSocket(client, name), addr, exc)


class GunicornServer(BaseApplication):
    """Gunicorn with settings of our own instead of its command line."""

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings to gunicorn."""
        for name, value in gunicorn_settings(self.config).items():
            self.cfg.set(name, value)

    def build_services(self) -> Services:
        """The services; ends gunicorn, which would try again for ever, where flags are amiss."""
        try:
            return build_services(self.config)
        except (AccountsUnusable, BadPrices) as error:
            logging.getLogger("easel").error("%s", error)
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from error

    def load(self) -> "Flask":
        """Make the app, in the process that serves it."""
        return_large_pieces()
        services = self.build_services()
        if services.accounts is not None:
            announce_first_admin(services.accounts, self.config)
        facts = publish_service(self.config)
        NoticeThread(services.service_notices, facts.data_id, facts.version).start()
        services.nodes.start()
        if services.filing is not None:
            services.filing.start()
        QueueWatchThread(services.queue, partial(end_process, self.config, services.log)).start()
        follow_jobs(services).start()
        DrainThread(services.charges, services.ledger, self.config.usage_months).start()
        app = create_app(services)
        if self.config.asynchronous:
            EntryDispatcher(app, services).start()
        refuse_imports()  # a plugin's web.py shall not bring torch in by a later import
        gc.collect()
        gc.freeze()  # all modules and routes, which each full collection would walk, for 0.1 s
        return app


def announce_first_admin(accounts: "Accounts", config: Config) -> None:
    """Print a link by which the first admin makes an account, as long as there is no admin."""
    code = accounts.invite_first_admin()
    if code is not None:
        address = config.public_address or local_address(config, config.port or DEFAULT_PORT)
        link = f"{address}/invite/{code.reveal()}"
        print(f"No admin yet. Make the first account (once, within a week): {link}", flush=True)


def follow_jobs(services: Services) -> JobFollower:
    """The thread that notices ended jobs and posts their webhooks."""
    config = services.config
    try:
        services.jobs.prepare()
    except (OSError, sqlite3.Error) as error:  # pictures are drawn all the same
        services.log.warning("jobs cannot be kept now: %s", error)
    poster = WebhookPoster(session_key(config.easel_dir), fetch_rules(config))
    turns = services.nodes.turns
    hold = hold_always if turns is None else turns.hold
    parts = JobParts(
        services.jobs, services.queue, services.sink, services.drawn_pictures, poster, hold
    )
    return JobFollower(parts, services.log)


def end_process(config: Config, log: logging.Logger, why: str) -> bool:
    """End this process as gunicorn does it, with answers for all who wait; it is started anew.

    False, and nothing done, while no other could use the data directory either: as long as this
    one lives, whoever asks is told.
    """
    try:
        prepare_data_dir(config)
    except CannotUse as error:
        log.debug("nothing to start anew with: %s", error)
        return False
    log.error("%s The web process ends, to be started anew.", why)
    os.kill(os.getpid(), signal.SIGTERM)
    return True


def gunicorn_settings(config: Config) -> dict[str, Any]:
    """Gunicorn's settings by name."""
    limits = connection_limits(config)
    memory = Path("/dev/shm")  # on a disk, gunicorn's heartbeat file can block the server
    return {
        "bind": [bind_address(config)],
        "worker_class": worker_class(limits),
        "workers": 1,
        "threads": limits.threads.all,
        "worker_connections": limits.all + 1,  # the worker makes room itself, and always accepts
        "keepalive": KEEP_ALIVE,
        "timeout": 0,  # a picture may take minutes
        "graceful_timeout": GRACE_SECONDS,
        "limit_request_line": MAX_LINE,
        "limit_request_field_size": MAX_LINE,
        "control_socket_disable": True,
        "worker_tmp_dir": str(memory) if memory.is_dir() else None,
        "accesslog": None,  # --api-log is ours
        "errorlog": "-",
        "logger_class": GunicornLog,
        "loglevel": "warning",
        "keyfile": str(config.tls_keyfile) if config.tls_keyfile else None,
        "certfile": str(config.tls_certfile) if config.tls_certfile else None,
        # gunicorn's own belief in proxies; ours is forwarded.py
        "forwarded_allow_ips": "" if config.trusted_proxies else "127.0.0.1,::1",
        "post_fork": lambda server, worker: die_with_parent(),
    }


def bind_address(config: Config) -> str:
    """The supervisor's open socket, or where to open one."""
    descriptor = os.environ.get(LISTEN_FD_VARIABLE)
    port = config.port or DEFAULT_PORT
    return f"fd://{descriptor}" if descriptor else format_address(config.host, port)


def connection_limits(config: Config) -> ConnectionLimits:
    """What the flags allow."""
    threads = thread_count(config)
    per_address = int(threads * ADDRESS_SHARE)
    return ConnectionLimits(
        all=config.max_connections,
        per_address=config.max_connections_per_address,
        threads=ThreadLimits(threads, per_address, BODY_THREADS, COMPUTING_THREADS),
        root=config.root_path,
        proxies=parse_networks(config.trusted_proxies),
    )


def thread_count(config: Config) -> int:
    """Threads for all requests: a quarter of them stays where all places to wait are taken."""
    held = WaitingLimit(config.max_waiting_requests).max_with_owner + config.max_watchers
    return max(math.ceil(held / (1 - FREE_SHARE)), held + MIN_FREE_THREADS)


def worker_class(limits: ConnectionLimits) -> type[ThreadedWorker]:
    """The worker with these limits; gunicorn makes it by its class."""
    return type("Worker", (ThreadedWorker,), {"limits": limits})


def allow_files(count: int) -> None:
    """Raise the number of open files that this process may have, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def format_address(host: str, port: int) -> str:
    """Host and port as gunicorn writes them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def main(words: Sequence[str]) -> int:
    """``easel web``: serve until a signal; the exit code."""
    die_with_supervisor()
    config = parse_with_secrets(words)
    overwrite_secrets(words, os.environ)  # of one that was started by hand
    remove_secrets(os.environ)
    start_log(config.log_json)
    sys.setswitchinterval(SWITCH_SECONDS)
    allow_files(config.max_connections + OTHER_FILES)
    GunicornServer(config).run()
    return 0
