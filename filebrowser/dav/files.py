"""Files as wsgidav resources: on disk, placeholders, and side files that are not kept."""

import io
import os
import stat
from typing import Any, BinaryIO

from wsgidav.dav_error import DAVError
from wsgidav.dav_provider import DAVNonCollection

from filebrowser.access.file_access import Right, check_copyable, check_place, check_rights
from filebrowser.access.gate import Place, open_place, stat_place
from filebrowser.dav.entries import DavEntry
from filebrowser.dav.errors import translate_errors
from filebrowser.dav.file_write import (
    DeferredBody,
    body_of,
    copy_file,
    discard_body,
    peek_source,
    put_file,
)
from filebrowser.dav.side_files import is_side_file
from filebrowser.dav.times import read_time
from filebrowser.errors import NotAllowed, WrongContent
from filebrowser.file_response import SANDBOX
from filebrowser.file_times import SECOND
from filebrowser.listing.file_kinds import type_of
from filebrowser.operations.copy_tree import exists

SAFE_HEADERS = (
    ("Content-Security-Policy", SANDBOX),
    ("Content-Disposition", "attachment"),
    ("Cache-Control", "private, no-cache"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


class DavFile(DavEntry, DAVNonCollection):
    """A file, or the name of one that a PUT is about to bring (``facts`` is None until then)."""

    def __init__(
        self, path: str, environ: dict[str, Any], place: Place, facts: os.stat_result | None
    ) -> None:
        super().__init__(path, environ)
        self.place, self.is_new = place, facts is None
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
        with translate_errors():
            check_place(self.access, self.place, [Right.DOWNLOAD])
            return open(open_place(self.place), "rb", buffering=0)

    def begin_write(self, *, content_type: str | None = None) -> DeferredBody:
        """The bytes are taken at the end. Rights: create, and modify for what is there already."""
        with translate_errors():
            check_rights(self.access, [Right.CREATE if self.is_new else Right.MODIFY])
        return DeferredBody()

    def end_write(self, *, with_errors: bool) -> None:
        """Take the bytes, and put the file there when all of them came.

        No bytes at all only announce weights: what is there of them stays as it is.
        """
        source, length = body_of(self.environ)
        uploads = self.context.uploads
        with translate_errors():
            if is_side_file(self.path):
                discard_body(source, length, uploads.limits.largest)
            else:
                if length is None:
                    source, length = peek_source(source)
                if length == 0 and uploads.rules.is_weights(self.place):
                    self._announce()
                else:
                    self._upload(source, length)
        self.environ["wsgidav.all_input_read"] = 1

    def _announce(self) -> None:
        uploads, place = self.context.uploads, self.place
        uploads.rules.check_name(place)
        if not place.writable:
            raise NotAllowed(f"/{place.text} cannot be written.")
        if self.is_new:
            placeholder = self.context.placeholders.add(
                place, self.access.who, self.context.modified
            )
            self.facts = empty_facts(placeholder.shown_time)

    def _upload(self, source: Any, length: int | None) -> None:
        context = self.context
        try:
            put_file(
                *(context.uploads, self.access, self.place, source, length),
                replace=not self.is_new,
                modified=self._modified_time(),
            )
        except WrongContent:
            context.placeholders.remove(self.place)
            raise
        context.placeholders.remove(self.place)
        self.locks.forget_time(self.get_ref_url())
        self.facts = stat_place(self.place)

    def _modified_time(self) -> int | None:
        """The time that the client told: with the bytes, or before them."""
        earlier = self.locks.time_of(self.get_ref_url())
        announced = self.context.placeholders.find(self.place)
        if earlier is None and announced is not None:
            earlier = announced.modified
        return earlier if self.context.modified is None else self.context.modified

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """Copy the bytes and the time. Rights: view, create."""
        with translate_errors():
            target = self._target(dest_path, Right.VIEW, Right.CREATE)
            if not is_move:
                check_copyable(self.access, self.place)
            copy_file(self.context.uploads, self.access, self.place, target, replace=exists(target))

    def _check_kind(self, target: Place) -> None:
        with open(open_place(self.place), "rb", buffering=0) as file:
            self.context.uploads.rules.check_content(target, file.fileno())


class PlaceholderFile(DavFile):
    """A file that is announced: empty, in memory alone, until a PUT brings its bytes."""

    def __init__(self, path: str, environ: dict[str, Any], place: Place, modified: int) -> None:
        super().__init__(path, environ, place, None)
        self.facts = empty_facts(modified)

    def get_content(self) -> BinaryIO:
        """No bytes."""
        return io.BytesIO()

    def set_last_modified(self, dest_path: str, time_stamp: Any, *, dry_run: bool) -> bool:
        """Keep the time for the file. Right: create."""
        modified = read_time(str(time_stamp))
        with translate_errors():
            check_rights(self.access, [Right.CREATE])
        if not dry_run:
            self.context.placeholders.set_time(self.place, modified)
            self.locks.keep_time(self.get_ref_url(), modified)
        return True

    def delete(self) -> None:
        """Forget the name. Right: create, as for its making."""
        with translate_errors():
            check_rights(self.access, [Right.CREATE])
            self._check_locks()
        self._remove_traces()

    def move_recursive(self, dest_path: str) -> list[Any]:
        """Announce another name in its place."""
        self.copy_move_single(dest_path, is_move=True)
        self._remove_traces()
        return []

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """Announce another name too. Right: create."""
        with translate_errors():
            target = self._target(dest_path, Right.VIEW, Right.CREATE)
            self._check_kind(target)
            self.context.placeholders.add(target, self.access.who)

    def _check_kind(self, target: Place) -> None:
        rules = self.context.uploads.rules
        rules.check_name(target)
        if not rules.is_weights(target):
            raise DAVError(409, "Its bytes have not come yet: send them first.")


class SideFile(PlaceholderFile):
    """A file of a desktop's own (:mod:`filebrowser.dav.side_files`): its bytes are not kept.

    It is there while it is locked, so that its program can do what it means to. ``place`` is None
    outside all trees.
    """

    def __init__(self, path: str, environ: dict[str, Any], place: Place | None, since: int) -> None:
        super().__init__(path, environ, place, since)  # type: ignore[arg-type]

    def prevent_locking(self) -> bool:
        """Not where others may be made."""
        return self.place is not None and super().prevent_locking()

    def end_write(self, *, with_errors: bool) -> None:
        """Read the bytes and let them go."""
        source, length = body_of(self.environ)
        with translate_errors():
            discard_body(source, length, self.context.uploads.limits.largest)
        self.environ["wsgidav.all_input_read"] = 1

    def set_last_modified(self, dest_path: str, time_stamp: Any, *, dry_run: bool) -> bool:
        """Nothing has a time here."""
        return True

    def delete(self) -> None:
        """It goes with its lock."""
        self._check_locks()
        self.remove_all_locks(recursive=True)

    def handle_copy(self, dest_path: str, *, depth_infinity: bool) -> bool:
        """404: there is nothing to be copied."""
        raise DAVError(404, "Nothing is kept under this name.")

    def handle_move(self, dest_path: str) -> bool:
        """404: there is nothing to be moved."""
        raise DAVError(404, "Nothing is kept under this name.")


def empty_facts(modified: int) -> os.stat_result:
    """What stat(2) would say of an empty file of this time in nanoseconds since 1970."""
    seconds = modified // SECOND
    ten = (stat.S_IFREG | 0o640, 0, 0, 1, 0, 0, 0, seconds, seconds, seconds)
    more = {"st_atime_ns": modified, "st_mtime_ns": modified, "st_ctime_ns": modified}
    return os.stat_result(ten, more)
