"""Folders as wsgidav's resources: those on the disk, the top, and those of a desktop's own."""

import os
import time
from contextlib import suppress
from typing import Any

from wsgidav.dav_error import DAVError
from wsgidav.dav_provider import DAVCollection
from wsgidav.util import join_uri

from filebrowser.copying import exists, make_folder
from filebrowser.dav.entries import DESK, Entry, disk_of, facts_of
from filebrowser.dav.errors import translated
from filebrowser.dav.files import File, Placeholder, SideFile
from filebrowser.dav.side_files import is_owner_file, is_side_file
from filebrowser.errors import FileError, WrongContent
from filebrowser.file_times import set_time_of
from filebrowser.gate import Place, find_place, open_place, parent_of
from filebrowser.happenings import Happening, What
from filebrowser.resources import inside
from filebrowser.uploads.rules import Rules
from filebrowser.visit import Right, Visit, check_rights

NEW_FILE = 0o640


class Folder(Entry, DAVCollection):
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
        with disk_of(self.place) as disk:
            return disk.f_bavail * disk.f_frsize

    def get_used_bytes(self) -> int:
        """What the disk holds."""
        with disk_of(self.place) as disk:
            return (disk.f_blocks - disk.f_bavail) * disk.f_frsize

    def get_member_names(self) -> list[str]:
        """The names of files and folders that the gate opens."""
        return [member.name for member in self.get_member_list()]

    def get_member_list(self) -> list[Any]:
        """Files and folders; links, pipes and what is hidden are left out."""
        with translated():
            found = open_place(self.place, os.O_RDONLY | os.O_DIRECTORY)
            try:
                names = [one.name for one in inside(self.place, found) if one.ordinary]
            finally:
                os.close(found)
        members = (self.get_member(name) for name in names)
        return [member for member in members if member is not None]

    def get_member(self, name: str) -> Any:
        """One of them, None for what is not there."""
        return self.provider.get_resource_inst(join_uri(self.path, name), self.environ)

    def create_empty_resource(self, name: str) -> File:
        """The name of a new file. For a LOCK the file is made at once, empty. Right: create.

        Not one that is to hold weights, and not a desktop's own: these are there by their locks.
        """
        path, rules = join_uri(self.path, name), self.desk.uploads.rules
        with translated():
            check_rights(self.visit, [Right.CREATE])
            if is_side_file(path) or is_dropped(self.place, name, rules):
                return makeable(side_file(path, self.environ))
            place = self.child(name)
            if self.environ["REQUEST_METHOD"] != "LOCK":
                return File(path, self.environ, place, None)
            self.check_locks()
            rules.check_name(place)
            if rules.is_weights(place):
                return Placeholder(path, self.environ, place, time.time_ns())
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            os.close(open_place(place, flags, NEW_FILE))
            made = File(path, self.environ, place, None)
            made.facts = facts_of(place)
            return made

    def check_locks(self) -> None:
        """Raise 423 where somebody has locked this folder."""
        self.provider.lock_manager.check_write_permission(
            url=self.get_ref_url(),
            depth="0",
            token_list=self.environ.get("wsgidav.ifLockTokenList") or [],
            principal=self.visit.who,
        )

    def create_collection(self, name: str) -> None:
        """Make a folder, unless it would be a desktop's own. Right: create."""
        with translated():
            check_rights(self.visit, [Right.CREATE])
            if is_side_file(path := join_uri(self.path, name)):
                makeable(side_file(path, self.environ))
                return
            place = self.child(name)
            make_folder(place)
            if self.desk.modified is not None:
                with parent_of(place) as (folder, last):
                    set_time_of(folder, last, self.desk.modified)
        self.desk.tell(Happening(What.CREATED, place))

    def child(self, name: str) -> Place:
        """The place of a name in this folder."""
        return find_place(f"{self.place.text}/{name}", self.visit.roots)

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """Make the folder alone at its new place. Rights: view, create."""
        with translated():
            target = self._target(dest_path, Right.VIEW, Right.CREATE)
            if exists(target):  # a copy over a folder: wsgidav has taken away what is not in both
                return
            make_folder(target)
        self.desk.tell(Happening(What.CREATED, target))


class Virtual(DAVCollection):
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

    def create_empty_resource(self, name: str) -> File:
        """What a desktop lays here is taken and not kept; all else is 403."""
        path = join_uri(self.path, name)
        if not is_side_file(path):
            raise DAVError(403, "Files and folders lie in trees.")
        with translated():
            check_rights(self.environ[DESK].visit, [Right.CREATE])
        return makeable(side_file(path, self.environ))

    def create_collection(self, name: str) -> None:
        """The same."""
        self.create_empty_resource(name)


class Trees(Virtual):
    """The top: the trees of the visit. Nothing is made, moved or taken away here."""

    def handle_delete(self) -> bool:
        """403."""
        raise DAVError(403, "The trees themselves stay.")

    def get_member_names(self) -> list[str]:
        """The names of the trees."""
        visit: Visit = self.environ[DESK].visit
        return [root.name for root in visit.roots]

    def get_member(self, name: str) -> Any:
        """A tree, None for one that cannot be opened."""
        return self.provider.get_resource_inst(f"/{name}", self.environ)


class SideFolder(Virtual):
    """A folder of a desktop's own, as the parent of what is not kept."""

    def get_member_names(self) -> list[str]:
        """None."""
        return []

    def get_member(self, name: str) -> None:
        """None."""


def is_dropped(folder: Place, name: str, rules: Rules) -> bool:
    """Whether a name is a program's mark of an open document, in a folder that does not take it."""
    if not is_owner_file(name):
        return False
    try:
        rules.check_name(Place(folder.root, (*folder.names, name)))
    except WrongContent:
        return True
    return False


def side_file(path: str, environ: dict[str, Any], since: int = 0) -> SideFile:
    """A desktop's own file, there ``since`` so many nanoseconds after 1970.

    Outside all trees, and under names that are none, it has no place.
    """
    place = None
    with suppress(FileError):
        place = find_place(path, environ[DESK].visit.roots)
    return SideFile(path, environ, place, since)


def makeable(made: SideFile) -> SideFile:
    """The same. Raises :class:`DAVError` 403 where nothing may be made."""
    if made.prevent_locking():
        raise DAVError(403, "Nothing may be made here.")
    return made
