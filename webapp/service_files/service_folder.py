"""The folder of a service: its record, log, token and lock, for its user alone."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any, BinaryIO

from generator.atomic_file import write_atomically
from webapp.processes.log_limit import cut_log
from webapp.service_files.errors import ServiceFailed, UnreadableRecord
from webapp.service_files.run_identity import ProcessIdentity
from webapp.settings.config import address_here

MAX_RECORD_BYTES = 64 << 10
FOR_OTHERS = stat.S_IWGRP | stat.S_IWOTH
OPEN_LOG = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A run of a service: its first process, where it answers, and what it works in."""

    name: str
    file: str
    edition: str
    run: str  # the id that all its processes carry
    pid: int
    started_ticks: int
    boot: str
    started_at: float  # seconds since the epoch
    host: str
    port: int
    tls: bool
    root_path: str
    data_dir: str
    grace_seconds: int

    @property
    def identity(self) -> ProcessIdentity:
        """Its first process."""
        return ProcessIdentity(self.pid, self.started_ticks, self.boot)

    @property
    def url(self) -> str:
        """Where it answers, seen from this machine."""
        return address_here(self.host, self.port, self.root_path, tls=self.tls)


@dataclass(frozen=True, slots=True)
class ServiceFolder:
    """The folder of one service, below that of all."""

    path: Path

    @property
    def log_file(self) -> Path:
        """What the service says."""
        return self.path / "log"

    @property
    def token_file(self) -> Path:
        """The owner's token."""
        return self.path / "token"

    @property
    def record_file(self) -> Path:
        """The run that was started last, until it is ended."""
        return self.path / "service.json"

    def make(self) -> None:
        """Make it with mode 0700. Raises :class:`ServiceFailed` where others could write there."""
        for folder in (self.path.parent, self.path):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise ServiceFailed(
                    f"The folder {folder} cannot be made: {error.strerror}. Name another with "
                    "--services-dir."
                ) from None
            _check_private(folder)
        self.path.chmod(0o700)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time. Raises :class:`ServiceFailed` while another works on it."""
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ServiceFailed(
                    f"Another command works on {self.path.name} now. Wait for it to end."
                ) from None
            yield
        finally:
            os.close(handle)

    def open_log(self) -> BinaryIO:
        """The log to append to; a long one is put aside first."""
        log = os.fdopen(os.open(self.log_file, OPEN_LOG, 0o600), "ab")
        cut_log(self.log_file)
        return log

    def read_record(self) -> ServiceRecord | None:
        """The run that was started last; None where none was, or it was ended."""
        try:
            with self.record_file.open("rb") as file:
                fields = json.loads(file.read(MAX_RECORD_BYTES))
            return _to_record(fields)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise UnreadableRecord(
                f"{self.record_file} cannot be read ({why}): whether {self.path.name} runs is "
                "not known. End its processes and remove that file."
            ) from None

    def write_record(self, record: ServiceRecord) -> None:
        """Keep a run."""
        write_atomically(self.record_file, json.dumps(asdict(record), indent=2).encode())

    def forget_record(self) -> None:
        """The run is over."""
        self.record_file.unlink(missing_ok=True)


def _to_record(fields: Any) -> ServiceRecord:
    names = {each.name for each in dataclass_fields(ServiceRecord)}
    if not isinstance(fields, dict) or fields.keys() != names:
        raise ValueError("it is not the record of a run")
    record = ServiceRecord(**fields)
    for each in dataclass_fields(record):
        value, kind = getattr(record, each.name), each.type
        if not (isinstance(value, kind) if isinstance(kind, type) else False):
            raise ValueError(f"its {each.name} does not fit")
    return record


def _check_private(folder: Path) -> None:
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode):
        raise ServiceFailed(f"{folder} is a link or a file. Name a folder with --services-dir.")
    if facts.st_uid != os.geteuid() or facts.st_mode & FOR_OTHERS:
        raise ServiceFailed(
            f"Others can write into {folder}, where a service's token lies. Take that right from "
            "them (chmod go-w), or name a folder of your own with --services-dir."
        )
