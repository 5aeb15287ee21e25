"""Files and folders as wsgidav's resources. Every verb asks for its right and goes by the gate."""

import mimetypes
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from wsgidav.dav_error import DAVError
from wsgidav.dav_provider import DAVCollection, DAVNonCollection
from wsgidav.util import join_uri, parse_time_string

from filebrowser.dav.errors import translated
from filebrowser.dav.writing import Staged, staged
from filebrowser.errors import NotAFile, NotHere
from filebrowser.gate import Place, locate, open_place, parent_of
from filebrowser.resources import clamped, inside
from filebrowser.serving import SANDBOX
from filebrowser.visit import Right, Visit, check_rights, reach

VISIT = "easel.visit"  # where the environment of a request holds it
PIECE = 1024 * 1024
NEW_FOLDER = 0o750
SAFE_HEADERS = (
    ("Content-Security-Policy", SANDBOX),
    ("Content-Disposition", "attachment"),
    ("Cache-Control", "private, no-cache"),
    ("Referrer-Policy", "no-referrer"),
)


class Entry:
    """What files and folders have in common. ``facts`` is what stat(2) said when it was found."""

    place: Place
    facts: os.stat_result
    path: str
    environ: dict[str, Any]
    provider: Any

    @property
    def visit(self) -> Visit:
        """Who asks."""
        found: Visit = self.environ[VISIT]
        return found

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
        return not (self.place.writable and changing & self.visit.rights)

    def handle_delete(self) -> bool:
        """Take the whole entry away at once. Right: delete."""
        self.delete()
        return True

    def delete(self) -> None:
        """Take the whole entry away, if nothing in it is locked. Right: delete."""
        with translated():
            check_rights(self.visit, [Right.DELETE])
            self._check_locks()
            with parent_of(self.place) as (folder, name):
                if stat.S_ISDIR(self.facts.st_mode):
                    shutil.rmtree(name, dir_fd=folder)
                else:
                    os.unlink(name, dir_fd=folder)
        self.remove_all_locks(recursive=True)  # type: ignore[attr-defined]

    def _check_locks(self) -> None:
        # wsgidav looks at the parent's locks alone before it hands a tree over.
        self.provider.lock_manager.check_write_permission(
            url=self.get_ref_url(),  # type: ignore[attr-defined]
            depth="infinity" if stat.S_ISDIR(self.facts.st_mode) else "0",
            token_list=self.environ.get("wsgidav.ifLockTokenList") or [],
            principal=self.visit.who,
        )

    def support_recursive_move(self, dest_path: str) -> bool:
        """Within a tree a rename is enough; between trees wsgidav copies and deletes."""
        with translated():
            return reach(self.visit, dest_path).root == self.place.root

    def move_recursive(self, dest_path: str) -> list[Any]:
        """Rename, within one tree. Rights: modify, create."""
        with translated():
            target = reach(self.visit, dest_path, Right.MODIFY, Right.CREATE)
            with parent_of(self.place) as (source, old), parent_of(target) as (folder, new):
                os.rename(old, new, src_dir_fd=source, dst_dir_fd=folder)
        self.remove_all_locks(recursive=True)  # type: ignore[attr-defined]
        return []


class File(Entry, DAVNonCollection):
    """A file, or the name of one that a PUT is about to bring (``facts`` is None until then)."""

    def __init__(
        self, path: str, environ: dict[str, Any], place: Place, facts: os.stat_result | None
    ) -> None:
        super().__init__(path, environ)
        self.place, self.new = place, facts is None
        self.facts = facts  # type: ignore[assignment]
        self.staged: Staged | None = None

    def get_content_length(self) -> int:
        """Bytes."""
        return self.facts.st_size

    def get_content_type(self) -> str:
        """By its name."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"

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

    def begin_write(self, *, content_type: str | None = None) -> Staged:
        """A place for the bytes. Rights: create, and modify for what is there already."""
        with translated():
            check_rights(self.visit, [Right.CREATE if self.new else Right.MODIFY])
            self._check_room()
            self.staged = Staged(self.place)
            return self.staged

    def _check_room(self) -> None:
        wanted = int(self.environ.get("CONTENT_LENGTH") or 0)
        with parent_of(self.place) as (folder, _):
            disk = os.fstatvfs(folder)
        if wanted > disk.f_bavail * disk.f_frsize:
            raise DAVError(507, "The disk has no room for that.")

    def end_write(self, *, with_errors: bool) -> None:
        """Publish what came, if all of it came."""
        if self.staged is None:
            return
        came, self.staged = self.staged, None
        said = self.environ.get("CONTENT_LENGTH") or self.environ.get(
            "HTTP_X_EXPECTED_ENTITY_LENGTH"
        )
        if with_errors or (said and said != str(came.written)):
            came.discard()
            raise DAVError(400, "The body ended too early.")
        with translated():
            came.publish(replace=not self.new)
            self.facts = facts_of(self.place)

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """Copy the bytes. Rights: view, download, create."""
        with translated():
            target = reach(self.visit, dest_path, Right.VIEW, Right.DOWNLOAD, Right.CREATE)
            with (
                open(open_place(self.place), "rb", buffering=0) as source,
                staged(target, replace=False) as file,
            ):
                shutil.copyfileobj(source, file, PIECE)


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
                with staged(place, replace=False):
                    pass
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
            with parent_of(self.child(name)) as (folder, last):
                os.mkdir(last, NEW_FOLDER, dir_fd=folder)

    def child(self, name: str) -> Place:
        """The place of a name in this folder."""
        return locate(f"{self.place.text}/{name}", self.visit.roots)

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """Make the folder alone at its new place. Rights: view, create."""
        with translated():
            target = reach(self.visit, dest_path, Right.VIEW, Right.CREATE)
            with parent_of(target) as (folder, last):
                os.mkdir(last, NEW_FOLDER, dir_fd=folder)


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
        visit: Visit = self.environ[VISIT]
        return [root.name for root in visit.roots]

    def get_member(self, name: str) -> Any:
        """A tree, None for one that cannot be opened."""
        return entry_at(f"/{name}", self.environ)


def entry_at(path: str, environ: dict[str, Any]) -> File | Folder | Trees | None:
    """What a path of WebDAV means for the visit of the request; None for nothing. Right: view.

    Raises 400 for what is no path and 403 without the right.
    """
    visit: Visit = environ[VISIT]
    with translated():
        check_rights(visit, [Right.VIEW])
        if not path.strip("/"):
            return Trees("/", environ)
        try:
            place = locate(path, visit.roots)
            facts = facts_of(place)
        except (NotHere, NotAFile):
            return None
    kind = Folder if stat.S_ISDIR(facts.st_mode) else File
    return kind(f"/{place.text}", environ, place, facts)


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
