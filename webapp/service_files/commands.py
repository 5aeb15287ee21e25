"""``easel up``, ``status``, ``down``, ``logs``: services of the vendor's files on this machine."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from webapp.service_files.errors import BadServiceFile, ServiceFailed, quote
from webapp.service_files.log_view import follow, print_last_lines
from webapp.service_files.plan import NAME, PlanTerms, ServicePlan, read_plan
from webapp.service_files.plan_text import plan_lines, started_lines, status_lines
from webapp.service_files.running import ServiceState, start, state_of, stop, wait_until_ready
from webapp.service_files.service_folder import ServiceFolder, ServiceRecord
from webapp.settings.secret_flags import overwrite_secrets

EXIT_DONE, EXIT_FAILED, EXIT_MISUSED, EXIT_NOT_RUNNING = 0, 1, 2, 3
FOLDER_VARIABLE = "EASEL_SERVICES_DIR"
SERVICES_FOLDER = "services"


def up(words: Sequence[str]) -> int:
    """Start what a service file says."""
    own, flags = split_flags(words)
    parser = build_parser("up", "start the service of a file, in the background")
    parser.usage = "easel up FILE [options] [-- flags of easel serve]"
    parser.add_argument("file", type=Path, metavar="FILE", help="a service file (JSON)")
    parser.add_argument(
        "--mount", action="append", default=[], metavar="SOURCE=DIR",
        help="a folder for oss://BUCKET/PATH, nfs://SERVER/PATH or a mount path; repeatable",
    )  # fmt: skip
    parser.add_argument("--name", help="in place of metadata.name")
    parser.add_argument("--port", help="in place of the file's")
    parser.add_argument("--print", action="store_true", help="show the plan, start nothing")
    arguments = parser.parse_args(own)
    flags += [] if arguments.port is None else ["--port", arguments.port]
    return report_errors("up", lambda: run_up(arguments, flags))


def run_up(arguments: argparse.Namespace, flags: Sequence[str]) -> int:
    """Plan, and start unless the plan alone was asked for."""
    home = services_home(arguments)
    terms = PlanTerms(home, tuple(arguments.mount), arguments.name, tuple(flags))
    try:
        plan = read_plan(arguments.file, terms)
    except BadServiceFile as error:
        raise BadServiceFile(f"{arguments.file}: {error}") from None
    overwrite_secrets(flags, {})
    print("\n".join(plan_lines(plan)))
    return EXIT_DONE if arguments.print else run_plan(plan, home)


def run_plan(plan: ServicePlan, home: Path) -> int:
    """Start a service and wait until it answers."""
    folder = ServiceFolder(plan.folder)
    folder.make()
    with folder.locked():
        started = start(plan, folder, all_records(home))
        try:
            wait_until_ready(started, folder)
        except KeyboardInterrupt:
            print(f"{plan.name} goes on starting: easel logs {plan.name}", file=sys.stderr)
            return EXIT_FAILED
    print("\n".join(started_lines(plan, started, folder)))
    return EXIT_DONE


def status(words: Sequence[str]) -> int:
    """Tell how services are."""
    parser = build_parser("status", "how services are; 3 where one does not run")
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    return report_errors("status", lambda: run_status(parser.parse_args(words)))


def run_status(arguments: argparse.Namespace) -> int:
    """A line for each service."""
    home = services_home(arguments)
    names = arguments.names or known_names(home)
    states = [(name, *look_at(home, name)) for name in names]
    print("\n".join(status_lines(states)) if states else f"No services in {home}.")
    running = all(state is ServiceState.RUNNING for _, _, state in states)
    return EXIT_DONE if running else EXIT_NOT_RUNNING


def down(words: Sequence[str]) -> int:
    """End services."""
    parser = build_parser("down", "end services; running jobs are finished or given back")
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: the only one")
    return report_errors("down", lambda: run_down(parser.parse_args(words)))


def run_down(arguments: argparse.Namespace) -> int:
    """End each of the services named."""
    home = services_home(arguments)
    for name in arguments.names or [only_name(home)]:
        look_at(home, name)
        folder = ServiceFolder(home / name)
        with folder.locked():
            print(f"{name} {end_service(folder)}.")
    return EXIT_DONE


def end_service(folder: ServiceFolder) -> str:
    """End a service; what became of it, in words."""
    record = folder.read_record()
    if record is None:
        return "does not run"
    was_dead = not record.identity.is_alive
    killed = stop(record)
    folder.forget_record()
    how = "was dead; what it left is gone" if was_dead else "has ended"
    return f"{how} (processes had to be killed)" if killed else how


def logs(words: Sequence[str]) -> int:
    """Print a service's log."""
    parser = build_parser("logs", "what a service said")
    parser.add_argument("name", nargs="?", metavar="NAME", help="default: the only one")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until it ends")
    parser.add_argument("-n", "--lines", type=int, default=200, metavar="N", help="default: 200")
    return report_errors("logs", lambda: run_logs(parser.parse_args(words)))


def run_logs(arguments: argparse.Namespace) -> int:
    """The last lines, and with -f those that come."""
    home = services_home(arguments)
    name = arguments.name or only_name(home)
    record, _ = look_at(home, name)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        log = print_last_lines(ServiceFolder(home / name), arguments.lines, sys.stdout.buffer)
        if arguments.follow and record is not None:
            follow(log, lambda: record.identity.is_alive, sys.stdout.buffer, time.sleep)
    return EXIT_DONE


def build_parser(command: str, text: str) -> argparse.ArgumentParser:
    """A parser with what all four commands take."""
    parser = argparse.ArgumentParser(prog=f"easel {command}", description=text, allow_abbrev=False)
    parser.add_argument(
        "--services-dir", type=Path, metavar="DIR",
        help=f"where services' folders lie ({FOLDER_VARIABLE}); default: services/ beside webui.sh",
    )  # fmt: skip
    return parser


def services_home(arguments: argparse.Namespace) -> Path:
    """Where the folders of all services lie."""
    named = arguments.services_dir or os.environ.get(FOLDER_VARIABLE)
    home = Path(os.environ.get("EASEL_HOME") or Path.cwd()) / SERVICES_FOLDER
    return Path(os.path.abspath(Path(named).expanduser() if named else home))


def split_flags(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of the command itself, and the flags behind --."""
    at = list(words).index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at + 1 :])


def report_errors(command: str, run: Callable[[], int]) -> int:
    """The exit code, with a sentence where it failed."""
    try:
        return run()
    except (BadServiceFile, ServiceFailed) as error:
        print(f"easel {command}: {error}", file=sys.stderr)
        return EXIT_MISUSED if isinstance(error, BadServiceFile) else EXIT_FAILED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"easel {command}: {where}{error.strerror}", file=sys.stderr)
        return EXIT_FAILED


def known_names(home: Path) -> list[str]:
    """Services that were started here."""
    try:
        return sorted(path.name for path in home.iterdir() if NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []


def only_name(home: Path) -> str:
    """The one service that there is. Raises :class:`ServiceFailed` for none or several."""
    names = known_names(home)
    running = [name for name in names if ServiceFolder(home / name).read_record() is not None]
    if len(running or names) != 1:
        found = ", ".join(running or names) or "none"
        raise ServiceFailed(f"Name the service; there are in {home}: {found}.")
    return (running or names)[0]


def look_at(home: Path, name: str) -> tuple[ServiceRecord | None, ServiceState]:
    """A service's record and state. Raises :class:`ServiceFailed` where there is none."""
    if not NAME.fullmatch(name) or not (home / name).is_dir():
        known = ", ".join(known_names(home)) or "none"
        raise ServiceFailed(f"There is no service {quote(name)} in {home}. Known: {known}.")
    record = ServiceFolder(home / name).read_record()
    return record, state_of(record)


def all_records(home: Path) -> list[ServiceRecord]:
    """The runs of all services."""
    records = (ServiceFolder(home / name).read_record() for name in known_names(home))
    return [record for record in records if record is not None]
