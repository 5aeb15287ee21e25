"""Moving and copying as steps: planning, checks, and execution of each step.

A step is whole or leaves nothing: copies grow in a hidden work folder on the same disk and get
their name at the end. Nothing is written over unless the caller says so.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

from filebrowser.access.file_access import (
    FileAccess,
    Right,
    check_copyable,
    check_rights,
    resolve_path,
)
from filebrowser.access.gate import (
    Place,
    Root,
    check_name,
    is_inside,
    open_parent,
    open_parent_to_read,
    parse_path,
    why_fixed,
)
from filebrowser.errors import BadPath, FileError, NotAFile, NotAFolder, NotAllowed, NotHere, Taken
from filebrowser.listing.file_kinds import FileKind
from filebrowser.listing.tree import open_folder, read_entry
from filebrowser.operations.conflict_rename import rename_by_conflict
from filebrowser.operations.conflicts import Conflict
from filebrowser.operations.copy_tree import Advance, copy_tree, exists, make_folder, remove_tree
from filebrowser.operations.renames import (
    is_same_entry,
)
from filebrowser.own_folders import TRASH_FOLDER
from filebrowser.watch.file_events import FileEvent, FileEventKind

WORK_PREFIX = ".work-"  # begins the names of work folders inside it


class StepStatus(StrEnum):
    """Outcome of a step."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FileStep:
    """One source that is to become ``name`` in ``folder``."""

    source: Place
    folder: Place
    name: str

    @property
    def target(self) -> Place:
        """Where it is to lie, if the name is free."""
        return Place(self.folder.root, (*self.folder.names, self.name))


class LeftOutReason(StrEnum):
    """Why something of an archive was left out."""

    NAME = "name"  # it leads elsewhere, or no file may be called so
    LINK = "link"  # or a device
    LOCKED = "locked"  # with a password
    PACKING = "packing"  # in a way that is not read here
    DAMAGED = "damaged"
    TWICE = "twice"  # the archive holds another one of this name
    TOO_LARGE = "too_large"
    KIND = "kind"  # no upload could bring it there


@dataclass(frozen=True, slots=True)
class LeftOutFile:
    """One file that was left out, by its name in the archive; ``error`` says why."""

    name: str
    reason: LeftOutReason
    error: str


@dataclass(frozen=True, slots=True)
class StepResult:
    """Result of one step. ``to`` is the path where it is now.

    ``left_out`` names the first of the ``left_out_count`` files that did not come along.
    """

    path: str
    to: str | None
    status: StepStatus
    error: str = ""
    left_out: tuple[LeftOutFile, ...] = ()
    left_out_count: int = 0


@dataclass(frozen=True, slots=True)
class StepContext:
    """Context of a step: its work folder's ``key``, the conflict policy and callbacks."""

    key: str
    conflict: Conflict | None
    advance: Advance
    tell: Callable[[FileEvent], None]
    before_rename: Callable[[tuple[int, int]], None] = lambda _: (
        None
    )  # device and inode of what gets its name next


def plan_steps(
    access: FileAccess, paths: Sequence[str], to: str, moves: bool, exactly: bool = False
) -> tuple[FileStep, ...]:
    """The steps that bring ``paths`` to ``to``, a folder; or one of them to the new name ``to``.

    ``exactly`` means the new name, whatever is there.

    Raises what makes any of them impossible, before anything is touched: the gate's errors,
    :class:`NotHere`, :class:`NotAllowed`, and :class:`BadPath` for a folder into itself.
    """
    sources = [resolve_path(access, path, Right.VIEW) for path in paths]
    folder, name = _own_name(access, to, sources) or _destination(
        access, to, len(sources) == 1, exactly
    )
    steps = [FileStep(source, folder, name or (source.names or ("",))[-1]) for source in sources]
    for step in steps:
        check_step(access, step, moves)
    return tuple(steps)


def _own_name(access: FileAccess, to: str, sources: Sequence[Place]) -> tuple[Place, str] | None:
    """The folder and the new name where ``to`` is the only source's own name in another form.

    What is asked for is found in either form (NFC, NFD), so the new name would be the old one.
    """
    place, requested = resolve_path(access, to, Right.VIEW), parse_path(to, access.roots)
    if not place.names or list(sources) != [place] or requested.names[-1] == place.names[-1]:
        return None
    return Place(place.root, place.names[:-1]), requested.names[-1]


def _destination(access: FileAccess, to: str, alone: bool, exactly: bool) -> tuple[Place, str]:
    """The folder, and the name in it where ``to`` names that too."""
    place = resolve_path(access, to, Right.VIEW)
    try:
        if not exactly and read_entry(place).kind is FileKind.FOLDER:
            return place, ""
    except NotHere:
        if not alone or to.endswith("/"):
            raise
    if not alone or not place.names:
        raise NotAFolder(f"{place.text!r} is no folder to put things into.")
    return Place(place.root, place.names[:-1]), place.names[-1]


def check_step(access: FileAccess, step: FileStep, moves: bool) -> None:
    """Raise what forbids a step."""
    if not moves:
        check_copyable(access, step.source)
    if not step.source.names or (moves and not step.source.writable):
        raise NotAllowed(f"{step.source.text!r} cannot be moved away{why_fixed(step.source)}.")
    if read_entry(step.source).kind in (FileKind.LINK, FileKind.SPECIAL) and not moves:
        raise NotAFile(f"{step.source.text!r} is a link or a special file.")
    check_name(step.name)
    target = parse_path(step.target.text, access.roots)
    if not target.writable:
        raise NotAllowed(f"{target.text!r} cannot be written{why_fixed(target)}.")
    inside = step.source.root == target.root and (
        target.names[: len(step.source.names)] == step.source.names
    )
    if inside and len(target.names) > len(step.source.names):
        raise BadPath(f"{step.source.text!r} cannot be put into itself.")


def rights_needed(moves: bool, conflict: Conflict | None) -> tuple[Right, ...]:
    """The rights that moving or copying takes."""
    first = Right.MODIFY if moves else Right.CREATE
    return (Right.VIEW, first, *((Right.MODIFY,) if conflict is Conflict.OVERWRITE else ()))


def existing_targets(steps: Sequence[FileStep]) -> tuple[str, ...]:
    """The targets that are there already."""
    return tuple(
        f"/{step.target.text}"
        for step in steps
        if exists(step.target) and not _is_source_itself(step)
    )


def _is_source_itself(step: FileStep) -> bool:
    """Whether the target is the source itself, to a file system that knows no case or no forms."""
    if step.source.root != step.folder.root or step.source.names[:-1] != step.folder.names:
        return False
    with open_parent_to_read(step.source) as (holder, name):
        return is_same_entry(holder, name, holder, step.name)


def check_targets_free(
    access: FileAccess, steps: Sequence[FileStep], moves: bool, choice: Conflict | None
) -> None:
    """Raise :class:`Taken` naming what is there already, unless it is said what to do then."""
    check_rights(access, rights_needed(moves, choice))
    if choice is None and (existing := existing_targets(steps)):
        names = ", ".join(existing[:10])
        raise Taken(f"There already: {names}. Say conflict: skip, overwrite or rename.")


def run_step(step: FileStep, moves: bool, context: StepContext) -> StepResult:
    """Do one step; what goes wrong with it is in the result."""
    return attempt_step(
        step, lambda: move_step(step, context) if moves else copy_step(step, context)
    )


def attempt_step(step: FileStep, act: Callable[[], Place | None]) -> StepResult:
    """The result of a step that answers where its thing lies now, None where the name is taken."""
    try:
        final = act()
    except FileError as error:
        return StepResult(f"/{step.source.text}", None, StepStatus.FAILED, str(error))
    except OSError as error:
        words = os.strerror(error.errno) if error.errno else str(error)
        return StepResult(f"/{step.source.text}", None, StepStatus.FAILED, words)
    if final is None:
        return StepResult(f"/{step.source.text}", None, StepStatus.SKIPPED, "the name is taken")
    return StepResult(f"/{step.source.text}", f"/{final.text}", StepStatus.DONE)


def move_step(step: FileStep, context: StepContext) -> Place | None:
    """Move by a new name; across disks by a copy that was read again. None: skipped."""
    if step.target == step.source:
        return step.source
    _check_loop(step)
    with open_parent(step.source) as (source, name), open_target(step) as target:
        try:
            context.before_rename(inode_of_name(source, name))
            final = rename_by_conflict(source, name, target, step.name, context.conflict)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            final = _move_across_devices(step, context, source, name, target)
    if final is None:
        return None
    place = replace(step, name=final).target
    context.tell(FileEvent(FileEventKind.MOVED, place, step.source))
    return place


def _move_across_devices(
    step: FileStep, context: StepContext, source: int, name: str, target: int
) -> str | None:
    final = _copy_into(step, context, target, verify=True)
    if final is not None:
        remove_tree(source, name)
    return final


def copy_step(step: FileStep, context: StepContext) -> Place | None:
    """Copy a file or a folder. None: skipped."""
    _check_loop(step)
    with open_target(step) as target:
        final = _copy_into(step, context, target, verify=False)
    if final is None:
        return None
    place = replace(step, name=final).target
    context.tell(FileEvent(FileEventKind.CREATED, place))
    return place


def _copy_into(step: FileStep, context: StepContext, target: int, verify: bool) -> str | None:
    if context.conflict is Conflict.SKIP and exists(step.target):
        return None
    with work_folder(step.folder, target, context.key) as draft_folder:
        draft = Place(draft_folder.root, (*draft_folder.names, "copy"))
        copy_tree(step.source, draft, context.advance, verify)
        with open_parent(draft) as (holder, name):
            context.before_rename(inode_of_name(holder, name))
            return rename_by_conflict(holder, name, target, step.name, context.conflict)


def inode_of_name(holder: int, name: str) -> tuple[int, int]:
    """Device and inode of a name in an open folder."""
    facts = os.stat(name, dir_fd=holder, follow_symlinks=False)
    return facts.st_dev, facts.st_ino


@contextmanager
def open_target(step: FileStep) -> Iterator[int]:
    """The open target folder of a step. Raises :class:`NotAllowed` where it may not be written."""
    if not step.target.writable:
        raise NotAllowed(f"{step.target.text!r} cannot be written.")
    folder = open_folder(step.folder)
    try:
        yield folder
    finally:
        os.close(folder)


def _check_loop(step: FileStep) -> None:
    """Trees may overlap: a folder can lie below itself under another root's name."""
    with open_target(step) as target:
        if read_entry(step.source).kind is not FileKind.FOLDER:
            return
        source = open_folder(step.source)
        try:
            facts = os.fstat(source)
            if is_inside(target, (facts.st_dev, facts.st_ino)):
                raise BadPath(f"{step.source.text!r} cannot be put into itself.")
        finally:
            os.close(source)


@contextmanager
def work_folder(folder: Place, target_fd: int, key: str) -> Iterator[Place]:
    """A hidden folder on the disk of ``folder``; it and all in it are gone afterwards."""
    draft_folder = make_work_folder(folder.root, key)
    fd = open_folder(draft_folder)
    is_same_device = os.fstat(fd).st_dev == os.fstat(target_fd).st_dev
    os.close(fd)
    if not is_same_device:  # another disk is mounted inside the tree
        discard(draft_folder)
        draft_folder = Place(folder.root, (*folder.names, WORK_PREFIX + key))
        discard(draft_folder)
        make_folder(draft_folder, 0o700)
    try:
        yield draft_folder
    finally:
        discard(draft_folder)


def make_work_folder(root: Root, key: str) -> Place:
    """An empty work folder at the root's top."""
    draft_folder = work_folder_place(root, key)
    discard(draft_folder)
    for place in (Place(root, (TRASH_FOLDER,)), draft_folder):
        try:
            make_folder(place, 0o700)
        except FileExistsError:
            continue
    return draft_folder


def work_folder_place(root: Root, key: str) -> Place:
    """Where the work folder of this key lies."""
    return Place(root, (TRASH_FOLDER, WORK_PREFIX + key))


def discard(place: Place) -> None:
    """Remove whatever lies at ``place``, if anything does."""
    try:
        with open_parent(place) as (holder, name):
            remove_tree(holder, name)
    except NotHere:
        return
