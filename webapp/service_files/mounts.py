"""Where a container's paths lie on this machine: ``storage[]`` and ``--mount``."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from webapp.service_files.document import ServiceDocument
from webapp.service_files.errors import BadServiceFile, quote

CONTAINER_HOME = PurePosixPath("/code/stable-diffusion-webui")
"""Where a container's relative paths begin."""

SYSTEM_FOLDERS = frozenset(
    "bin boot dev etc lib lib64 proc root run sbin sys usr var".split()  # noqa: SIM905
)
MAX_PATH_LENGTH = 1000
NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class StorageMount:
    """A mount path and the folder that stands for it. ``sources``: where the vendor has it from."""

    path: PurePosixPath
    folder: Path
    sources: tuple[str, ...]
    is_made: bool  # in the service's own folder, by us
    is_writable: bool
    place: str  # of its key in the file


@dataclass(frozen=True, slots=True)
class GivenStorage:
    """One element of ``storage``."""

    path: PurePosixPath
    source: str
    is_writable: bool
    place: str


def read_mounts(
    document: ServiceDocument, given: Mapping[str, Path], folder: Path
) -> tuple[StorageMount, ...]:
    """The mounts of a file. ``given`` are folders by source or mount path (``--mount``).

    Folders that are made lie in ``folder``. Elements with one mount path are alternatives: one
    folder stands for all. Raises :class:`BadServiceFile`.
    """
    storages = [_read_storage(document, number) for number in range(document.count("storage"))]
    paths = list(dict.fromkeys(storage.path for storage in storages))
    refuse_overlaps(paths)
    _refuse_unknown(given, storages)
    mounts: list[StorageMount] = []
    for path in paths:
        same = [storage for storage in storages if storage.path == path]
        chosen = _choose_folder(path, same, given)
        source = next((s for s in same if given.get(s.source) == chosen), same[0])
        mounts.append(
            StorageMount(
                path,
                chosen or folder / _free_name(path, [mount.folder.name for mount in mounts]),
                tuple(dict.fromkeys(storage.source for storage in same)),
                chosen is None,
                source.is_writable,
                source.place,
            )
        )
    return tuple(mounts)


def parse_mounts(texts: Sequence[str]) -> dict[str, Path]:
    """``SOURCE=DIR``, as ``--mount`` takes it; folders must be there."""
    mounts: dict[str, Path] = {}
    for text in texts:
        source, equals, folder = text.rpartition("=")
        if not (source and equals and folder):
            raise BadServiceFile(
                "--mount takes SOURCE=DIR, such as oss://bucket/path=/srv/models, not "
                f"{quote(text)}."
            )
        source = normalise_source(source)
        path = Path(os.path.abspath(Path(folder).expanduser()))
        if mounts.setdefault(source, path) != path:
            raise BadServiceFile(f"--mount: {quote(source)} has two folders: leave one out.")
        if not path.is_dir():
            raise BadServiceFile(f"--mount: {folder} is no folder. Make it, or name another.")
    return mounts


def normalise_source(source: str) -> str:
    """Without slashes at the end, so that both spellings are one."""
    return source.rstrip("/") or "/"


def locate(path: str, mounts: Sequence[StorageMount]) -> tuple[StorageMount, Path] | None:
    """The mount under which a container's path lies, and the path here; None for none."""
    inner = container_path(path)
    for mount in mounts:
        if inner.is_relative_to(mount.path):
            return mount, mount.folder / inner.relative_to(mount.path)
    return None


def container_path(path: str) -> PurePosixPath:
    """A container's path from its root."""
    return PurePosixPath(os.path.normpath(CONTAINER_HOME / path.replace("//", "/")))


def refuse_overlaps(paths: Sequence[PurePosixPath]) -> None:
    """Raise where a mount path lies in another, which hides it or is hidden."""
    for path in paths:
        for other in paths:
            if path != other and path.is_relative_to(other):
                raise BadServiceFile(
                    f"storage: the mount path {path} lies in {other}. Mount one beside the other."
                )


def _read_storage(document: ServiceDocument, number: int) -> GivenStorage:
    place = f"storage[{number}]"
    text = document.get("storage[].mount_path", number)
    if text is None:
        raise BadServiceFile(f"{place}.mount_path is missing. Name a path of the container.")
    path = PurePosixPath(os.path.normpath(text.replace("//", "/")))
    parts = path.parts[1:]
    is_plain = ".." not in PurePosixPath(text).parts and text.isprintable()
    if not path.is_absolute() or not is_plain or len(text) > MAX_PATH_LENGTH:
        raise BadServiceFile(
            f"{place}.mount_path is {quote(text)}; a path from the container's root is expected, "
            f"without .., such as {CONTAINER_HOME / 'data'}."
        )
    if not parts or parts[0] in SYSTEM_FOLDERS:
        raise BadServiceFile(
            f"{place}.mount_path is {quote(text)}, a folder of the system. Mount below "
            f"{CONTAINER_HOME}."
        )
    source, is_writable = _read_source(document, number)
    return GivenStorage(path, source or str(path), is_writable, place)


def _read_source(document: ServiceDocument, number: int) -> tuple[str, bool]:
    """Where an element is from, as one writes it in ``--mount``, and whether it can be written."""
    bucket = document.get("storage[].oss.path", number)
    server = document.get("storage[].nfs.server", number)
    dataset = document.get("storage[].dataset.id", number)
    folder = document.get("storage[].nfs.path", number, default="").lstrip("/")
    found = {
        "oss": bucket,
        "nfs": None if server is None else f"nfs://{server}/{folder}",
        "dataset": None if dataset is None else f"dataset://{dataset}",
        "git": document.get("storage[].git.repo", number),
    }
    sources = {name: normalise_source(source) for name, source in found.items() if source}
    if len(sources) > 1:
        raise BadServiceFile(
            f"storage[{number}] has {' and '.join(sources)}; one element mounts one. Part it in "
            "two with the same mount_path."
        )
    if bucket is not None and not bucket.startswith("oss://"):
        raise BadServiceFile(
            f"storage[{number}].oss.path is {quote(bucket)}; oss://BUCKET/PATH is expected."
        )
    if not all(source.isprintable() for source in sources.values()):
        raise BadServiceFile(f"storage[{number}] has signs that are not printable; take them out.")
    locked = any(
        document.get(f"storage[].{name}", number)
        for name in ("oss.readOnly", "nfs.readOnly", "dataset.read_only")
    )
    return next(iter(sources.values()), ""), not locked


def _choose_folder(
    path: PurePosixPath, storages: Sequence[GivenStorage], given: Mapping[str, Path]
) -> Path | None:
    folders = {given[name] for name in (str(path), *(s.source for s in storages)) if name in given}
    if len(folders) > 1:
        raise BadServiceFile(
            f"--mount names {len(folders)} folders for {path}, whose elements of storage are "
            "alternatives: leave all but one out."
        )
    return next(iter(folders), None)


def _refuse_unknown(given: Mapping[str, Path], storages: Sequence[GivenStorage]) -> None:
    known = [name for storage in storages for name in (storage.source, str(storage.path))]
    for source in given:
        if source not in known:
            near = difflib.get_close_matches(source, known, n=1, cutoff=0.4)
            others = f"It mounts {', '.join(known)}." if known else "It has no storage."
            hint = f"Did you mean {near[0]}?" if near else others
            raise BadServiceFile(f"--mount: the file mounts no {quote(source)}. {hint}")


def _free_name(path: PurePosixPath, taken: Sequence[str]) -> str:
    name = NOT_A_NAME.sub("-", path.name).strip("-")[:60] or "mount"
    names: Iterator[str] = (name if n == 1 else f"{name}-{n}" for n in range(1, len(taken) + 2))
    return next(each for each in names if each not in taken)
