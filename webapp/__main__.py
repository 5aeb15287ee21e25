"""The command line: ``easel [serve] [flags]``, ``easel generate ...``, and what serve starts.

Nothing heavy is imported before the command is known: the supervisor stays light, and the web
process never sees torch.
"""

import os
import sys
from collections.abc import Callable, Sequence

USAGE = """easel [serve] [flags]          start Easel (docs/flags.md, or easel serve --help)
easel up FILE [...]            start the service of a vendor's service file (easel up --help)
easel status|down|logs [NAME]  tell how such services are, end one, print its log
easel generate "prompt" [...]  draw without a server (easel generate --help)
easel worker --data-dir DIR    one more worker for a running service (docs/workers.md)
easel models merge A B [C]     merge checkpoints; convert, report (easel models --help)
easel users add NAME --role R  accounts: add, list, disable, ... (easel users --help)
easel tokens add NAME          API tokens of users (easel tokens --help)
easel usage report             who used what (easel usage report --help)
easel mcp --url ADDRESS        tools for agents over a running Easel (docs/jobs.md)
easel plugin new NAME          write a plugin that works (docs/plugins.md)
easel version                  print the version
"""


def serve(words: Sequence[str]) -> int:
    """The supervisor: web process and workers."""
    from webapp.processes.supervisor import run
    from webapp.settings.config import build_parser, parse

    if {"--help", "-h"} & set(words):
        build_parser().print_help()
        return 0
    return run(parse(words), words)


def web(words: Sequence[str]) -> int:
    """The web process; started by serve."""
    from webapp.processes.web_server import main as run_web

    return run_web(words)


def worker(words: Sequence[str]) -> int:
    """A worker process; started by serve, or by hand, on any machine."""
    from webapp.worker.main import main as run_worker

    return run_worker(words)


def generate(words: Sequence[str]) -> int:
    """Draw without a server."""
    from webapp.generate import main as run_generate

    return run_generate(words)


def models(words: Sequence[str]) -> int:
    """Merge, convert and report models without a server."""
    from webapp.models_command import main as run_models

    return run_models(words)


def users(words: Sequence[str]) -> int:
    """Add and change users' accounts."""
    from webapp.accounts_command import run_users

    return run_users(words)


def tokens(words: Sequence[str]) -> int:
    """Make and revoke users' API tokens."""
    from webapp.accounts_command import run_tokens

    return run_tokens(words)


def usage(words: Sequence[str]) -> int:
    """Report who used what."""
    from webapp.usage_command import run_usage

    return run_usage(words)


def plugin(words: Sequence[str]) -> int:
    """Write a new plugin; other words are flags, of which --data-dir counts."""
    from plugins.template import main as run_template
    from webapp.settings.config import parse

    names = [word for word in words[:2] if not word.startswith("-")]
    return run_template(names, parse(words[len(names) :]).data_dir)


def mcp(words: Sequence[str]) -> int:
    """Tools for agents, over a running service."""
    from webapp.agents.mcp_server import main as run_mcp

    return run_mcp(words)


def up(words: Sequence[str]) -> int:
    """Start the service of a service file."""
    from webapp.service_files.commands import up as run_up

    return run_up(words)


def status(words: Sequence[str]) -> int:
    """Tell how services of service files are."""
    from webapp.service_files.commands import status as run_status

    return run_status(words)


def down(words: Sequence[str]) -> int:
    """End services of service files."""
    from webapp.service_files.commands import down as run_down

    return run_down(words)


def logs(words: Sequence[str]) -> int:
    """Print the log of a service of a service file."""
    from webapp.service_files.commands import logs as run_logs

    return run_logs(words)


def version(words: Sequence[str]) -> int:
    """Print the version."""
    from webapp.version import VERSION

    print(f"Easel {VERSION}")
    return 0


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "serve": serve,
    "web": web,
    "worker": worker,
    "up": up,
    "status": status,
    "down": down,
    "logs": logs,
    "generate": generate,
    "models": models,
    "users": users,
    "tokens": tokens,
    "usage": usage,
    "mcp": mcp,
    "plugin": plugin,
    "version": version,
}

DATA_DIR_COMMANDS = frozenset(
    {"serve", "web", "worker", "up", "generate", "models", "users", "tokens", "usage"}
)
"""Commands that work in the data directory and keep what is their own from others."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 is success, 1 a failure, 2 words that cannot be understood."""
    from webapp.settings.config import UnknownFlag

    os.environ["HF_HUB_OFFLINE"] = "1"
    # How long OpenMP threads spin at a barrier before they sleep. The default spins so long that
    # a busy machine stalls; one that never spins wastes a quiet one. One picture of the default
    # checkpoint at 20 steps on two cores: 0.8 s by default, 1.6 s at 0, 0.95 s at 5000; with two
    # busy programs beside: 12 s and more by default, 2.4 s at 0 and at 5000.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["--help"], ["-h"], ["help"]):
        print(USAGE, end="")
        return 0
    name = words.pop(0) if words and words[0] in COMMANDS else "serve"
    try:
        if name in DATA_DIR_COMMANDS:
            from webapp.settings.state_folder import set_private_umask

            set_private_umask()
        return COMMANDS[name](words)
    except UnknownFlag as error:
        print(f"easel: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
