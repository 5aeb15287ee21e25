"""Base class of WebDAV files and folders: each method checks its right through the gate."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from wsgidav.dav_error import DAVError

from filebrowser.access.file_access import FileAccess, Right, check_rights, resolve_path
from filebrowser.access.gate import Place, open_parent, open_place, why_fixed
from filebrowser.dav.destination import restore_signs
from filebrowser.dav.errors import translate_errors
from filebrowser.dav.locks import BoundedLockStorage
from filebrowser.dav.placeholders import Placeholders
from filebrowser.dav.times import IGNORED_PROPERTIES, TIME_PROPERTIES, read_time
from filebrowser.errors import NotAllowed
from filebrowser.file_times import set_time_of_name
from filebrowser.operations import trash
from filebrowser.operations.copy_tree import measure
from filebrowser.operations.disk_full import MakeRoom, no_reserve
from filebrowser.operations.move import (
    StepContext,
    StepStatus,
    check_targets_free,
    move_step,
    plan_steps,
)
from filebrowser.resources import clamp_time
from filebrowser.uploads.reservations import SpaceCounter, reserve_unlimited
from filebrowser.uploads.upload_store import UploadStore
from filebrowser.watch.file_events import FileEvent

CONTEXT_KEY = "easel.desk"  # where the environment of a request holds its desk


@dataclass(frozen=True, slots=True)
class DavContext:
    """Context of a WebDAV request: access, uploads, event callback and placeholders.

    ``modified`` is the time that a PUT's file is to have, in nanoseconds since 1970, if the client
    told it with the bytes.
    """

    access: FileAccess
    uploads: UploadStore
    publish: Callable[[FileEvent], None]
    placeholders: Placeholders
    make_room: MakeRoom = no_reserve
    modified: int | None = None


class DavEntry:
    """What files and folders have in common. ``facts`` is what stat(2) said when it was found."""

    place: Place
    facts: os.stat_result
    path: str
    environ: dict[str, Any]
    provider: Any

    @property
    def context(self) -> DavContext:
        """What the request brought along."""
        context: DavContext = self.environ[CONTEXT_KEY]
        return context

    @property
    def access(self) -> FileAccess:
        """Who asks."""
        return self.context.access

    @property
    def locks(self) -> BoundedLockStorage:
        """The table of locks."""
        storage: BoundedLockStorage = self.provider.lock_manager.storage
        return storage

    def get_creation_date(self) -> float:
        """The time of the last change of the inode: Linux tells nothing better everywhere."""
        return clamp_time(int(self.facts.st_ctime))

    def get_last_modified(self) -> float:
        """Seconds since 1970."""
        return clamp_time(int(self.facts.st_mtime))

    def set_property_value(self, name: str, value: Any, *, dry_run: bool = False) -> Any:
        """Set the time of the last change; the other times and the attributes of Windows are lost.

        Whatever else a client wants to keep with a file is 403.
        """
        if name in TIME_PROPERTIES:
            if value is None:
                raise DAVError(403, "A file always has a time.")
            return self.set_last_modified(self.path, value.text or "", dry_run=dry_run)
        if name in IGNORED_PROPERTIES:
            return True
        return super().set_property_value(name, value, dry_run=dry_run)  # type: ignore[misc]

    def set_last_modified(self, dest_path: str, time_stamp: Any, *, dry_run: bool) -> bool:
        """Set the time of the last change, within what a date can have. Right: modify.

        Under a lock of this very file it holds for the bytes that are still to come, too: Windows
        tells the time before it sends them.
        """
        modified = read_time(str(time_stamp))
        with translate_errors():
            check_rights(self.access, [Right.MODIFY])
            with open_parent(self.place) as (folder, name):
                if not dry_run:
                    set_time_of_name(folder, name, modified)
                    self.locks.keep_time(self.get_ref_url(), modified)  # type: ignore[attr-defined]
        return True

    def prevent_locking(self) -> bool:
        """Whoever may change nothing here locks nothing."""
        return not (self.place.is_creatable and may_change(self.access))

    def handle_delete(self) -> bool:
        """Take the whole entry away at once. Right: delete."""
        self.delete()
        return True

    def delete(self) -> None:
        """Put the whole entry into the trash, if nothing in it is locked. Right: delete."""
        with translate_errors():
            check_rights(self.access, [Right.DELETE])
            self._check_locks()
            paths, context = [f"/{self.place.text}"], self.context
            _, results = trash.delete(self.access, paths, self._step_context(), context.make_room)
        if any(result.status is StepStatus.FAILED for result in results):
            raise DAVError(409, "; ".join(result.error for result in results))
        self._remove_traces()

    def _remove_traces(self) -> None:
        """Forget the locks and the placeholders here and below."""
        self.remove_all_locks(recursive=True)  # type: ignore[attr-defined]
        self.context.placeholders.remove(self.place)

    def _step_context(self) -> StepContext:
        return StepContext(uuid4().hex, None, lambda _: None, self.context.publish)

    def _check_locks(self) -> None:
        # wsgidav looks at the parent's locks alone before it hands a tree over.
        self.provider.lock_manager.check_write_permission(
            url=self.get_ref_url(),  # type: ignore[attr-defined]
            depth="infinity" if stat.S_ISDIR(self.facts.st_mode) else "0",
            token_list=self.environ.get("wsgidav.ifLockTokenList") or [],
            principal=self.access.who,
        )

    def handle_copy(self, dest_path: str, *, depth_infinity: bool) -> bool:
        """Refuse what may not be replaced, or has no room, before the target is touched.

        Each file is counted again as it is copied.
        """
        with translate_errors():
            target = self._check_target(dest_path)
            with self._reserve(target, self._size(depth_infinity)):
                return False

    def handle_move(self, dest_path: str) -> bool:
        """The same; only a move to another tree takes room."""
        with translate_errors():
            target = self._check_target(dest_path)
            with self._reserve(target, self._size_across(target)):
                return False

    def _reserve(self, target: Place, size: int) -> AbstractContextManager[SpaceCounter]:
        """Room for what comes to ``target``; what takes none is asked for none, on a full disk."""
        reserve = self.context.uploads.reserve if size else reserve_unlimited
        return reserve(target.root, size)

    def _size_across(self, target: Place) -> int:
        return 0 if target.root == self.place.root else self._size()

    def _size(self, with_members: bool = True) -> int:
        """Bytes of the file, or of all files in the folder."""
        if not stat.S_ISDIR(self.facts.st_mode):
            return self.facts.st_size
        return measure(self.place).size if with_members else 0

    def _check_target(self, dest_path: str) -> Place:
        target = self._target(dest_path)
        if not target.writable:
            raise NotAllowed(f"{target.text!r} cannot be written{why_fixed(target)}.")
        if _contains(self.place, target) or _contains(target, self.place):
            raise NotAllowed(f"{self.place.text!r} and {target.text!r} hold each other.")
        self._check_kind(target)
        return target

    def support_recursive_move(self, dest_path: str) -> bool:
        """Yes, between trees too."""
        return True

    def move_recursive(self, dest_path: str) -> list[Any]:
        """Give it its new name, which is free by now. Right: modify."""
        with translate_errors():
            target = self._target(dest_path)
            to = f"/{target.text}"
            steps = plan_steps(self.access, [f"/{self.place.text}"], to, True, exactly=True)
            check_targets_free(self.access, steps, True, None)
            self._check_kind(target)
            with self._reserve(target, self._size_across(target)) as room:
                for step in steps:
                    move_step(step, replace(self._step_context(), advance=room.take))
        self._remove_traces()
        return []

    def _target(self, dest_path: str, *needed: Right) -> Place:
        return resolve_path(self.access, restore_signs(dest_path), *needed)

    def _check_kind(self, target: Place) -> None:
        """Raise where a new name would make of a file what could not have been uploaded."""


def may_change(access: FileAccess) -> bool:
    """Whether the caller may change anything at all."""
    return bool({Right.CREATE, Right.MODIFY, Right.DELETE} & access.rights)


def _contains(outer: Place, inner: Place) -> bool:
    """Whether a place is another one, or above it."""
    return outer.root == inner.root and inner.names[: len(outer.names)] == outer.names


@contextmanager
def statvfs_of(place: Place) -> Iterator[os.statvfs_result]:
    """The figures of the disk that holds a folder."""
    with translate_errors():
        fd = open_place(place)
    try:
        yield os.fstatvfs(fd)
    finally:
        os.close(fd)
