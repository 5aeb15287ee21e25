"""Layout of the data directory (queue, token, styles), and whether it is usable. No Flask."""

import errno
import logging
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from generator.atomic_file import make_folders, write_atomically
from webapp.access.secret import Secret
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.sqlite.ballast_file import BallastFile
from webapp.queues.sqlite.database import BALLAST_NAME
from webapp.queues.sqlite.queue import MAX_DELIVERY
from webapp.queues.sqlite.store import SqliteStore
from webapp.settings.secret_files import owner_token
from webapp.settings.state_files import STYLES_FILE
from webapp.settings.state_folder import prepare_state_folder

if TYPE_CHECKING:
    from webapp.settings.config import Config

QUEUE_FILE = "queue.db"
FULL_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT})
TOKEN_FILE = "token"


class CannotUse(Exception):
    """The data directory, or a part of it, cannot be used; the text says why."""


def open_store(config: "Config", log: logging.Logger | None = None) -> QueueStore:
    """The queue of this data directory.

    How often clients are given an entry that they do not commit is no flag's: a result would be
    out of the sink after one lost connection.
    """
    return SqliteStore(
        config.easel_dir / QUEUE_FILE,
        max_delivery=config.max_delivery,
        max_entries=config.max_queue_entries,
        max_entry_delivery=MAX_DELIVERY,
        log=log,
    )


def styles_files(config: "Config") -> tuple[Path, ...]:
    """Where named styles are read: the files of ``--styles-file``, else the data directory's."""
    return config.styles_files or (config.data_dir / STYLES_FILE,)


def known_data_paths(config: "Config") -> tuple[str, ...]:
    """By which absolute paths callers know the data directory, the longest first; no last slash."""
    known = {*config.mount_paths, str(config.data_dir)}
    return tuple(sorted({root.rstrip("/") for root in known} - {""}, key=len, reverse=True))


def prepare_data_dir(config: "Config") -> None:
    """Make the data directory and see that it can be written. Raises :class:`CannotUse`."""
    try:
        make_folders(config.data_dir)
        prepare_state_folder(config.easel_dir)
        try:
            check_writable(config.easel_dir)
        except OSError as error:
            ballast = BallastFile(config.easel_dir / BALLAST_NAME, logging.getLogger("easel"))
            if error.errno not in FULL_DISK_ERRORS or not ballast.release():
                raise
            check_writable(config.easel_dir)  # the service starts, so that room can be made with it
    except OSError as error:
        raise CannotUse(
            f"The data directory {config.data_dir} cannot be written: {error.strerror}. "
            "Name another with --data-dir, or give this user the right to write there."
        ) from error


def check_writable(folder: Path) -> None:
    """Raise ``OSError`` where nothing can be written."""
    probe = folder / f".probe-{os.getpid()}"
    try:
        write_atomically(probe, b"easel")
    finally:
        probe.unlink(missing_ok=True)


def check_certificate(config: "Config") -> None:
    """See that TLS can be spoken with the files named. Raises :class:`CannotUse`."""
    certificate, key = config.tls_certfile, config.tls_keyfile
    if not certificate and not key:
        return
    if not certificate or not key:
        raise CannotUse("TLS takes two files: name both --tls-certfile and --tls-keyfile.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise CannotUse(
            f"TLS cannot be spoken with {certificate} and {key}: {error.strerror or error}. "
            "Name a certificate and its key, both as PEM, that this user can read."
        ) from error


def service_token(config: "Config") -> Secret | None:
    """The token that opens the service; None where none is needed.

    The one given by the flags. Else, unless people have accounts: when other machines can reach
    the service and no credential is configured, or only tokens that open less, one made once and
    kept in the data directory for its owner alone.
    """
    if config.token:
        return config.token
    if config.accounts or config.api_auth or config.page_auth:
        return None
    if not config.narrow_tokens and (not config.listen or config.insecure):
        return None
    return Secret(owner_token(config.easel_dir / TOKEN_FILE))
