"""A zip taken apart into a folder of its own, whatever somebody put into it.

Everything is judged before or while it comes: names by the gate, links and devices are refused,
bytes are counted as they are written and not as the archive declares them. What fails leaves
nothing behind.
"""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import IO

from filebrowser.copying import FILE_MODE, make_folder
from filebrowser.errors import BadArchive, BadPath, NoRoom, TooMuch, WrongContent
from filebrowser.gate import Place, open_place, parent_of, split
from filebrowser.happenings import Happening, What
from filebrowser.moving import Result, State, Step, Work, attempt, identity, opened, settle
from filebrowser.moving import work_folder as room_for
from filebrowser.uploads.rules import Rules

PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of others zipfile unpacks all that it has read at once: gigabytes, from a few kilobytes."""

PIECE = 1024 * 1024  # bytes written between two looks at the limits
MOST_TOLD = 5  # names of files left out
END, END_64 = b"PK\x05\x06", b"PK\x06\x06"
FAR_ENOUGH = 65_557 + 20 + 56  # bytes from the end: the longest comment, and zip64's records


@dataclass(frozen=True, slots=True)
class Limits:
    """How large an archive may become."""

    entries: int = 100_000
    size: int = 512 << 30  # bytes in all
    ratio: int = 200  # times the archive's own size ...
    easy: int = 256 << 20  # ... beyond so many bytes
    index: int = 64 << 20  # bytes of the archive's own list of files
    spare: int = 256 << 20  # bytes left free on the disk


@dataclass(slots=True)
class _Budget:
    """What is left of the limits while one archive is taken apart."""

    limits: Limits
    archive: int  # bytes
    free: int  # bytes on the disk
    written: int = 0
    left_out: list[str] = field(default_factory=list)

    def take(self, count: int) -> None:
        """Count bytes that are about to be written."""
        self.written += count
        most = max(self.limits.easy, self.archive * self.limits.ratio)
        if self.written > min(most, self.limits.size):
            raise TooMuch("The archive holds far more than its size lets expect: a zip bomb.")
        if self.written > self.free - self.limits.spare:
            raise NoRoom("The disk has no room for what the archive holds.")


def take_step(step: Step, work: Work, rules: Rules, limits: Limits = Limits()) -> Result:
    """Take the zip at ``step.source`` apart into the new folder ``step.target``.

    Files that no upload could bring there are left out and named in the result.
    """
    left_out: list[str] = []
    done = attempt(step, lambda: _extract(step, work, rules, limits, left_out))
    if done.status is State.DONE and left_out:
        names = ", ".join(left_out[:MOST_TOLD])
        return replace(done, error=f"{len(left_out)} files were left out: {names}.")
    return done


def _extract(
    step: Step, work: Work, rules: Rules, limits: Limits, left_out: list[str]
) -> Place | None:
    with opened(step) as target, room_for(step.folder, target, work.key) as room:
        draft = Place(room.root, (*room.names, "extracted"))
        make_folder(draft)
        disk = os.fstatvfs(target)
        with os.fdopen(open_place(step.source), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            budget = _Budget(limits, size, disk.f_bavail * disk.f_frsize, left_out=left_out)
            check_index(file, size, limits)
            _unpack(file, _Goal(draft, step.target, rules), budget, work.advance)
        with parent_of(draft) as (holder, name):
            work.ready(identity(holder, name))
            final = settle(holder, name, target, step.name, work.conflict)
    if final is None:
        return None
    place = replace(step, name=final).target
    work.tell(Happening(What.CREATED, place))
    return place


@dataclass(frozen=True, slots=True)
class _Goal:
    """Where files grow, where they will lie, and what may lie there."""

    draft: Place
    final: Place
    rules: Rules

    def at(self, names: tuple[str, ...]) -> tuple[Place, Place]:
        """The draft's place and the final one of a member."""
        return (
            Place(self.draft.root, (*self.draft.names, *names)),
            Place(self.final.root, (*self.final.names, *names)),
        )


def check_index(file: IO[bytes], size: int, limits: Limits) -> None:
    """Refuse an archive whose list of files is too long to read. Raises :class:`TooMuch`.

    The records at the end say how long it is; zipfile reads no more of it than they say.
    """
    file.seek(max(0, size - FAR_ENOUGH))
    tail = file.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) < at + 22:
        raise BadArchive("This is no zip file.")
    count, length = struct.unpack_from("<HI", tail, at + 10)
    wide = tail.rfind(END_64, 0, at)
    if wide >= 0 and len(tail) >= wide + 56:
        count, length = struct.unpack_from("<QQ", tail, wide + 32)
    if count > limits.entries or length > limits.index:
        raise TooMuch(f"The archive lists {count} files; at most {limits.entries} are taken.")
    file.seek(0)


def _unpack(file: IO[bytes], goal: _Goal, budget: _Budget, advance: Callable[[int], None]) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > budget.limits.entries:
                raise TooMuch(f"More than {budget.limits.entries} files in one archive.")
            for member in members:
                _one(archive, member, goal, budget, advance)
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError) as error:
        raise BadArchive(f"The archive cannot be read: {error}") from None
    except (RuntimeError, ValueError) as error:  # encrypted; a member that lies about its place
        raise BadArchive(f"The archive cannot be read: {error}") from None


def _one(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    goal: _Goal,
    budget: _Budget,
    advance: Callable[[int], None],
) -> None:
    names = _names(member)
    draft, final = goal.at(names)
    folders = draft.names if member.is_dir() else draft.names[:-1]
    for depth in range(len(goal.draft.names) + 1, len(folders) + 1):
        way = Place(draft.root, folders[:depth])
        try:
            make_folder(way)
        except FileExistsError:
            continue
    if member.is_dir():
        return
    try:
        goal.rules.check_name(final)
    except WrongContent:
        budget.left_out.append(member.filename[:80])
        return
    with archive.open(member) as source:
        _write(source, draft, budget, advance)
    _check_content(draft, final, goal.rules, budget)


def _names(member: zipfile.ZipInfo) -> tuple[str, ...]:
    """The names of a member below the folder. Raises :class:`BadArchive`."""
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadArchive(f"{member.filename[:80]!r} in the archive is a link or a device.")
    if member.flag_bits & 0x1:
        raise BadArchive("The archive is locked with a password.")
    if member.compress_type not in PACKED:
        raise BadArchive(
            f"{member.filename[:80]!r} is packed in a way that is not read here: make the archive "
            "anew, as zip programs do by default (deflate)."
        )
    try:
        names = split(member.filename)
    except BadPath as error:
        raise BadArchive(f"The archive is not taken apart: {error}") from None
    if member.filename.startswith("/") or not names:
        raise BadArchive(f"{member.filename[:80]!r} in the archive leads out of its folder.")
    return names


def _write(
    source: IO[bytes], draft: Place, budget: _Budget, advance: Callable[[int], None]
) -> None:
    try:
        written = open_place(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except FileExistsError:
        raise BadArchive(f"{draft.names[-1]!r} is in the archive twice.") from None
    with os.fdopen(written, "wb") as file:
        while piece := source.read(PIECE):
            budget.take(len(piece))
            advance(len(piece))
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _check_content(draft: Place, final: Place, rules: Rules, budget: _Budget) -> None:
    """Leave out a file that is not what its name says."""
    found = open_place(draft)
    try:
        rules.check_content(final, found)
    except WrongContent:
        budget.left_out.append("/".join(final.names[-1:]))
        with parent_of(draft) as (holder, name):
            os.unlink(name, dir_fd=holder)
    finally:
        os.close(found)
