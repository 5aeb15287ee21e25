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

from filebrowser.access.gate import Place, open_file, open_parent, open_place, split_path
from filebrowser.errors import BadArchive, BadPath, NoRoom, NotAFile, TooMuch, WrongContent
from filebrowser.file_times import set_time
from filebrowser.operations.conflict_rename import rename_by_conflict
from filebrowser.operations.copy_tree import FILE_MODE, make_folder
from filebrowser.operations.move import (
    FileStep,
    LeftOutFile,
    LeftOutReason,
    StepContext,
    StepResult,
    StepStatus,
    attempt_step,
    inode_of_name,
    open_target,
)
from filebrowser.operations.move import work_folder as room_for
from filebrowser.uploads.rules import ContentRules
from filebrowser.watch.file_events import FileEvent, FileEventKind
from filebrowser.zip_reader import DamagedEntry, ZipEntry, read_content, read_entries

MAX_NAMED = 100  # files left out that a result names
MAX_IN_SENTENCE = 5  # of them in its sentence
MAX_TEXT_LENGTH = 300  # characters of a name or a reason
_NO_NAME = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})  # what a file system says


@dataclass(frozen=True, slots=True)
class ExtractLimits:
    """How large an archive may become."""

    entries: int = 100_000
    size: int = 512 << 30  # bytes in all
    ratio: int = 200  # times the archive's own size ...
    easy: int = 256 << 20  # ... beyond so many bytes
    index: int = 64 << 20  # bytes of the archive's own list of files
    spare: int = 256 << 20  # bytes left free on the disk


class _EntryUnfit(Exception):
    """One entry that cannot be taken."""

    def __init__(self, reason: LeftOutReason, error: object) -> None:
        super().__init__(str(error))
        self.reason = reason


@dataclass(slots=True)
class _ExtractCount:
    """What came of an archive, what was left out, and what is left of the limits."""

    limits: ExtractLimits
    most: int = 0  # bytes that may come
    room: int = 0  # bytes that the disk has for them
    files: int = 0
    entries: int = 0
    written: int = 0
    left_out: list[LeftOutFile] = field(default_factory=list)
    left_out_count: int = 0

    def begin(self, archive: int, free: int) -> None:
        """Take down the size of the archive and the free bytes of the disk."""
        limits = self.limits
        self.most = min(max(limits.easy, archive * limits.ratio), limits.size)
        self.room = free - limits.spare

    def check_size(self, entry: ZipEntry) -> None:
        """Leave out a file that alone is larger than all may be."""
        if entry.size > self.most:
            raise _EntryUnfit(
                LeftOutReason.TOO_LARGE,
                f"it would have {entry.size} bytes, far more than the archive's size lets expect",
            )

    def take(self, count: int) -> None:
        """Count bytes that are about to be written, whether they stay or not."""
        self.written += count
        if self.written > self.most:
            raise TooMuch("The archive holds far more than its size lets expect: a zip bomb.")
        if self.written > self.room:
            raise NoRoom("The disk has no room for what the archive holds.")

    def leave_out(self, name: str, unfit: _EntryUnfit) -> None:
        """Name what is left out, unless too many are named."""
        self.left_out_count += 1
        if len(self.left_out) < MAX_NAMED:
            error = str(unfit)[:MAX_TEXT_LENGTH]
            self.left_out.append(LeftOutFile(name[:MAX_TEXT_LENGTH], unfit.reason, error))

    @property
    def sentence(self) -> str:
        """How many were left out, the first of them named with their reasons."""
        named = "; ".join(
            f"{each.name!r}: {each.error}" for each in self.left_out[:MAX_IN_SENTENCE]
        )
        more = "; ..." if self.left_out_count > MAX_IN_SENTENCE else ""
        return f"{self.left_out_count} of {self.entries} were left out: {named}{more}."


def extract_step(
    step: FileStep,
    context: StepContext,
    rules: ContentRules,
    limits: ExtractLimits = ExtractLimits(),
) -> StepResult:
    """Take the zip at ``step.source`` apart into the new folder ``step.target``.

    What cannot be taken is left out and named in the result; where nothing can, it failed.
    """
    count = _ExtractCount(limits)
    result = attempt_step(step, lambda: _extract(step, context, rules, count))
    if not count.left_out or result.status is StepStatus.SKIPPED:
        return result
    return replace(
        result,
        error=count.sentence if result.status is StepStatus.DONE else result.error,
        left_out=tuple(count.left_out),
        left_out_count=count.left_out_count,
    )


def _extract(
    step: FileStep, context: StepContext, rules: ContentRules, count: _ExtractCount
) -> Place | None:
    with open_target(step) as target, room_for(step.folder, target, context.key) as draft_folder:
        draft = Place(draft_folder.root, (*draft_folder.names, "extracted"))
        make_folder(draft)
        disk = os.fstatvfs(target)
        with open_file(step.source, buffering=0) as file:
            count.begin(os.fstat(file.fileno()).st_size, disk.f_bavail * disk.f_frsize)
            _unpack(
                file.fileno(), _ExtractTarget(draft, step.target, rules), count, context.advance
            )
        if count.left_out and not count.files:
            raise BadArchive(f"Nothing of the archive can be taken. {count.sentence}")
        with open_parent(draft) as (holder, name):
            context.before_rename(inode_of_name(holder, name))
            final = rename_by_conflict(holder, name, target, step.name, context.conflict)
    if final is None:
        return None
    place = replace(step, name=final).target
    context.tell(FileEvent(FileEventKind.CREATED, place))
    return place


@dataclass(frozen=True, slots=True)
class _ExtractTarget:
    """Draft folder, final place, and the rules for files there."""

    draft: Place
    final: Place
    rules: ContentRules
    folders: dict[tuple[str, ...], int | None] = field(default_factory=dict)  # made, with times

    def places_of(self, names: tuple[str, ...]) -> tuple[Place, Place]:
        """The draft's place and the final one of an entry."""
        return (
            Place(self.draft.root, (*self.draft.names, *names)),
            Place(self.final.root, (*self.final.names, *names)),
        )

    def make_folders(self, names: tuple[str, ...]) -> None:
        """Make the folder of these names and those above it. Raises :class:`_EntryUnfit`."""
        for depth in range(1, len(names) + 1):
            if names[:depth] in self.folders:
                continue
            try:
                make_folder(self.places_of(names[:depth])[0])
            except FileExistsError:
                raise _EntryUnfit(
                    LeftOutReason.TWICE, "a file of the archive has its folder's name"
                ) from None
            self.folders[names[:depth]] = None


def _unpack(
    file: int, destination: _ExtractTarget, count: _ExtractCount, advance: Callable[[int], None]
) -> None:
    entries = read_entries(file, count.limits.entries, count.limits.index)
    count.entries = len(entries)
    for entry in entries:
        try:
            _unpack_entry(file, entry, destination, count, advance)
        except _EntryUnfit as unfit:
            count.leave_out(entry.name, unfit)
    for names in sorted(destination.folders, key=len, reverse=True):
        modified = destination.folders[names]
        if modified is not None:
            _set_time(destination.places_of(names)[0], modified)


def _unpack_entry(
    file: int,
    entry: ZipEntry,
    destination: _ExtractTarget,
    count: _ExtractCount,
    advance: Callable[[int], None],
) -> None:
    """Take one entry. Raises :class:`_EntryUnfit` where it is to be left out."""
    names = _check_entry(entry)
    try:
        if entry.is_folder:
            destination.make_folders(names)
            destination.folders.update({names: entry.modified} if names else {})
            return
        draft, final = destination.places_of(names)
        destination.rules.check_name(final)
        count.check_size(entry)
        destination.make_folders(names[:-1])
        _write_member(file, entry, draft, count, advance)
        _check_content(draft, final, destination.rules)
    except WrongContent as error:
        raise _EntryUnfit(LeftOutReason.KIND, error) from None
    except OSError as error:
        if error.errno not in _NO_NAME:
            raise
        raise _EntryUnfit(LeftOutReason.NAME, "the file system takes no such name") from None
    count.files += 1


def _check_entry(entry: ZipEntry) -> tuple[str, ...]:
    """The names of an entry below the folder. Raises :class:`_EntryUnfit`."""
    if stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _EntryUnfit(LeftOutReason.LINK, "it is a link or a device")
    if entry.name.startswith("/"):
        raise _EntryUnfit(LeftOutReason.NAME, "it leads out of its folder")
    try:
        names = split_path("/".join(name for name in entry.name.split("/") if name != "."))
    except BadPath as error:
        raise _EntryUnfit(LeftOutReason.NAME, error) from None
    if entry.is_folder:
        return names
    if not names:
        raise _EntryUnfit(LeftOutReason.NAME, "it has no name")
    if entry.is_locked:
        raise _EntryUnfit(LeftOutReason.LOCKED, "it is locked with a password")
    if not entry.is_readable:
        raise _EntryUnfit(
            LeftOutReason.PACKING,
            "it is packed in a way that is not read here: pack it anew, as zip programs do by "
            "default (deflate)",
        )
    return names


def _write_member(
    file: int, entry: ZipEntry, draft: Place, count: _ExtractCount, advance: Callable[[int], None]
) -> None:
    try:
        fd = open_place(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except (FileExistsError, NotAFile):
        raise _EntryUnfit(LeftOutReason.TWICE, "its name is in the archive twice") from None
    with os.fdopen(fd, "wb") as output:
        try:
            with closing(read_content(file, entry)) as content:
                for piece in content:
                    count.take(len(piece))
                    advance(len(piece))
                    output.write(piece)
        except DamagedEntry as error:
            _remove(draft)
            raise _EntryUnfit(LeftOutReason.DAMAGED, error) from None
        output.flush()
        if entry.modified is not None:
            set_time(fd, entry.modified)
        os.fsync(fd)


def _check_content(draft: Place, final: Place, rules: ContentRules) -> None:
    """Take away a file that is not what its name says. Raises ``WrongContent``."""
    fd = open_place(draft)
    try:
        rules.check_content(final, fd)
    except WrongContent:
        _remove(draft)
        raise
    finally:
        os.close(fd)


def _remove(draft: Place) -> None:
    with open_parent(draft) as (holder, name):
        os.unlink(name, dir_fd=holder)


def _set_time(folder: Place, modified: int) -> None:
    fd = open_place(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        set_time(fd, modified)
    finally:
        os.close(fd)
