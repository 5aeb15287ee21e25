"""Folders as wsgidav resources: on disk, the top level, and desktops' side folders."""

import os
import time
from contextlib import suppress
from typing import Any

from wsgidav.dav_error import DAVError
from wsgidav.dav_provider import DAVCollection
from wsgidav.util import join_uri

from filebrowser.access.file_access import FileAccess, Right, check_rights
from filebrowser.access.gate import Place, find_place, open_parent, open_place, stat_place
from filebrowser.dav.entries import CONTEXT_KEY, DavEntry, statvfs_of
from filebrowser.dav.errors import translate_errors
from filebrowser.dav.files import DavFile, PlaceholderFile, SideFile
from filebrowser.dav.side_files import is_owner_file, is_side_file
from filebrowser.errors import FileError, WrongContent
from filebrowser.file_times import set_time_of_name
from filebrowser.operations.copy_tree import exists, make_folder
from filebrowser.resources import list_resources
from filebrowser.uploads.rules import ContentRules
from filebrowser.watch.file_events import FileEvent, FileEventKind

NEW_FILE = 0o640


class DavFolder(DavEntry, DAVCollection):
    """A folder of a tree."""

    def __init__(
        self, path: str, environ: dict[str, Any], place: Place, facts: os.stat_result
    ) -> None:
        super().__init__(path, environ)
        self.place, self.facts = place, facts

    def get_etag(self) -> None:
        """Folders have none."""

    def support_etag(self) -> bool:
        """No."""
        return False

    def support_recursive_delete(self) -> bool:
        """Yes; locks inside are looked for."""
        return True

    def get_available_bytes(self) -> int:
        """What the disk has left."""
        with statvfs_of(self.place) as disk:
            return disk.f_bavail * disk.f_frsize

    def get_used_bytes(self) -> int:
        """What the disk holds."""
        with statvfs_of(self.place) as disk:
            return (disk.f_blocks - disk.f_bavail) * disk.f_frsize

    def get_member_names(self) -> list[str]:
        """The names of files and folders that the gate opens."""
        return [member.name for member in self.get_member_list()]

    def get_member_list(self) -> list[Any]:
        """Files and folders; links, pipes and what is hidden are left out."""
        with translate_errors():
            fd = open_place(self.place, os.O_RDONLY | os.O_DIRECTORY)
            try:
                names = [one.name for one in list_resources(self.place, fd) if one.is_ordinary]
            finally:
                os.close(fd)
        members = (self.get_member(name) for name in names)
        return [member for member in members if member is not None]

    def get_member(self, name: str) -> Any:
        """One of them, None for what is not there."""
        return self.provider.get_resource_inst(join_uri(self.path, name), self.environ)

    def get_descendants(self, **which: Any) -> list[Any]:
        """All that is in the folder; for a COPY with ``Depth: 0`` the folder itself alone.

        wsgidav asks with ``add_self`` for what is to be copied.
        """
        is_copy = which.get("add_self") and self.environ["REQUEST_METHOD"] == "COPY"
        if is_copy and self.environ["HTTP_DEPTH"] == "0":
            return [self]
        descendants: list[Any] = super().get_descendants(**which)
        return descendants

    def create_empty_resource(self, name: str) -> DavFile:
        """The name of a new file. For a LOCK the file is made at once, empty. Right: create.

        Not one that is to hold weights, and not a desktop's own: these are there by their locks.
        """
        path, rules = join_uri(self.path, name), self.context.uploads.rules
        with translate_errors():
            check_rights(self.access, [Right.CREATE])
            if is_side_file(path) or is_ignored_name(self.place, name, rules):
                return check_makeable(make_side_file(path, self.environ))
            place = self.child_place(name)
            if self.environ["REQUEST_METHOD"] != "LOCK":
                return DavFile(path, self.environ, place, None)
            self.check_locks()
            self.locks.check_room(self.access.who)
            rules.check_name(place)
            if rules.is_weights(place):
                return PlaceholderFile(path, self.environ, place, time.time_ns())
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            os.close(open_place(place, flags, NEW_FILE))
            new_file = DavFile(path, self.environ, place, None)
            new_file.facts = stat_place(place)
            return new_file

    def check_locks(self) -> None:
        """Raise 423 where somebody has locked this folder."""
        self.provider.lock_manager.check_write_permission(
            url=self.get_ref_url(),
            depth="0",
            token_list=self.environ.get("wsgidav.ifLockTokenList") or [],
            principal=self.access.who,
        )

    def create_collection(self, name: str) -> None:
        """Make a folder, unless it would be a desktop's own. Right: create."""
        with translate_errors():
            check_rights(self.access, [Right.CREATE])
            if is_side_file(path := join_uri(self.path, name)):
                check_makeable(make_side_file(path, self.environ))
                return
            place = self.child_place(name)
            make_folder(place)
            if self.context.modified is not None:
                with open_parent(place) as (folder, last):
                    set_time_of_name(folder, last, self.context.modified)
        self.context.publish(FileEvent(FileEventKind.CREATED, place))

    def child_place(self, name: str) -> Place:
        """The place of a name in this folder."""
        return find_place(f"{self.place.text}/{name}", self.access.roots)

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """Make the folder alone at its new place. Rights: view, create."""
        with translate_errors():
            target = self._target(dest_path, Right.VIEW, Right.CREATE)
            if exists(target):  # a copy over a folder: wsgidav has taken away what is not in both
                return
            make_folder(target)
        self.context.publish(FileEvent(FileEventKind.CREATED, target))


class VirtualFolder(DAVCollection):
    """A folder that is not on the disk."""

    def get_etag(self) -> None:
        """None."""

    def support_etag(self) -> bool:
        """No."""
        return False

    def support_recursive_delete(self) -> bool:
        """Nothing is deleted here."""
        return False

    def prevent_locking(self) -> bool:
        """Nothing is locked here."""
        return True

    def create_empty_resource(self, name: str) -> DavFile:
        """What a desktop lays here is taken and not kept; all else is 403."""
        path = join_uri(self.path, name)
        if not is_side_file(path):
            raise DAVError(403, "Files and folders lie in trees.")
        with translate_errors():
            check_rights(self.environ[CONTEXT_KEY].access, [Right.CREATE])
        return check_makeable(make_side_file(path, self.environ))

    def create_collection(self, name: str) -> None:
        """The same."""
        self.create_empty_resource(name)


class DavRoots(VirtualFolder):
    """The top folder: the caller's roots. Nothing can be created, moved or deleted here."""

    def handle_delete(self) -> bool:
        """403."""
        raise DAVError(403, "The trees themselves stay.")

    def get_member_names(self) -> list[str]:
        """The names of the trees."""
        access: FileAccess = self.environ[CONTEXT_KEY].access
        return [root.name for root in access.roots]

    def get_member(self, name: str) -> Any:
        """A tree, None for one that cannot be opened."""
        return self.provider.get_resource_inst(f"/{name}", self.environ)


class SideFolder(VirtualFolder):
    """A folder of a desktop's own, as the parent of what is not kept."""

    def get_member_names(self) -> list[str]:
        """None."""
        return []

    def get_member(self, name: str) -> None:
        """None."""


def is_ignored_name(folder: Place, name: str, rules: ContentRules) -> bool:
    """Whether a name is a program's mark of an open document, in a folder that does not take it."""
    if not is_owner_file(name):
        return False
    try:
        rules.check_name(Place(folder.root, (*folder.names, name)))
    except WrongContent:
        return True
    return False


def make_side_file(path: str, environ: dict[str, Any], since: int = 0) -> SideFile:
    """A desktop's own file, there ``since`` so many nanoseconds after 1970.

    Outside all trees, and under names that are none, it has no place.
    """
    place = None
    with suppress(FileError):
        place = find_place(path, environ[CONTEXT_KEY].access.roots)
    return SideFile(path, environ, place, since)


def check_makeable(file: SideFile) -> SideFile:
    """The same. Raises :class:`DAVError` 403 where nothing may be made."""
    if file.prevent_locking():
        raise DAVError(403, "Nothing may be made here.")
    return file
