"""What a worker that joins a service by itself checks first, and whether it still fits later.

``easel worker --data-dir ... [--queue-url ...]``: the folder must be the service's, the queue the
one that belongs to it, and this Easel the one that serves. No Flask, no torch.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filebrowser.watch.mounts import file_system_type, read_mounts, supports_inotify
from webapp.process_tree import SUPERVISOR_VARIABLE, boot_identity
from webapp.queues.contracts.service_notices import ServiceNotice, ServiceNotices
from webapp.queues.service_notice import NOTICE_SECONDS
from webapp.settings.data_dir import check_writable
from webapp.settings.local_cache import local_cache
from webapp.settings.service_file import ServiceFacts, follow_service, read_service
from webapp.version import VERSION

if TYPE_CHECKING:
    from webapp.settings.config import Config

CLOCK_TOLERANCE = 15.0  # seconds by which clocks may differ without a word

log = logging.getLogger("easel.worker")


class CannotJoin(Exception):
    """The worker does not fit the service that it was to join; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Joining:
    """A worker that joins: how it works, and which service it found in its data directory."""

    config: "Config"
    facts: ServiceFacts


def is_joining(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this worker was started by itself, not by a service's supervisor."""
    return not environ.get(SUPERVISOR_VARIABLE)


def join_folder(config: "Config", queue_file: Path | None) -> Joining:
    """Check the data directory, before the queue is opened. Raises :class:`CannotJoin`.

    ``queue_file`` is the SQLite file of the queue, None where the queue is a server's. The
    configuration that comes back follows the service's.
    """
    facts = read_service(config.easel_dir)
    if facts is None:
        raise CannotJoin(
            f"No service has used the data directory {config.data_dir} yet (it has no "
            ".easel/service.json). Mount the folder that the web process was started with, name it "
            "with --data-dir, and start the web process first."
        )
    check_version(facts.version)
    check_state_folder(config)
    on_network = is_shared_by_network(config.easel_dir)
    if queue_file is not None:
        check_queue_file(queue_file, facts)
    config = follow_service(config, facts)
    if on_network and config.cache_dir is None:
        config = replace(config, cache_dir=local_cache(facts.data_id))
    return Joining(config, facts)


def check_version(version: str) -> None:
    """See that the service's Easel is this one. Raises :class:`CannotJoin`."""
    if version != VERSION:
        raise CannotJoin(
            f"The web process is Easel {version or 'of a later version'}, this worker Easel "
            f"{VERSION}: jobs of one may mean nothing to the other. Install the same version here."
        )


def check_state_folder(config: "Config") -> None:
    """See that this user may write the service's own folder. Raises :class:`CannotJoin`."""
    try:
        check_writable(config.easel_dir)
    except OSError as error:
        raise CannotJoin(
            f"{config.easel_dir} cannot be written by user {os.geteuid()}: {error.strerror}. A "
            "worker saves pictures there as the web process does: run it as the same user id, and "
            "mount the folder for writing."
        ) from error


def check_queue_file(path: Path, facts: ServiceFacts) -> None:
    """See that processes of two machines do not share a SQLite file. Raises :class:`CannotJoin`.

    Its write-ahead log lives in memory that is shared by the processes of one kernel alone.
    """
    remedy = (
        "Start the web process and the workers with --queue-url redis://HOST, or run this worker "
        "on the web process's own machine."
    )
    if is_shared_by_network(path.parent):
        kind = file_system_type(path.parent, read_mounts())
        raise CannotJoin(
            f"The queue {path} is a SQLite file on a network file system ({kind}), which SQLite's "
            f"log does not survive. {remedy}"
        )
    if facts.boot and facts.boot != boot_identity():
        raise CannotJoin(
            f"The queue {path} is a SQLite file of a web process on another machine (or of before "
            f"the last boot; then start the web process first). {remedy}"
        )


def is_shared_by_network(path: Path) -> bool:
    """Whether other machines, or a daemon, may change what is on that file system."""
    return not supports_inotify(path, read_mounts())


def check_queue(notices: ServiceNotices, facts: ServiceFacts, now: float) -> None:
    """See that the queue is that of the data directory. Raises :class:`CannotJoin`."""
    notice = notices.read_notice()
    if notice is None:
        raise CannotJoin(
            "No web process has said in this queue that it serves it. Start the web process "
            "first, with the same --queue-url."
        )
    if why := mismatch(notice, facts):
        raise CannotJoin(why)
    if told := describe_clocks(notice, now):
        log.warning("%s", told)


def mismatch(notice: ServiceNotice, facts: ServiceFacts) -> str:
    """Why a worker of that data directory has no place at this queue; "" where it has."""
    if notice.data_id != facts.data_id:
        return (
            f"The queue belongs to the data directory {notice.data_id[:12]}, the folder of "
            f"--data-dir is {facts.data_id[:12]}: one of --queue-url and --data-dir is another "
            "service's."
        )
    try:
        check_version(notice.version)
    except CannotJoin as error:
        return str(error)
    return ""


def describe_clocks(notice: ServiceNotice, now: float) -> str:
    """How the clocks of web process and worker differ, where that is worth a word.

    Nothing depends on it but dates: leases are timed by the store.
    """
    if notice.at - now > CLOCK_TOLERANCE:
        return f"This machine's clock is {notice.at - now:.0f} seconds behind the web process's."
    late = now - notice.at - NOTICE_SECONDS
    if late > CLOCK_TOLERANCE:
        return (
            f"The web process was last heard of {now - notice.at:.0f} seconds ago: it does not "
            "run now, or this machine's clock is ahead of its."
        )
    return ""


class Membership:
    """Whether a joined worker still fits: looked at again and again while it works."""

    def __init__(
        self,
        notices: ServiceNotices,
        facts: ServiceFacts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.notices = notices
        self.facts = facts
        self.clock = clock
        self._looked_at = clock()

    def reason_to_leave(self) -> str:
        """Why the worker must end; "" while it may stay. Cheap. Raises as the store."""
        now = self.clock()
        if now - self._looked_at < NOTICE_SECONDS:
            return ""
        self._looked_at = now
        notice = self.notices.read_notice()
        return mismatch(notice, self.facts) if notice is not None else ""
