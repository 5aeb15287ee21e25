"""The container of a service file: its command line as flags with paths of this machine."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from webapp.service_files.document import ServiceDocument
from webapp.service_files.errors import BadServiceFile, quote
from webapp.service_files.mounts import StorageMount, container_path, locate
from webapp.service_files.script import (
    TypedFlag,
    flag_words,
    pair_flags,
    refuse_unprintable,
    split_script,
)

ARGS_VARIABLE = "COMMANDLINE_ARGS"
APART = frozenset({"port", "data-dir"})
PATH_KINDS = frozenset({"path", "paths"})


@dataclass(frozen=True, slots=True)
class ContainerFlags:
    """The flags of a container, but port and data directory, which are looked at apart."""

    words: tuple[str, ...]
    names: frozenset[str]  # of all flags given
    port: str | None
    data_dir: str | None
    place: str  # of the key that holds them


def read_container(document: ServiceDocument, mounts: Sequence[StorageMount]) -> ContainerFlags:
    """The flags of the one container. Raises :class:`BadServiceFile`."""
    count = document.count("containers")
    if count != 1:
        found = f"containers has {count} elements" if count else "containers is missing"
        raise BadServiceFile(f"{found}; one with a script is expected.")
    place, words = read_words(document)
    try:
        words = [*read_variable(document), *words]
        refuse_unprintable(words)
        typed = [*pair_flags(words)]
        kept = [localise(flag, mounts) for flag in typed if name_of(flag) not in APART]
        last = {name_of(flag): flag.value for flag in typed}
        if missing := [name for name in APART if last.get(name) == ""]:
            raise BadServiceFile(f"--{missing[0]} has no value")
    except BadServiceFile as error:
        raise BadServiceFile(f"{place}: {error}.") from None
    return ContainerFlags(
        tuple(word for flag in kept for word in flag.words),
        frozenset(last),
        last.get("port"),
        last.get("data-dir"),
        place,
    )


def read_words(document: ServiceDocument) -> tuple[str, list[str]]:
    """Which key holds the command line, and its flags."""
    script = document.find("containers[].script", 0)
    command = document.find("containers[].command", 0)
    more = document.get("containers[].args", 0, default=[])
    if (script is None) == (command is None):
        found = "script and command" if script else "neither script nor command"
        raise BadServiceFile(f"containers[0] has {found}; one of them is expected.")
    given = script or command
    assert given is not None
    try:
        parts = [given.value] if script else given.value
        words = split_script(parts[0]) if len(parts) == 1 else list(parts)
        return given.place, [*flag_words(words), *more]
    except BadServiceFile as error:
        raise BadServiceFile(f"{given.place}: {error}.") from None


def read_variable(document: ServiceDocument) -> list[str]:
    """The flags of the environment variable that holds some."""
    for number in range(document.count("containers[].env", 0)):
        if document.get("containers[].env[].name", 0, number) == ARGS_VARIABLE:
            text = document.get("containers[].env[].value", 0, number, default="")
            try:
                return shlex.split(text)
            except ValueError as error:
                raise BadServiceFile(
                    f"containers[0].env[{number}].value: {error}; close what was opened"
                ) from None
    return []


def name_of(typed: TypedFlag) -> str:
    """The name of a flag, "" for an unknown one."""
    return typed.flag.name if typed.flag else ""


def localise(typed: TypedFlag, mounts: Sequence[StorageMount]) -> TypedFlag:
    """A flag with a path of this machine in place of the container's."""
    flag, value = typed.flag, typed.value
    if flag is None or not flag.is_supported:
        return typed
    if flag.kind != "switch" and not value:
        raise BadServiceFile(f"--{flag.name} has no value")
    if flag.secret and value.startswith("@"):
        raise BadServiceFile(
            f"--{flag.name} names a file of the container. Give it after --, as easel up FILE -- "
            f"--{flag.name} @FILE"
        )
    if flag.kind in PATH_KINDS:
        return typed.replace(local_path(flag.name, value, mounts))
    if flag.field == "browse_roots":
        name, _, path = value.removesuffix(":ro").partition("=")
        ending = ":ro" if value.endswith(":ro") else ""
        return typed.replace(f"{name}={local_path(flag.name, path, mounts)}{ending}")
    return typed


def local_path(name: str, path: str, mounts: Sequence[StorageMount]) -> str:
    """Where a container's path lies here."""
    located = locate(path, mounts)
    if located is None:
        raise BadServiceFile(
            f"--{name} {quote(path)} is {container_path(path)} in the container, under no mount "
            "path of storage. Mount it, or give the flag after --"
        )
    return str(located[1])
