"""Trash: deleted entries are moved to ``.trash/<id>/`` of their root until restored or expired.

``info.json`` there says what lies in it, where it was and whose it is. It is on the disk before
anything moves: a thing that it names and that is not there never left its place.
"""

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from filebrowser.access.file_access import FileAccess, Right, check_rights, resolve_path
from filebrowser.access.gate import Place, Root, open_parent, parse_path, split_path, why_fixed
from filebrowser.atomic_file import read_place, write_place
from filebrowser.errors import BadPath, FileError, NotAllowed, NotHere, Taken
from filebrowser.listing.file_kinds import FileKind
from filebrowser.listing.tree import read_entry
from filebrowser.names import encode_name
from filebrowser.operations.copy_tree import exists, make_folder
from filebrowser.operations.disk_full import MakeRoom, no_reserve, retry_when_full
from filebrowser.operations.move import (
    WORK_PREFIX,
    Conflict,
    FileStep,
    StepContext,
    StepResult,
    StepStatus,
    discard,
    run_step,
)
from filebrowser.own_folders import TRASH_FOLDER
from filebrowser.watch.file_events import FileEvent, FileEventKind

INFO = "info.json"
ID_BYTES = 16
MAX_PATHS = 10_000  # paths of one deletion
ABANDONED_SECONDS = 7 * 24 * 3600.0  # seconds since anything was made in a work folder


@dataclass(frozen=True, slots=True)
class TrashItem:
    """One deleted entry, stored as ``key`` beside the sidecar."""

    key: str
    path: str  # below its root, where it was, as callers write it
    kind: FileKind


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What was deleted together, in one root."""

    id: str
    who: str
    at: float  # seconds since 1970
    items: tuple[TrashItem, ...]


SIDECAR_ADAPTER: TypeAdapter[Sidecar] = TypeAdapter(Sidecar)


def plan_delete(
    access: FileAccess, paths: Sequence[str], make_room: MakeRoom = no_reserve
) -> tuple[str, tuple[FileStep, ...]]:
    """The id under which ``paths`` will lie in the trash together, and the steps to it.

    The sidecars are written; nothing has moved. Raises before where any path may not be deleted
    or is not there. Links go themselves, never what they lead to; what lies in another of the
    paths goes with it. ``make_room`` helps where the disk has none for the sidecars.
    """
    check_rights(access, (Right.VIEW, Right.DELETE))
    if len(paths) > MAX_PATHS:
        raise BadPath(f"{len(paths)} paths; at most {MAX_PATHS} at once.")
    places = _drop_nested([_find_deletable(access, path) for path in paths])
    trash_id = secrets.token_hex(ID_BYTES)
    steps: list[FileStep] = []
    for root in dict.fromkeys(place.root for place in places):
        ours = [place for place in places if place.root == root]
        steps += _prepare_bin(root, trash_id, access.who, ours, make_room)
    return trash_id, tuple(steps)


def delete(
    access: FileAccess, paths: Sequence[str], context: StepContext, make_room: MakeRoom = no_reserve
) -> tuple[str, tuple[StepResult, ...]]:
    """Put ``paths`` into the trash while the caller waits: the id, and what became of each.

    Raises as :func:`plan_delete`.
    """
    trash_id, steps = plan_delete(access, paths, make_room)
    return trash_id, tuple(_trash_step(step, context) for step in steps)


def _trash_step(step: FileStep, context: StepContext) -> StepResult:
    result = run_step(step, True, replace(context, conflict=None, tell=lambda _: None))
    if result.status is StepStatus.DONE:
        context.tell(FileEvent(FileEventKind.DELETED, step.source))
    return replace(result, to=None)


def _find_deletable(access: FileAccess, path: str) -> Place:
    place = resolve_path(access, path)
    if not place.writable:
        raise NotAllowed(f"{place.text!r} cannot be deleted{why_fixed(place)}.")
    read_entry(place)
    return place


def _drop_nested(places: Sequence[Place]) -> list[Place]:
    chosen = {(place.root, place.names): place for place in places}
    return [
        place
        for (root, names), place in chosen.items()
        if not any((root, names[:length]) in chosen for length in range(1, len(names)))
    ]


def _prepare_bin(
    root: Root, trash_id: str, who: str, places: Sequence[Place], make_room: MakeRoom
) -> list[FileStep]:
    bin_ = Place(root, (TRASH_FOLDER, trash_id))
    items = tuple(
        TrashItem(str(number), "/".join(map(encode_name, place.names)), read_entry(place).kind)
        for number, place in enumerate(places)
    )
    sidecar = Sidecar(trash_id, who, time.time(), items)
    try:
        retry_when_full(lambda: _create_bin(bin_, sidecar), make_room)
    except OSError:
        discard(bin_)
        raise
    return [FileStep(place, bin_, item.key) for item, place in zip(items, places, strict=True)]


def _create_bin(bin_: Place, sidecar: Sidecar) -> None:
    for folder in (Place(bin_.root, (TRASH_FOLDER,)), bin_):
        if not exists(folder):
            make_folder(folder, 0o700)
    _write_sidecar(bin_, sidecar)


def plan_restore(
    access: FileAccess, trash_id: str, conflict: Conflict | None
) -> tuple[FileStep, ...]:
    """The steps that put back what was deleted under this id, where it was.

    Folders that are gone meanwhile are made again. Raises :class:`NotHere` for ids of nobody and
    of others, and :class:`Taken` where a name is in use and nothing is said of that.
    """
    check_rights(access, (Right.VIEW, Right.DELETE, Right.CREATE))
    check_rights(access, (Right.MODIFY,) if conflict is Conflict.OVERWRITE else ())
    steps = [
        step
        for bin_, sidecar in _own_bins(access, trash_id)
        for step in _restore_steps(access, bin_, sidecar)
    ]
    if not steps:
        raise NotHere(f"Nothing of yours lies in the trash under {trash_id!r}.")
    existing = [
        f"/{step.target.text}" for step in steps if conflict is None and _target_exists(step)
    ]
    if existing:
        raise Taken(
            f"There already: {', '.join(existing[:10])}. Say conflict: skip, overwrite or rename."
        )
    for step in steps:
        _make_missing_folders(step.folder)
    return tuple(steps)


def _restore_steps(access: FileAccess, bin_: Place, sidecar: Sidecar) -> Iterator[FileStep]:
    """What lies in the bin, and where it was; a forged sidecar leads nowhere else."""
    for item in _items_left(bin_, sidecar):
        place = parse_path(f"{bin_.root.name}/{item.path}", access.roots)
        source = Place(bin_.root, (*bin_.names, *split_path(item.key)))
        yield FileStep(source, Place(place.root, place.names[:-1]), place.names[-1])


def _target_exists(step: FileStep) -> bool:
    try:
        return exists(step.target)
    except NotHere:  # its folder is gone
        return False


def _make_missing_folders(folder: Place) -> None:
    for depth in range(1, len(folder.names) + 1):
        missing = Place(folder.root, folder.names[:depth])
        try:
            make_folder(missing)
        except (FileExistsError, NotAllowed):
            continue


def purge(access: FileAccess, trash_id: str) -> None:
    """Remove one's own things from the trash, for good. Raises :class:`NotHere`."""
    check_rights(access, (Right.DELETE,))
    bins = list(_own_bins(access, trash_id))
    if not bins:
        raise NotHere(f"Nothing of yours lies in the trash under {trash_id!r}.")
    for bin_, _ in bins:
        discard(bin_)


def list_trash(access: FileAccess) -> list[tuple[Root, Sidecar]]:
    """The caller's own deletions, latest first, with the items that are still in the trash."""
    check_rights(access, (Right.VIEW,))
    deletions = [
        (root, replace(sidecar, items=tuple(_items_left(bin_, sidecar))))
        for root in access.roots
        if root.writable
        for bin_, sidecar in iter_sidecars(root)
        if sidecar.who == access.who and any(_items_left(bin_, sidecar))
    ]
    return sorted(deletions, key=lambda each: each[1].at, reverse=True)


def _items_left(bin_: Place, sidecar: Sidecar) -> Iterator[TrashItem]:
    for item in sidecar.items:
        if exists(Place(bin_.root, (*bin_.names, *split_path(item.key)))):
            yield item


def sweep(roots: Sequence[Root], retention: float, now: float | None = None) -> int:
    """Remove what has lain in the trash for longer than ``retention`` seconds; how many."""
    now, count = time.time() if now is None else now, 0
    for root in roots:
        if not root.writable:
            continue
        for bin_, sidecar in list(iter_sidecars(root)):
            if now - sidecar.at > retention:
                discard(bin_)
                count += 1
        for place in _abandoned_work_folders(root, now):
            discard(place)
    return count


def _abandoned_work_folders(root: Root, now: float) -> list[Place]:
    """Work folders of jobs that nobody remembers."""
    return [
        place
        for name in _names_in_trash(root)
        if name.startswith(WORK_PREFIX)
        for place in [Place(root, (TRASH_FOLDER, name))]
        if now - read_entry(place).modified > ABANDONED_SECONDS
    ]


def iter_sidecars(root: Root) -> Iterator[tuple[Place, Sidecar]]:
    """Everything in the trash of a root, whoever deleted it."""
    for name in _names_in_trash(root):
        if not name.startswith(WORK_PREFIX):
            bin_ = Place(root, (TRASH_FOLDER, name))
            sidecar = _read_sidecar(bin_)
            if sidecar is not None:
                yield bin_, sidecar


def _names_in_trash(root: Root) -> list[str]:
    try:
        with open_parent(Place(root, (TRASH_FOLDER, "x"))) as (folder, _):
            return os.listdir(folder)
    except (FileError, OSError):
        return []


def _own_bins(access: FileAccess, trash_id: str) -> Iterator[tuple[Place, Sidecar]]:
    if not trash_id.isalnum():
        return
    for root in access.roots:
        if root.writable:
            bin_ = Place(root, (TRASH_FOLDER, trash_id))
            sidecar = _read_sidecar(bin_)
            if sidecar is not None and sidecar.who == access.who:
                yield bin_, sidecar


def remove_if_empty(bin_: Place) -> None:
    """Remove a bin from which everything was put back."""
    sidecar = _read_sidecar(bin_)
    if sidecar is not None and not any(_items_left(bin_, sidecar)):
        discard(bin_)


def _write_sidecar(bin_: Place, sidecar: Sidecar) -> None:
    write_place(Place(bin_.root, (*bin_.names, INFO)), SIDECAR_ADAPTER.dump_json(sidecar))


def _read_sidecar(bin_: Place) -> Sidecar | None:
    """The sidecar of a bin; None where there is none that can be understood."""
    try:
        return SIDECAR_ADAPTER.validate_json(read_place(Place(bin_.root, (*bin_.names, INFO))))
    except (FileError, OSError, ValidationError):
        return None
