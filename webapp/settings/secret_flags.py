"""Hands secret flags from the command line to the web process, and to workers what they need.

The web process gets them through its standard input. No command line and no environment of a
child holds one, so neither ``ps`` nor a plugin's own child processes show it; the command line
and environment of the supervisor itself are overwritten where the system allows it (Linux).
"""

import ctypes
import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from webapp.settings.flags import FLAGS, Flag, environment_variable

COMMAND_LINE = "COMMANDLINE_ARGS"
SECRETS_VARIABLE = "EASEL_SECRETS"
"""Environment variable of a child to whose standard input the supervisor writes secret flags."""

STDIN = "stdin"
SECRET = tuple(flag for flag in FLAGS if flag.secret)
WORKER_SECRETS = tuple(flag for flag in SECRET if flag.for_workers)
ARG_START = 45  # of /proc/self/stat's fields after the name: bounds of the arguments, then of the
ENV_START = 47  # environment that the process was started with; addresses


def secret_option_names(flags: Iterable[Flag] = SECRET) -> frozenset[str]:
    """The options of secret flags, as they are typed."""
    return frozenset(f"--{name}" for flag in flags for name in (flag.name, *flag.aliases))


def split_secrets(
    words: Sequence[str], flags: Iterable[Flag] = SECRET
) -> tuple[list[str], list[str]]:
    """The words of a command line without its secret flags, and the words of these."""
    known = secret_option_names(flags)
    plain: list[str] = []
    secret: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in known:
            secret += [word, *(value for value in [next(rest, None)] if value is not None)]
        else:
            (secret if word.partition("=")[0] in known else plain).append(word)
    return plain, secret


def encode_secrets(
    words: Sequence[str], environ: Mapping[str, str], flags: Sequence[Flag] = SECRET
) -> bytes:
    """Secret flags of all sources as JSON, for the standard input of a child; b"" without any."""
    typed = shlex.split(environ.get(COMMAND_LINE, ""))
    line = split_secrets(typed, flags)[1] + split_secrets(words, flags)[1]
    variables = {
        name: environ[name] for name in map(environment_variable, flags) if name in environ
    }
    if not line and not variables:
        return b""
    return json.dumps({"words": line, "environment": variables}).encode("utf-8", "surrogatepass")


def remove_secrets(environ: MutableMapping[str, str]) -> None:
    """Take secret flags out of an environment, so that no child inherits them."""
    for flag in SECRET:
        environ.pop(environment_variable(flag), None)
    if line := environ.get(COMMAND_LINE):
        environ[COMMAND_LINE] = shlex.join(split_secrets(shlex.split(line))[0])


def receive_secrets(
    environ: MutableMapping[str, str] = os.environ,
) -> tuple[list[str], dict[str, str]]:
    """Words and variables of secret flags that the supervisor has handed to this process."""
    if environ.pop(SECRETS_VARIABLE, None) != STDIN:
        return [], {}
    with os.fdopen(os.dup(0), "rb") as channel:
        message: dict[str, Any] = json.loads(
            channel.read().decode("utf-8", "surrogatepass") or "{}"
        )
    devnull = os.open(os.devnull, os.O_RDONLY)
    os.dup2(devnull, 0)
    os.close(devnull)
    return list(message.get("words", ())), dict(message.get("environment", {}))


def overwrite_secrets(words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Overwrite secret flags where ``ps`` finds this process's command line and environment.

    Linux alone keeps both in memory that the process may write; elsewhere nothing happens. Words
    are overwritten in place, so they keep their length.
    """
    if not sys.platform.startswith("linux"):
        return
    values = {word for word in split_secrets(words)[1] if word not in secret_option_names()}
    lines = {
        f"{name}={environ[name]}" for name in map(environment_variable, SECRET) if name in environ
    }
    if split_secrets(shlex.split(environ.get(COMMAND_LINE, "")))[1]:
        lines.add(f"{COMMAND_LINE}={environ[COMMAND_LINE]}")
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    for at, hidden in ((ARG_START, values), (ENV_START, lines)):
        if hidden:
            _overwrite(int(fields[at]), int(fields[at + 1]), {os.fsencode(one) for one in hidden})


def _overwrite(start: int, end: int, hidden: set[bytes]) -> None:
    if not 0 < start < end:
        return  # the system does not say where they are
    parts = ctypes.string_at(start, end - start).split(b"\0")
    overwritten = [b"*" * len(part) if part in hidden else part for part in parts]
    ctypes.memmove(start, b"\0".join(overwritten), end - start)
