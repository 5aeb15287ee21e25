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

from filebrowser.atomic_file import read_place, write_place
from filebrowser.copying import exists, make_folder, measure
from filebrowser.errors import BadPath, FileError, NotAllowed, NotHere, Taken
from filebrowser.gate import Place, Root, locate, parent_of, split, why_fixed
from filebrowser.happenings import Happening, What
from filebrowser.kinds import Kind
from filebrowser.making_room import MakeRoom, no_reserve, with_room
from filebrowser.moving import (
    TRASH,
    WORK,
    Conflict,
    Result,
    State,
    Step,
    Work,
    discard,
    take_step,
)
from filebrowser.names import show_name
from filebrowser.tree import look
from filebrowser.visit import Right, Visit, check_rights, reach

INFO = "info.json"
ID_BYTES = 16
MOST_TOGETHER = 10_000  # paths of one deletion
ABANDONED = 7 * 24 * 3600.0  # seconds since anything was made in a work folder


@dataclass(frozen=True, slots=True)
class Thrown:
    """One deleted entry, stored as ``key`` beside the sidecar."""

    key: str
    path: str  # below its root, where it was, as callers write it
    kind: Kind


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What was deleted together, in one root."""

    id: str
    who: str
    at: float  # seconds since 1970
    items: tuple[Thrown, ...]


SIDECARS: TypeAdapter[Sidecar] = TypeAdapter(Sidecar)


def plan_delete(
    visit: Visit, paths: Sequence[str], make_room: MakeRoom = no_reserve
) -> tuple[str, tuple[Step, ...]]:
    """The id under which ``paths`` will lie in the trash together, and the steps to it.

    The sidecars are written; nothing has moved. Raises before where any path may not be deleted
    or is not there. Links go themselves, never what they lead to; what lies in another of the
    paths goes with it. ``make_room`` helps where the disk has none for the sidecars.
    """
    check_rights(visit, (Right.VIEW, Right.DELETE))
    if len(paths) > MOST_TOGETHER:
        raise BadPath(f"{len(paths)} paths; at most {MOST_TOGETHER} at once.")
    places = _outermost([_deletable(visit, path) for path in paths])
    trash_id = secrets.token_hex(ID_BYTES)
    steps: list[Step] = []
    for root in dict.fromkeys(place.root for place in places):
        ours = [place for place in places if place.root == root]
        steps += _prepare(root, trash_id, visit.who, ours, make_room)
    return trash_id, tuple(steps)


def delete(
    visit: Visit, paths: Sequence[str], work: Work, make_room: MakeRoom = no_reserve
) -> tuple[str, tuple[Result, ...]]:
    """Put ``paths`` into the trash while the caller waits: the id, and what became of each.

    Raises as :func:`plan_delete`.
    """
    trash_id, steps = plan_delete(visit, paths, make_room)
    return trash_id, tuple(_throw(step, work) for step in steps)


def _throw(step: Step, work: Work) -> Result:
    done = take_step(step, True, replace(work, conflict=None, tell=lambda _: None))
    if done.status is State.DONE:
        work.tell(Happening(What.DELETED, step.source))
    return replace(done, to=None)


def _deletable(visit: Visit, path: str) -> Place:
    place = reach(visit, path)
    if not place.writable:
        raise NotAllowed(f"{place.text!r} cannot be deleted{why_fixed(place)}.")
    look(place)
    return place


def _outermost(places: Sequence[Place]) -> list[Place]:
    chosen = {(place.root, place.names): place for place in places}
    return [
        place
        for (root, names), place in chosen.items()
        if not any((root, names[:length]) in chosen for length in range(1, len(names)))
    ]


def _prepare(
    root: Root, trash_id: str, who: str, places: Sequence[Place], make_room: MakeRoom
) -> list[Step]:
    bin_ = Place(root, (TRASH, trash_id))
    items = tuple(
        Thrown(str(number), "/".join(map(show_name, place.names)), look(place).kind)
        for number, place in enumerate(places)
    )
    sidecar = Sidecar(trash_id, who, time.time(), items)
    try:
        with_room(lambda: _begin_bin(bin_, sidecar), make_room)
    except OSError:
        discard(bin_)
        raise
    return [Step(place, bin_, item.key) for item, place in zip(items, places, strict=True)]


def _begin_bin(bin_: Place, sidecar: Sidecar) -> None:
    for folder in (Place(bin_.root, (TRASH,)), bin_):
        if not exists(folder):
            make_folder(folder, 0o700)
    _write(bin_, sidecar)


def plan_restore(visit: Visit, trash_id: str, conflict: Conflict | None) -> tuple[Step, ...]:
    """The steps that put back what was deleted under this id, where it was.

    Folders that are gone meanwhile are made again. Raises :class:`NotHere` for ids of nobody and
    of others, and :class:`Taken` where a name is in use and nothing is said of that.
    """
    check_rights(visit, (Right.VIEW, Right.DELETE, Right.CREATE))
    check_rights(visit, (Right.MODIFY,) if conflict is Conflict.OVERWRITE else ())
    steps = [
        step
        for bin_, sidecar in _bins(visit, trash_id)
        for step in _steps_back(visit, bin_, sidecar)
    ]
    if not steps:
        raise NotHere(f"Nothing of yours lies in the trash under {trash_id!r}.")
    there = [f"/{step.target.text}" for step in steps if conflict is None and _there(step)]
    if there:
        raise Taken(
            f"There already: {', '.join(there[:10])}. Say conflict: skip, overwrite or rename."
        )
    for step in steps:
        _make_way(step.folder)
    return tuple(steps)


def _steps_back(visit: Visit, bin_: Place, sidecar: Sidecar) -> Iterator[Step]:
    """What lies in the bin, and where it was; a forged sidecar leads nowhere else."""
    for item in _present(bin_, sidecar):
        place = locate(f"{bin_.root.name}/{item.path}", visit.roots)
        source = Place(bin_.root, (*bin_.names, *split(item.key)))
        yield Step(source, Place(place.root, place.names[:-1]), place.names[-1])


def _there(step: Step) -> bool:
    try:
        return exists(step.target)
    except NotHere:  # its folder is gone
        return False


def _make_way(folder: Place) -> None:
    for depth in range(1, len(folder.names) + 1):
        way = Place(folder.root, folder.names[:depth])
        try:
            make_folder(way)
        except (FileExistsError, NotAllowed):
            continue


def purge(visit: Visit, trash_id: str) -> None:
    """Remove one's own things from the trash, for good. Raises :class:`NotHere`."""
    check_rights(visit, (Right.DELETE,))
    found = list(_bins(visit, trash_id))
    if not found:
        raise NotHere(f"Nothing of yours lies in the trash under {trash_id!r}.")
    for bin_, _ in found:
        discard(bin_)


def thrown(visit: Visit) -> list[tuple[Root, Sidecar]]:
    """The caller's own deletions, latest first, with the items that are still in the trash."""
    check_rights(visit, (Right.VIEW,))
    found = [
        (root, replace(sidecar, items=tuple(_present(bin_, sidecar))))
        for root in visit.roots
        if root.writable
        for bin_, sidecar in sidecars(root)
        if sidecar.who == visit.who and any(_present(bin_, sidecar))
    ]
    return sorted(found, key=lambda each: each[1].at, reverse=True)


def _present(bin_: Place, sidecar: Sidecar) -> Iterator[Thrown]:
    for item in sidecar.items:
        if exists(Place(bin_.root, (*bin_.names, *split(item.key)))):
            yield item


def weight(root: Root, sidecar: Sidecar) -> int:
    """Bytes that one deletion takes on the disk."""
    return measure(Place(root, (TRASH, sidecar.id))).size


def sweep(roots: Sequence[Root], retention: float, now: float | None = None) -> int:
    """Remove what has lain in the trash for longer than ``retention`` seconds; how many."""
    now, count = time.time() if now is None else now, 0
    for root in roots:
        if not root.writable:
            continue
        for bin_, sidecar in list(sidecars(root)):
            if now - sidecar.at > retention:
                discard(bin_)
                count += 1
        for place in _abandoned(root, now):
            discard(place)
    return count


def _abandoned(root: Root, now: float) -> list[Place]:
    """Work folders of jobs that nobody remembers."""
    return [
        place
        for name in _names(root)
        if name.startswith(WORK)
        for place in [Place(root, (TRASH, name))]
        if now - look(place).modified > ABANDONED
    ]


def sidecars(root: Root) -> Iterator[tuple[Place, Sidecar]]:
    """Everything in the trash of a root, whoever deleted it."""
    for name in _names(root):
        if not name.startswith(WORK):
            bin_ = Place(root, (TRASH, name))
            sidecar = _read(bin_)
            if sidecar is not None:
                yield bin_, sidecar


def _names(root: Root) -> list[str]:
    try:
        with parent_of(Place(root, (TRASH, "x"))) as (folder, _):
            return os.listdir(folder)
    except (FileError, OSError):
        return []


def _bins(visit: Visit, trash_id: str) -> Iterator[tuple[Place, Sidecar]]:
    if not trash_id.isalnum():
        return
    for root in visit.roots:
        if root.writable:
            bin_ = Place(root, (TRASH, trash_id))
            sidecar = _read(bin_)
            if sidecar is not None and sidecar.who == visit.who:
                yield bin_, sidecar


def forget_if_empty(bin_: Place) -> None:
    """Remove a bin from which everything was put back."""
    sidecar = _read(bin_)
    if sidecar is not None and not any(_present(bin_, sidecar)):
        discard(bin_)


def _write(bin_: Place, sidecar: Sidecar) -> None:
    write_place(Place(bin_.root, (*bin_.names, INFO)), SIDECARS.dump_json(sidecar))


def _read(bin_: Place) -> Sidecar | None:
    """The sidecar of a bin; None where there is none that can be understood."""
    try:
        return SIDECARS.validate_json(read_place(Place(bin_.root, (*bin_.names, INFO))))
    except (FileError, OSError, ValidationError):
        return None
