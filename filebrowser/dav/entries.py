"""What files and folders of WebDAV have in common: each verb asks for its right, by the gate."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from wsgidav.dav_error import DAVError

from filebrowser import trash
from filebrowser.copying import measure
from filebrowser.dav.destination import restore_signs
from filebrowser.dav.errors import translated
from filebrowser.dav.locks import Locks
from filebrowser.dav.placeholders import Placeholders
from filebrowser.dav.times import IGNORED, TIMES, read_time
from filebrowser.errors import NotAllowed
from filebrowser.file_times import set_time_of
from filebrowser.gate import Place, open_place, parent_of, why_fixed
from filebrowser.happenings import Happening
from filebrowser.making_room import MakeRoom, no_reserve
from filebrowser.moving import State, Work, check_free, move, plan
from filebrowser.resources import clamped
from filebrowser.uploads.uploads import Uploads
from filebrowser.visit import Right, Visit, check_rights, reach

DESK = "easel.desk"  # where the environment of a request holds its desk


@dataclass(frozen=True, slots=True)
class Desk:
    """Context of a WebDAV request: access, uploads, event callback and placeholders.

    ``modified`` is the time that a PUT's file is to have, in nanoseconds since 1970, if the client
    told it with the bytes.
    """

    visit: Visit
    uploads: Uploads
    tell: Callable[[Happening], None]
    placeholders: Placeholders
    make_room: MakeRoom = no_reserve
    modified: int | None = None


class Entry:
    """What files and folders have in common. ``facts`` is what stat(2) said when it was found."""

    place: Place
    facts: os.stat_result
    path: str
    environ: dict[str, Any]
    provider: Any

    @property
    def desk(self) -> Desk:
        """What the request brought along."""
        found: Desk = self.environ[DESK]
        return found

    @property
    def visit(self) -> Visit:
        """Who asks."""
        return self.desk.visit

    @property
    def locks(self) -> Locks:
        """The table of locks."""
        found: Locks = self.provider.lock_manager.storage
        return found

    def get_creation_date(self) -> float:
        """The time of the last change of the inode: Linux tells nothing better everywhere."""
        return clamped(int(self.facts.st_ctime))

    def get_last_modified(self) -> float:
        """Seconds since 1970."""
        return clamped(int(self.facts.st_mtime))

    def set_property_value(self, name: str, value: Any, *, dry_run: bool = False) -> Any:
        """Set the time of the last change; the other times and the attributes of Windows are lost.

        Whatever else a client wants to keep with a file is 403.
        """
        if name in TIMES:
            if value is None:
                raise DAVError(403, "A file always has a time.")
            return self.set_last_modified(self.path, value.text or "", dry_run=dry_run)
        if name in IGNORED:
            return True
        return super().set_property_value(name, value, dry_run=dry_run)  # type: ignore[misc]

    def set_last_modified(self, dest_path: str, time_stamp: Any, *, dry_run: bool) -> bool:
        """Set the time of the last change, within what a date can have. Right: modify.

        Under a lock of this very file it holds for the bytes that are still to come, too: Windows
        tells the time before it sends them.
        """
        modified = read_time(str(time_stamp))
        with translated():
            check_rights(self.visit, [Right.MODIFY])
            with parent_of(self.place) as (folder, name):
                if not dry_run:
                    set_time_of(folder, name, modified)
                    self.locks.keep_time(self.get_ref_url(), modified)  # type: ignore[attr-defined]
        return True

    def prevent_locking(self) -> bool:
        """Whoever may change nothing here locks nothing."""
        return not (self.place.may_be_made and may_change(self.visit))

    def handle_delete(self) -> bool:
        """Take the whole entry away at once. Right: delete."""
        self.delete()
        return True

    def delete(self) -> None:
        """Put the whole entry into the trash, if nothing in it is locked. Right: delete."""
        with translated():
            check_rights(self.visit, [Right.DELETE])
            self._check_locks()
            paths, desk = [f"/{self.place.text}"], self.desk
            _, results = trash.delete(self.visit, paths, self._work(), desk.make_room)
        if any(result.status is State.FAILED for result in results):
            raise DAVError(409, "; ".join(result.error for result in results))
        self._forget()

    def _forget(self) -> None:
        """Forget the locks and the placeholders here and below."""
        self.remove_all_locks(recursive=True)  # type: ignore[attr-defined]
        self.desk.placeholders.remove(self.place)

    def _work(self) -> Work:
        return Work(uuid4().hex, None, lambda _: None, self.desk.tell)

    def _check_locks(self) -> None:
        # wsgidav looks at the parent's locks alone before it hands a tree over.
        self.provider.lock_manager.check_write_permission(
            url=self.get_ref_url(),  # type: ignore[attr-defined]
            depth="infinity" if stat.S_ISDIR(self.facts.st_mode) else "0",
            token_list=self.environ.get("wsgidav.ifLockTokenList") or [],
            principal=self.visit.who,
        )

    def handle_copy(self, dest_path: str, *, depth_infinity: bool) -> bool:
        """Refuse what may not be replaced before anything at the target is touched."""
        return self._check_target(dest_path)

    def handle_move(self, dest_path: str) -> bool:
        """The same."""
        return self._check_target(dest_path)

    def _check_target(self, dest_path: str) -> bool:
        with translated():
            target = self._target(dest_path)
            if not target.writable:
                raise NotAllowed(f"{target.text!r} cannot be written{why_fixed(target)}.")
            if _contains(self.place, target) or _contains(target, self.place):
                raise NotAllowed(f"{self.place.text!r} and {target.text!r} hold each other.")
            self._check_kind(target)
        return False

    def support_recursive_move(self, dest_path: str) -> bool:
        """Yes, between trees too."""
        return True

    def move_recursive(self, dest_path: str) -> list[Any]:
        """Give it its new name, which is free by now. Right: modify."""
        with translated():
            target = self._target(dest_path)
            to = f"/{target.text}"
            steps = plan(self.visit, [f"/{self.place.text}"], to, True, exactly=True)
            check_free(self.visit, steps, True, None)
            self._check_kind(target)
            across = target.root != self.place.root
            size = measure(self.place).size if across else 0
            with self.desk.uploads.reservation(target.root, size) as room:
                for step in steps:
                    move(step, replace(self._work(), advance=room.take))
        self._forget()
        return []

    def _target(self, dest_path: str, *needed: Right) -> Place:
        return reach(self.visit, restore_signs(dest_path), *needed)

    def _check_kind(self, target: Place) -> None:
        """Raise where a new name would make of a file what could not have been uploaded."""


def may_change(visit: Visit) -> bool:
    """Whether a visit may change anything at all."""
    return bool({Right.CREATE, Right.MODIFY, Right.DELETE} & visit.rights)


def _contains(outer: Place, inner: Place) -> bool:
    """Whether a place is another one, or above it."""
    return outer.root == inner.root and inner.names[: len(outer.names)] == outer.names


def facts_of(place: Place) -> os.stat_result:
    """What stat(2) says of an ordinary file or folder."""
    found = open_place(place)
    try:
        return os.fstat(found)
    finally:
        os.close(found)


@contextmanager
def disk_of(place: Place) -> Iterator[os.statvfs_result]:
    """The figures of the disk that holds a folder."""
    with translated():
        found = open_place(place)
    try:
        yield os.fstatvfs(found)
    finally:
        os.close(found)
