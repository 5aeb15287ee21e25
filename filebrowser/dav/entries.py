"""Files and folders as wsgidav's resources. Every verb asks for its right and goes by the gate."""

import mimetypes
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO
from uuid import uuid4

from wsgidav.dav_error import DAVError
from wsgidav.dav_provider import DAVCollection, DAVNonCollection
from wsgidav.util import join_uri, parse_time_string

from filebrowser import trash
from filebrowser.copying import exists, make_folder, measure
from filebrowser.dav.errors import translated
from filebrowser.dav.writing import Body, body_of, bring, copy
from filebrowser.errors import NotAFile, NotAllowed, NotHere
from filebrowser.gate import Place, find_place, open_place, parent_of, why_fixed
from filebrowser.happenings import Happening, What
from filebrowser.making_room import MakeRoom, no_reserve
from filebrowser.moving import State, Work, check_free, move, plan
from filebrowser.resources import clamped, inside
from filebrowser.serving import SANDBOX
from filebrowser.uploads.uploads import Uploads
from filebrowser.visit import Right, Visit, check_rights, reach

DESK = "easel.desk"  # where the environment of a request holds its desk
NEW_FILE = 0o640
SAFE_HEADERS = (
    ("Content-Security-Policy", SANDBOX),
    ("Content-Disposition", "attachment"),
    ("Cache-Control", "private, no-cache"),
    ("Referrer-Policy", "no-referrer"),
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a request works with: who asks, where bytes go, and who hears of changes."""

    visit: Visit
    uploads: Uploads
    tell: Callable[[Happening], None]
    make_room: MakeRoom = no_reserve


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

    def get_creation_date(self) -> float:
        """The time of the last change of the inode: Linux tells nothing better everywhere."""
        return clamped(int(self.facts.st_ctime))

    def get_last_modified(self) -> float:
        """Seconds since 1970."""
        return clamped(int(self.facts.st_mtime))

    def set_last_modified(self, dest_path: str, time_stamp: Any, *, dry_run: bool) -> bool:
        """Set the time of the last change, within what a date can have. Right: modify."""
        seconds = time_stamp if isinstance(time_stamp, int) else parse_time_string(time_stamp)
        if seconds is None:
            raise DAVError(400, "That is no time.")
        with translated():
            check_rights(self.visit, [Right.MODIFY])
            with parent_of(self.place) as (folder, name):
                if not dry_run:
                    when = clamped(int(seconds))
                    os.utime(name, (when, when), dir_fd=folder, follow_symlinks=False)
        return True

    def prevent_locking(self) -> bool:
        """Whoever may change nothing here locks nothing."""
        changing = {Right.CREATE, Right.MODIFY, Right.DELETE}
        return not (self.place.may_be_made and changing & self.visit.rights)

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
        self.remove_all_locks(recursive=True)  # type: ignore[attr-defined]

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
        with translated():
            target = reach(self.visit, dest_path)
            if not target.writable:
                raise NotAllowed(f"{target.text!r} cannot be written{why_fixed(target)}.")
        return False

    def support_recursive_move(self, dest_path: str) -> bool:
        """Yes, between trees too."""
        return True

    def move_recursive(self, dest_path: str) -> list[Any]:
        """Give it its new name, which is free by now. Right: modify."""
        with translated():
            steps = plan(self.visit, [f"/{self.place.text}"], dest_path, True, exactly=True)
            check_free(self.visit, steps, True, None)
            self._check_kind(reach(self.visit, dest_path))
            target = reach(self.visit, dest_path)
            across = target.root != self.place.root
            size = measure(self.place).size if across else 0
            with self.desk.uploads.reservation(target.root, size) as room:
                for step in steps:
                    move(step, replace(self._work(), advance=room.take))
        self.remove_all_locks(recursive=True)  # type: ignore[attr-defined]
        return []

    def _check_kind(self, target: Place) -> None:
        # A new name must not make of a file what could not have been uploaded.
        if stat.S_ISREG(self.facts.st_mode):
            with open(open_place(self.place), "rb", buffering=0) as file:
                self.desk.uploads.rules.check_content(target, file.fileno())


class File(Entry, DAVNonCollection):
    """A file, or the name of one that a PUT is about to bring (``facts`` is None until then)."""

    def __init__(
        self, path: str, environ: dict[str, Any], place: Place, facts: os.stat_result | None
    ) -> None:
        super().__init__(path, environ)
        self.place, self.new = place, facts is None
        self.facts = facts  # type: ignore[assignment]

    def get_content_length(self) -> int:
        """Bytes."""
        return self.facts.st_size

    def get_content_type(self) -> str:
        """By its name."""
        return type_of(self.name)

    def get_etag(self) -> str:
        """As everywhere in Easel."""
        return f"{self.facts.st_ino:x}-{self.facts.st_mtime_ns:x}-{self.facts.st_size:x}"

    def support_etag(self) -> bool:
        """Yes."""
        return True

    def support_ranges(self) -> bool:
        """Yes."""
        return True

    def finalize_headers(self, environ: dict[str, Any], response_headers: list[Any]) -> None:
        """Tame what a browser might show."""
        response_headers.extend(SAFE_HEADERS)

    def get_content(self) -> BinaryIO:
        """The open file. Right: download."""
        with translated():
            check_rights(self.visit, [Right.DOWNLOAD])
            return open(open_place(self.place), "rb", buffering=0)

    def begin_write(self, *, content_type: str | None = None) -> Body:
        """The bytes are taken at the end. Rights: create, and modify for what is there already."""
        with translated():
            check_rights(self.visit, [Right.CREATE if self.new else Right.MODIFY])
        return Body()

    def end_write(self, *, with_errors: bool) -> None:
        """Take the bytes, and put the file there when all of them came."""
        source, length = body_of(self.environ)
        with translated():
            bring(self.desk.uploads, self.visit, self.place, source, length, replace=not self.new)
            self.facts = facts_of(self.place)
        self.environ["wsgidav.all_input_read"] = 1

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """Copy the bytes. Rights: view, create."""
        with translated():
            target = reach(self.visit, dest_path, Right.VIEW, Right.CREATE)
            copy(self.desk.uploads, self.visit, self.place, target, replace=exists(target))


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
        return entry_at(join_uri(self.path, name), self.environ)

    def create_empty_resource(self, name: str) -> File:
        """The name of a new file. For a LOCK the file is made at once, empty. Right: create."""
        with translated():
            check_rights(self.visit, [Right.CREATE])
            place = self.child(name)
            made = File(join_uri(self.path, name), self.environ, place, None)
            if self.environ["REQUEST_METHOD"] == "LOCK":
                self.check_locks()
                self.desk.uploads.rules.check_name(place)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                os.close(open_place(place, flags, NEW_FILE))
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
        """Make a folder. Right: create."""
        with translated():
            check_rights(self.visit, [Right.CREATE])
            make_folder(self.child(name))
        self.desk.tell(Happening(What.CREATED, self.child(name)))

    def child(self, name: str) -> Place:
        """The place of a name in this folder."""
        return find_place(f"{self.place.text}/{name}", self.visit.roots)

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """Make the folder alone at its new place. Rights: view, create."""
        with translated():
            target = reach(self.visit, dest_path, Right.VIEW, Right.CREATE)
            if exists(target):  # a copy over a folder: wsgidav has taken away what is not in both
                return
            make_folder(target)
        self.desk.tell(Happening(What.CREATED, target))


class Trees(DAVCollection):
    """The top: the trees of the visit. Nothing is made, moved or taken away here."""

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

    def handle_delete(self) -> bool:
        """403."""
        raise DAVError(403, "The trees themselves stay.")

    def get_member_names(self) -> list[str]:
        """The names of the trees."""
        visit: Visit = self.environ[DESK].visit
        return [root.name for root in visit.roots]

    def get_member(self, name: str) -> Any:
        """A tree, None for one that cannot be opened."""
        return entry_at(f"/{name}", self.environ)


def entry_at(path: str, environ: dict[str, Any]) -> File | Folder | Trees | None:
    """What a path of WebDAV means for the visit of the request; None for nothing. Right: view.

    Raises 400 for what is no path and 403 without the right.
    """
    visit: Visit = environ[DESK].visit
    with translated():
        check_rights(visit, [Right.VIEW])
        if not path.strip("/"):
            return Trees("/", environ)
        try:
            place = find_place(path, visit.roots)
            facts = facts_of(place)
        except (NotHere, NotAFile):
            return None
    kind = Folder if stat.S_ISDIR(facts.st_mode) else File
    return kind(f"/{place.text}", environ, place, facts)


def type_of(name: str) -> str:
    """The media type of a file by its name."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


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
