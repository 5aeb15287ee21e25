"""Plans and states of services in lines for people."""

import shlex
import time
from collections.abc import Iterator, Sequence

from webapp.service_files.errors import escape_text
from webapp.service_files.plan import ServicePlan
from webapp.service_files.running import Launch, ServiceState
from webapp.service_files.service_folder import ServiceFolder, ServiceRecord

HEADINGS = ("NAME", "STATE", "PID", "EDITION", "STARTED", "URL", "DATA")


def plan_lines(plan: ServicePlan) -> Iterator[str]:
    """What would be started, and every value of the file that has no effect."""
    config = plan.config
    yield f"{plan.name}: {config.edition} edition, from {plan.file}"
    for mount in plan.mounts:
        how = " (made)" if mount.is_made else ""
        access = "" if mount.is_writable else ", read only"
        sources = (
            f" for {' or '.join(mount.sources)}" if mount.sources != (str(mount.path),) else ""
        )
        yield f"  {mount.path} is {mount.folder}{how}{sources}{access}"
    yield f"  data directory: {config.data_dir}"
    secret = " and secret flags" if plan.secret_words else ""
    yield f"  easel serve {shlex.join(plan.words)}{secret}"
    if plan.unused:
        yield "Without effect here:"
    for each in plan.unused:
        yield f"  {escape_text(each.place)} = {each.value}: {each.why}"
    if config.ignored:
        yield f"Accepted flags without a meaning: {', '.join(config.ignored)}"


def started_lines(plan: ServicePlan, started: Launch, folder: ServiceFolder) -> Iterator[str]:
    """Where a service answers, and its token if it was made just now."""
    url = started.record.url
    yield f"{plan.name} runs at {url} (easel logs {plan.name}, easel down {plan.name})"
    if plan.config.asynchronous:
        yield f"Queue: {url}/api/predict/{plan.name}, results: {url}/api/predict/{plan.name}/sink"
    if started.token_made:
        token = folder.token_file.read_text(encoding="ascii").strip()
        yield f"Token, shown this once: {token}"
    if plan.config.accounts:
        yield f"The first account is made at the link in easel logs {plan.name}"
    if plan.config.token is None:
        yield f"The token is kept in {folder.token_file}"


def status_lines(
    services: Sequence[tuple[str, ServiceRecord | None, ServiceState]],
) -> Iterator[str]:
    """A table, a service a line."""
    rows = [HEADINGS, *(_status_row(*service) for service in services)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _status_row(name: str, record: ServiceRecord | None, state: ServiceState) -> tuple[str, ...]:
    if record is None:
        return (name, state, "", "", "", "", "")
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.started_at))
    pid = "" if state is ServiceState.DEAD else str(record.pid)
    return (name, state, pid, record.edition, started, record.url, record.data_dir)
