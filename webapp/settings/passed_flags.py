"""Flags of the service on the command line of a command of its own."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from webapp.settings.config import Config, parse
from webapp.settings.flags import FLAGS, Flag
from webapp.settings.secret_flags import overwrite_secrets

EPILOG = "The flags of the service are accepted too: see docs/flags.md."


class _PassOn(argparse.Action):
    """Collects a flag of the service, with its value, as it was typed."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        typed = [option_string, *(values or ())]
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), *typed])


def accept_flags(parser: argparse.ArgumentParser) -> None:
    """Take all flags as ``service``, a list of words for ``config.parse``; ``--help`` shows none.

    Flags that the command adds later stand in for the service's of the same name.
    """
    for flag in FLAGS:
        _pass_on(parser, flag, argparse.SUPPRESS)


def show_flag(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    """Tell of one of them in ``--help``."""
    _pass_on(parser, next(flag for flag in FLAGS if flag.name == name), text)


def add_command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    """One of several commands, which takes the service's flags too."""
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, epilog=EPILOG, allow_abbrev=False,
        conflict_handler="resolve",
    )  # fmt: skip
    accept_flags(command)
    return command


def parse_passed(
    arguments: argparse.Namespace, words: Sequence[str], environment: Mapping[str, str]
) -> Config:
    """The service's flags that were accepted; secret ones leave the process's title.

    ``words``: the whole command line of the command. Raises ``UnknownFlag``.
    """
    overwrite_secrets(words, environment)
    return parse(arguments.service, environment)


def complain(parser: argparse.ArgumentParser, text: str, code: int) -> int:
    """Tell what went wrong; the exit code."""
    print(f"{parser.prog}: {text}", file=sys.stderr)
    return code


def _pass_on(parser: argparse.ArgumentParser, flag: Flag, text: str) -> None:
    names = [f"-{name}" if len(name) == 1 else f"--{name}" for name in (flag.name, *flag.aliases)]
    count = 0 if flag.kind == "switch" else 1
    metavar = None if count == 0 else flag.kind.upper()
    parser.add_argument(
        *names, action=_PassOn, nargs=count, dest="service", default=[], metavar=metavar, help=text
    )
