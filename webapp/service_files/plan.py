"""What a service file comes to here: flags, folders, token, and what has no effect."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from webapp.access.secret import Secret
from webapp.service_files.container import ARGS_VARIABLE, ContainerFlags, read_container
from webapp.service_files.document import ServiceDocument, read_document
from webapp.service_files.errors import BadServiceFile, quote
from webapp.service_files.json_file import read_json
from webapp.service_files.key_flags import edition_words, key_words
from webapp.service_files.mounts import (
    CONTAINER_HOME,
    StorageMount,
    container_path,
    locate,
    parse_mounts,
    read_mounts,
)
from webapp.settings.config import VENDOR_MOUNTS, Config, UnknownFlag, parse
from webapp.settings.secret_flags import split_secrets

NAME = re.compile(r"[a-z0-9_]{3,63}")
DEFAULT_PORT = 8000
GRACE_SECONDS = 45
"""Longer than a worker may take to give its job back, with the web process's last answers."""

MOUNTS_FOLDER = "mounts"
DATA_FOLDER = "data"
ROOT_SIGNS = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What the command line says beside the file."""

    home: Path  # where folders of services lie
    mounts: tuple[str, ...] = ()  # SOURCE=DIR
    name: str | None = None
    flags: tuple[str, ...] = ()  # they win over the file's


@dataclass(frozen=True, slots=True)
class UnusedValue:
    """A value of the file that changes nothing here, or not all of what it says."""

    place: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """A service as it would be started. ``words``: its flags, none of them secret."""

    name: str
    file: Path
    folder: Path
    config: Config
    words: tuple[str, ...]
    secret_words: tuple[str, ...]
    token: Secret | None  # of the file
    mounts: tuple[StorageMount, ...]
    unused: tuple[UnusedValue, ...]
    grace_seconds: int


def read_plan(file: Path, terms: PlanTerms, environ: Mapping[str, str] = os.environ) -> ServicePlan:
    """The plan of a file; nothing is made. Raises :class:`BadServiceFile`."""
    document = read_document(read_json(file))
    name = read_name(document, terms.name)
    folder = terms.home / name
    mounts = read_mounts(document, parse_mounts(terms.mounts), folder / MOUNTS_FOLDER)
    container = read_container(document, mounts)
    words = [
        *edition_words(document),
        *key_words(document, container),
        *container.words,
        *("--service-name", name, "--port", str(choose_port(document, container))),
        *place_words(document, container, mounts, folder),
    ]
    config = check_flags(container.place, words, terms.flags, environ)
    plain, secret = split_secrets([*words, *terms.flags])
    return ServicePlan(
        name,
        file,
        folder,
        config,
        tuple(plain),
        tuple(secret),
        read_token(document),
        mounts,
        tuple(find_unused(document, config)),
        max(document.get("eas.termination_grace_period", default=0), GRACE_SECONDS),
    )


def read_name(document: ServiceDocument, given: str | None) -> str:
    """The service's name, which is a folder's, too."""
    name = document.get("metadata.name") if given is None else given
    if name is None:
        raise BadServiceFile("metadata.name is missing. Name the service there, or with --name.")
    if not NAME.fullmatch(name):
        place = "metadata.name" if given is None else "--name"
        raise BadServiceFile(
            f"{place} is {quote(name)}; 3 to 63 small letters, digits and _ are expected."
        )
    return str(name)


def read_token(document: ServiceDocument) -> Secret | None:
    """The owner's token that the file names."""
    token = document.get("token")
    if token is None:
        return None
    if not token or token[0] in "#@" or not all("!" <= sign <= "~" for sign in token):
        raise BadServiceFile(
            "token is not one word of printable ASCII that begins with neither # nor @. Take "
            "another, or leave it out: one is made."
        )
    return Secret(token)


def choose_port(document: ServiceDocument, container: ContainerFlags) -> int:
    """The port of the script, which has to be that of the container."""
    port = document.find("containers[].port", 0)
    if container.port is None:
        return DEFAULT_PORT if port is None else int(port.value)
    if port is not None and str(port.value) != container.port:
        raise BadServiceFile(
            f"{port.place} is {port.value}, and the script says --port {container.port}. Make them "
            "the same."
        )
    if not container.port.isdecimal():
        raise BadServiceFile(f"{container.place}: --port {quote(container.port)} is no number.")
    return int(container.port)


def place_words(
    document: ServiceDocument,
    container: ContainerFlags,
    mounts: Sequence[StorageMount],
    folder: Path,
) -> Iterator[str]:
    """Flags that say where the data directory and other mounts lie, and what paths stand for it."""
    path = container.data_dir or usual_data_path(mounts)
    located = locate(path, mounts)
    if located is None and mounts and container.data_dir:
        raise BadServiceFile(
            f"{container.place}: --data-dir {quote(path)} is under no mount path of storage "
            f"({', '.join(str(mount.path) for mount in mounts)}): what is saved there would be "
            "lost. Name a path under one."
        )
    mount, data_dir = located or (None, folder / DATA_FOLDER)
    if mount is not None and not mount.is_writable:
        raise BadServiceFile(
            f"{mount.place} is read only, and --data-dir {path} lies there, where pictures and "
            "the queue are kept. Set readOnly to false, or name another --data-dir."
        )
    yield from ("--data-dir", str(data_dir))
    for prefix in mount_paths(container_path(path), mounts):
        yield from ("--mount-path", prefix)
    for other in mounts:
        if other is not mount:
            access = "" if other.is_writable else ":ro"
            yield from ("--browse-root", f"{root_name(other)}={other.folder}{access}")


def usual_data_path(mounts: Sequence[StorageMount]) -> str:
    """Where a container's data lies without --data-dir: what is mounted in the web UI's folder."""
    fitting = (m.path for m in mounts if m.is_writable and m.path.is_relative_to(CONTAINER_HOME))
    return str(next(fitting, CONTAINER_HOME / "data"))


def mount_paths(data_path: PurePosixPath, mounts: Sequence[StorageMount]) -> list[str]:
    """Prefixes of paths in requests that mean the data directory; the first is answered."""
    usual = [
        path
        for path in map(PurePosixPath, VENDOR_MOUNTS)
        if not any(m.path.is_relative_to(path) or path.is_relative_to(m.path) for m in mounts)
    ]
    return list(dict.fromkeys(map(str, (data_path, *usual))))


def root_name(mount: StorageMount) -> str:
    """The name under which the file browser shows a mount beside the data directory."""
    name = ROOT_SIGNS.sub("-", mount.path.name).strip("-_")[:60] or "mount"
    return f"{name}-mount" if name == "data" else name


def check_flags(
    place: str, words: Sequence[str], more: Sequence[str], environ: Mapping[str, str]
) -> Config:
    """What the flags come to; those of the file are looked at alone first."""
    try:
        parse(words, {})
    except UnknownFlag as error:
        raise BadServiceFile(f"{place}: {error}") from None
    try:
        return parse([*words, *more], environ)
    except UnknownFlag as error:
        raise BadServiceFile(f"The flags after --, or of the environment: {error}") from None


def find_unused(document: ServiceDocument, config: Config) -> Iterator[UnusedValue]:
    """Every value that has no meaning here, in the order of the file."""
    for given in document.values.values():
        key = given.key
        why = why_unused(key.name, given.value, config) if key.is_used else key.meaning
        if why:
            yield UnusedValue(given.place, given.value_text, why)


def why_unused(name: str, value: object, config: Config) -> str:
    """Why a value of a key that is used has no effect all the same; "" where it has."""
    if name == "rpc.worker_threads" and value != 1:
        return "A worker draws one job at a time; metadata.instance says how many workers."
    if name == "containers[].image":
        return "No image is pulled: Easel itself runs."
    if name == "containers[].env[].name" and value != ARGS_VARIABLE:
        return "No such variable is read here."
    if name == "metadata.enable_webservice" and value and not config.web_ui:
        return "The page is off by --nowebui or --edition api."
    if name.startswith("queue.") and name != "queue.max_delivery" and not config.asynchronous:
        return "Only the API edition has the vendor's queue (--async)."
    return ""
