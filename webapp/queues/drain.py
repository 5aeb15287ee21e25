"""Announces in the queue that the service ends: running jobs finish, waiting ones stay.

Written by the supervisor, read by the web process; imports neither Flask nor torch.
"""

import os
import socket
from collections.abc import Mapping

from webapp.process_tree import SUPERVISOR_VARIABLE, machine_identity
from webapp.queues.contracts.service_notices import ServiceNotices


def service_name(supervisor: int) -> str:
    """The service of a supervisor of this machine: others' services go on."""
    return f"{socket.gethostname()}/{machine_identity()}:{supervisor}"


def announce_drain(notices: ServiceNotices) -> None:
    """Say that this supervisor's service ends."""
    notices.announce_end(service_name(os.getpid()))


def withdraw_drain(notices: ServiceNotices) -> None:
    """Say that this supervisor's service goes on, or begins."""
    notices.withdraw_end(service_name(os.getpid()))


def is_draining(notices: ServiceNotices, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the supervisor of this process has said so; what an earlier one said is over."""
    supervisor = environ.get(SUPERVISOR_VARIABLE, "")
    return supervisor.isdigit() and notices.is_ending(service_name(int(supervisor)))
