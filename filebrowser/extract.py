"""Extraction of zip archives into a new folder, within limits and the upload rules.

Everything is judged before or while it comes: names by the gate, links and devices are refused,
bytes are counted as they are written and not as the archive declares them. What cannot be taken is
left out and named, and the rest comes; a bomb, or what is no archive, leaves nothing behind.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace

from filebrowser.copying import FILE_MODE, make_folder
from filebrowser.errors import BadArchive, BadPath, NoRoom, NotAFile, TooMuch, WrongContent
from filebrowser.file_times import set_time
from filebrowser.gate import Place, open_place, parent_of, split
from filebrowser.happenings import Happening, What
from filebrowser.moving import (
    LeftOut,
    Reason,
    Result,
    State,
    Step,
    Work,
    attempt,
    identity,
    opened,
    settle,
)
from filebrowser.moving import work_folder as room_for
from filebrowser.uploads.rules import Rules
from filebrowser.zip_reader import Damaged, Entry, read_content, read_entries

MOST_NAMED = 100  # files left out that a result names
MOST_TOLD = 5  # of them in its sentence
LONGEST_TOLD = 300  # characters of a name or a reason
_NO_NAME = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})  # what a file system says


@dataclass(frozen=True, slots=True)
class Limits:
    """How large an archive may become."""

    entries: int = 100_000
    size: int = 512 << 30  # bytes in all
    ratio: int = 200  # times the archive's own size ...
    easy: int = 256 << 20  # ... beyond so many bytes
    index: int = 64 << 20  # bytes of the archive's own list of files
    spare: int = 256 << 20  # bytes left free on the disk


class _Unfit(Exception):
    """One entry that cannot be taken."""

    def __init__(self, reason: Reason, error: object) -> None:
        super().__init__(str(error))
        self.reason = reason


@dataclass(slots=True)
class _Count:
    """What came of an archive, what was left out, and what is left of the limits."""

    limits: Limits
    most: int = 0  # bytes that may come
    room: int = 0  # bytes that the disk has for them
    files: int = 0
    entries: int = 0
    written: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    left_out_count: int = 0

    def begin(self, archive: int, free: int) -> None:
        """Take down the size of the archive and the free bytes of the disk."""
        limits = self.limits
        self.most = min(max(limits.easy, archive * limits.ratio), limits.size)
        self.room = free - limits.spare

    def check_size(self, entry: Entry) -> None:
        """Leave out a file that alone is larger than all may be."""
        if entry.size > self.most:
            raise _Unfit(
                Reason.TOO_LARGE,
                f"it would have {entry.size} bytes, far more than the archive's size lets expect",
            )

    def take(self, count: int) -> None:
        """Count bytes that are about to be written, whether they stay or not."""
        self.written += count
        if self.written > self.most:
            raise TooMuch("The archive holds far more than its size lets expect: a zip bomb.")
        if self.written > self.room:
            raise NoRoom("The disk has no room for what the archive holds.")

    def leave_out(self, name: str, unfit: _Unfit) -> None:
        """Name what is left out, unless too many are named."""
        self.left_out_count += 1
        if len(self.left_out) < MOST_NAMED:
            error = str(unfit)[:LONGEST_TOLD]
            self.left_out.append(LeftOut(name[:LONGEST_TOLD], unfit.reason, error))

    @property
    def sentence(self) -> str:
        """How many were left out, the first of them named with their reasons."""
        named = "; ".join(f"{each.name!r}: {each.error}" for each in self.left_out[:MOST_TOLD])
        more = "; ..." if self.left_out_count > MOST_TOLD else ""
        return f"{self.left_out_count} of {self.entries} were left out: {named}{more}."


def take_step(step: Step, work: Work, rules: Rules, limits: Limits = Limits()) -> Result:
    """Take the zip at ``step.source`` apart into the new folder ``step.target``.

    What cannot be taken is left out and named in the result; where nothing can, it failed.
    """
    count = _Count(limits)
    done = attempt(step, lambda: _extract(step, work, rules, count))
    if not count.left_out or done.status is State.SKIPPED:
        return done
    return replace(
        done,
        error=count.sentence if done.status is State.DONE else done.error,
        left_out=tuple(count.left_out),
        left_out_count=count.left_out_count,
    )


def _extract(step: Step, work: Work, rules: Rules, count: _Count) -> Place | None:
    with opened(step) as target, room_for(step.folder, target, work.key) as room:
        draft = Place(room.root, (*room.names, "extracted"))
        make_folder(draft)
        disk = os.fstatvfs(target)
        with os.fdopen(open_place(step.source), "rb", buffering=0) as file:
            count.begin(os.fstat(file.fileno()).st_size, disk.f_bavail * disk.f_frsize)
            _unpack(file.fileno(), _Goal(draft, step.target, rules), count, work.advance)
        if count.left_out and not count.files:
            raise BadArchive(f"Nothing of the archive can be taken. {count.sentence}")
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
    """Draft folder, final place, and the rules for files there."""

    draft: Place
    final: Place
    rules: Rules
    folders: dict[tuple[str, ...], int | None] = field(default_factory=dict)  # made, with times

    def at(self, names: tuple[str, ...]) -> tuple[Place, Place]:
        """The draft's place and the final one of an entry."""
        return (
            Place(self.draft.root, (*self.draft.names, *names)),
            Place(self.final.root, (*self.final.names, *names)),
        )

    def make_folders(self, names: tuple[str, ...]) -> None:
        """Make the folder of these names and those above it. Raises :class:`_Unfit`."""
        for depth in range(1, len(names) + 1):
            if names[:depth] in self.folders:
                continue
            try:
                make_folder(self.at(names[:depth])[0])
            except FileExistsError:
                raise _Unfit(Reason.TWICE, "a file of the archive has its folder's name") from None
            self.folders[names[:depth]] = None


def _unpack(file: int, goal: _Goal, count: _Count, advance: Callable[[int], None]) -> None:
    entries = read_entries(file, count.limits.entries, count.limits.index)
    count.entries = len(entries)
    for entry in entries:
        try:
            _take(file, entry, goal, count, advance)
        except _Unfit as unfit:
            count.leave_out(entry.name, unfit)
    for names in sorted(goal.folders, key=len, reverse=True):
        modified = goal.folders[names]
        if modified is not None:
            _set_time(goal.at(names)[0], modified)


def _take(
    file: int, entry: Entry, goal: _Goal, count: _Count, advance: Callable[[int], None]
) -> None:
    """Take one entry. Raises :class:`_Unfit` where it is to be left out."""
    names = _judge(entry)
    try:
        if entry.is_folder:
            goal.make_folders(names)
            goal.folders.update({names: entry.modified} if names else {})
            return
        draft, final = goal.at(names)
        goal.rules.check_name(final)
        count.check_size(entry)
        goal.make_folders(names[:-1])
        _write(file, entry, draft, count, advance)
        _check_content(draft, final, goal.rules)
    except WrongContent as error:
        raise _Unfit(Reason.KIND, error) from None
    except OSError as error:
        if error.errno not in _NO_NAME:
            raise
        raise _Unfit(Reason.NAME, "the file system takes no such name") from None
    count.files += 1


def _judge(entry: Entry) -> tuple[str, ...]:
    """The names of an entry below the folder. Raises :class:`_Unfit`."""
    if stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _Unfit(Reason.LINK, "it is a link or a device")
    if entry.name.startswith("/"):
        raise _Unfit(Reason.NAME, "it leads out of its folder")
    try:
        names = split("/".join(name for name in entry.name.split("/") if name != "."))
    except BadPath as error:
        raise _Unfit(Reason.NAME, error) from None
    if entry.is_folder:
        return names
    if not names:
        raise _Unfit(Reason.NAME, "it has no name")
    if entry.is_locked:
        raise _Unfit(Reason.LOCKED, "it is locked with a password")
    if not entry.is_readable:
        raise _Unfit(
            Reason.PACKING,
            "it is packed in a way that is not read here: pack it anew, as zip programs do by "
            "default (deflate)",
        )
    return names


def _write(
    file: int, entry: Entry, draft: Place, count: _Count, advance: Callable[[int], None]
) -> None:
    try:
        written = open_place(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except (FileExistsError, NotAFile):
        raise _Unfit(Reason.TWICE, "its name is in the archive twice") from None
    with os.fdopen(written, "wb") as made:
        try:
            with closing(read_content(file, entry)) as content:
                for piece in content:
                    count.take(len(piece))
                    advance(len(piece))
                    made.write(piece)
        except Damaged as error:
            _remove(draft)
            raise _Unfit(Reason.DAMAGED, error) from None
        made.flush()
        if entry.modified is not None:
            set_time(written, entry.modified)
        os.fsync(written)


def _check_content(draft: Place, final: Place, rules: Rules) -> None:
    """Take away a file that is not what its name says. Raises ``WrongContent``."""
    found = open_place(draft)
    try:
        rules.check_content(final, found)
    except WrongContent:
        _remove(draft)
        raise
    finally:
        os.close(found)


def _remove(draft: Place) -> None:
    with parent_of(draft) as (holder, name):
        os.unlink(name, dir_fd=holder)


def _set_time(folder: Place, modified: int) -> None:
    found = open_place(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        set_time(found, modified)
    finally:
        os.close(found)
