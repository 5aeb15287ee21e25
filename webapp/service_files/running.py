"""Starts and ends services in the background, and tells how they are."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

from generator.atomic_file import make_folders, write_atomically
from webapp.process_tree import LOG_FILE_VARIABLE
from webapp.processes.ports import ping
from webapp.service_files.errors import ServiceFailed
from webapp.service_files.plan import ServicePlan
from webapp.service_files.run_identity import (
    RUN_VARIABLE,
    identify,
    run_processes,
    signal_process,
)
from webapp.service_files.service_folder import ServiceFolder, ServiceRecord
from webapp.settings.secret_files import owner_token
from webapp.settings.secret_flags import COMMAND_LINE

MAX_START_BYTES = 1 << 20
PROGRAM = (sys.executable, "-m", "webapp")
READY = b"Easel is ready at "
POLL_SECONDS = 0.1
PING_SECONDS = 3.0
KILL_SECONDS = 10.0  # after SIGKILL: what then still runs cannot be ended
LEFTOVER_SECONDS = 5.0  # for processes whose service is dead
MAX_LINES_SHOWN = 20


class ServiceState(StrEnum):
    """How a service is."""

    RUNNING = "running"
    SILENT = "not answering"  # it starts, or hangs
    DEAD = "dead"  # it ended without being told to
    STOPPED = "stopped"


def state_of(record: ServiceRecord | None) -> ServiceState:
    """How a service is, by its record."""
    if record is None:
        return ServiceState.STOPPED
    if not record.identity.is_alive:
        return ServiceState.DEAD
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(record.host, record.host)
    answers = ping(host, record.port, record.tls, timeout=PING_SECONDS)
    return ServiceState.RUNNING if answers else ServiceState.SILENT


@dataclass(frozen=True, slots=True)
class Launch:
    """A service that was just started, and where in its log this run begins."""

    record: ServiceRecord
    process: "subprocess.Popen[bytes]"
    log_offset: int
    token_made: bool


def start(plan: ServicePlan, folder: ServiceFolder, records: Sequence[ServiceRecord]) -> Launch:
    """Start a service in the background; it need not answer yet.

    ``records``: the runs of all services. Raises :class:`ServiceFailed`.
    """
    refuse_running(plan, records)
    if (before := folder.read_record()) is not None:  # it died
        end_processes(before.run, LEFTOVER_SECONDS)
    try:
        make_own_folders(plan)
        token_made = keep_token(plan, folder)
        return launch(plan, folder, token_made=token_made)
    except OSError as error:
        raise ServiceFailed(
            f"{error.filename or folder.path} cannot be used: {error.strerror}."
        ) from None


def refuse_running(plan: ServicePlan, records: Sequence[ServiceRecord]) -> None:
    """Raise where this service runs, or another in the same data directory."""
    for record in records:
        if not record.identity.is_alive:
            continue
        if record.name == plan.name:
            raise ServiceFailed(
                f"{plan.name} runs already at {record.url}. End it with easel down {plan.name}, or "
                "start a second one with --name."
            )
        if Path(record.data_dir).resolve() == plan.config.data_dir.resolve():
            raise ServiceFailed(
                f"{record.name} runs in the same data directory, {record.data_dir}. End it, or "
                "name another folder with --mount."
            )


def make_own_folders(plan: ServicePlan) -> None:
    """Make folders for mount paths that have none; never through a link."""
    for own in (plan.config.data_dir, *(mount.folder for mount in plan.mounts if mount.is_made)):
        if not own.is_relative_to(plan.folder):
            continue
        for folder in (own, *own.parents):
            if folder == plan.folder:
                break
            if folder.is_symlink():
                raise ServiceFailed(f"{folder} is a link. Name its target with --mount.")
        make_folders(own)


def keep_token(plan: ServicePlan, folder: ServiceFolder) -> bool:
    """See that the owner's token lies in its file, if no flag names it; whether it was made now."""
    if plan.config.token is not None:
        return False
    if plan.token is not None:
        write_atomically(folder.token_file, f"{plan.token.reveal()}\n".encode())
        return False
    before = folder.token_file.read_bytes() if folder.token_file.exists() else b""
    return owner_token(folder.token_file).encode() != before.strip()


def launch(plan: ServicePlan, folder: ServiceFolder, *, token_made: bool) -> Launch:
    """Start the supervisor in a session of its own, and keep its record."""
    run, config, words = uuid4().hex, plan.config, list(plan.words)
    if config.token is None:
        words += ["--token", f"@{folder.token_file}"]
    environ = {**os.environ, RUN_VARIABLE: run, LOG_FILE_VARIABLE: str(folder.log_file)}
    if plan.secret_words:
        line = shlex.split(environ.get(COMMAND_LINE, ""))
        environ[COMMAND_LINE] = shlex.join([*line, *plan.secret_words])
    with folder.open_log() as log:
        offset = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            [*PROGRAM, "serve", *words],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    identity = identify(process.pid)
    if identity is None:
        process.kill()
        raise ServiceFailed("Processes cannot be told apart here: /proc is needed (Linux).")
    record = ServiceRecord(
        name=plan.name, file=str(plan.file.absolute()), edition=config.edition, run=run,
        pid=identity.pid, started_ticks=identity.started_ticks, boot=identity.boot,
        started_at=time.time(), host=config.host, port=config.port or 0,
        tls=config.tls_certfile is not None, root_path=config.root_path,
        data_dir=str(config.data_dir), grace_seconds=plan.grace_seconds,
    )  # fmt: skip
    folder.write_record(record)
    return Launch(record, process, offset, token_made)


def wait_until_ready(started: Launch, folder: ServiceFolder) -> None:
    """Wait until the service answers. Raises :class:`ServiceFailed` with its log where it ends."""
    while not any(line.startswith(READY) for line in log_lines(folder, started.log_offset)):
        if started.process.poll() is not None:
            end_processes(started.record.run, LEFTOVER_SECONDS)
            folder.forget_record()
            lines = log_lines(folder, started.log_offset)[-MAX_LINES_SHOWN:]
            said = b"\n".join(lines).decode(errors="replace")
            raise ServiceFailed(f"{started.record.name} did not start. It said:\n{said}")
        time.sleep(POLL_SECONDS)


def log_lines(folder: ServiceFolder, offset: int) -> list[bytes]:
    """The lines of a log from a place on, of a start: some kilobytes."""
    with folder.log_file.open("rb") as log:
        log.seek(offset)
        return log.read(MAX_START_BYTES).splitlines()


def stop(record: ServiceRecord) -> bool:
    """End all processes of a run as kindly as they let; whether some had to be killed.

    The first of them, the supervisor, ends its children; what others leave behind is told, too.
    """
    if not record.identity.is_alive:
        return end_processes(record.run, LEFTOVER_SECONDS)
    signal_process(record.pid, record.run, signal.SIGTERM)
    deadline = time.monotonic() + record.grace_seconds
    while record.identity.is_alive and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    killed = end_processes(record.run, 0 if record.identity.is_alive else LEFTOVER_SECONDS)
    if record.identity.is_alive:
        raise ServiceFailed(f"Process {record.pid} of {record.name} cannot be ended by this user.")
    return killed


def end_processes(run: str, seconds: float) -> bool:
    """SIGTERM to all processes of a run, SIGKILL to those that are left; whether there were any."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, KILL_SECONDS)):
        left = run_processes(run)
        for pid in left:
            signal_process(pid, run, number)
        deadline = time.monotonic() + patience
        while left and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            left = run_processes(run)
        if not left:
            return number == signal.SIGKILL
    raise ServiceFailed(f"The processes {', '.join(map(str, left))} cannot be ended, even killed.")
