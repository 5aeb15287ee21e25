"""Moving and copying as steps: planning, checks, and execution of each step.

A step is whole or leaves nothing: copies grow in a hidden work folder on the same disk and get
their name at the end. Nothing is written over unless the caller says so.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

from filebrowser.conflicts import Conflict
from filebrowser.copying import Advance, copy, exists, make_folder, remove
from filebrowser.errors import BadPath, FileError, NotAFile, NotAFolder, NotAllowed, NotHere, Taken
from filebrowser.gate import (
    Place,
    Root,
    check_name,
    folder_inside,
    holder_of,
    lies_in,
    locate,
    parent_of,
    why_fixed,
)
from filebrowser.happenings import Happening, What
from filebrowser.kinds import Kind
from filebrowser.renames import free_name, is_same_entry, rename_new
from filebrowser.tree import look, open_folder
from filebrowser.visit import Right, Visit, check_rights, reach

TRASH = ".trash"  # at each root's top; the gate shows it to nobody
WORK = ".work-"  # begins the names of work folders inside it
MOST_TRIED = 10_000  # numbers for a name that is taken


class State(StrEnum):
    """Outcome of a step."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One source that is to become ``name`` in ``folder``."""

    source: Place
    folder: Place
    name: str

    @property
    def target(self) -> Place:
        """Where it is to lie, if the name is free."""
        return Place(self.folder.root, (*self.folder.names, self.name))


class Reason(StrEnum):
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
class LeftOut:
    """One file that was left out, by its name in the archive; ``error`` says why."""

    name: str
    reason: Reason
    error: str


@dataclass(frozen=True, slots=True)
class Result:
    """Result of one step. ``to`` is the path where it is now.

    ``left_out`` names the first of the ``left_out_count`` files that did not come along.
    """

    path: str
    to: str | None
    status: State
    error: str = ""
    left_out: tuple[LeftOut, ...] = ()
    left_out_count: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """Context of a step: its work folder's ``key``, the conflict policy and callbacks."""

    key: str
    conflict: Conflict | None
    advance: Advance
    tell: Callable[[Happening], None]
    ready: Callable[[tuple[int, int]], None] = lambda _: (
        None
    )  # device and inode of what gets its name next


def plan(
    visit: Visit, paths: Sequence[str], to: str, moves: bool, exactly: bool = False
) -> tuple[Step, ...]:
    """The steps that bring ``paths`` to ``to``, a folder; or one of them to the new name ``to``.

    ``exactly`` means the new name, whatever is there.

    Raises what makes any of them impossible, before anything is touched: the gate's errors,
    :class:`NotHere`, :class:`NotAllowed`, and :class:`BadPath` for a folder into itself.
    """
    sources = [reach(visit, path, Right.VIEW) for path in paths]
    folder, name = _own_name(visit, to, sources) or _destination(
        visit, to, len(sources) == 1, exactly
    )
    steps = [Step(source, folder, name or (source.names or ("",))[-1]) for source in sources]
    for step in steps:
        check_step(visit, step, moves)
    return tuple(steps)


def _own_name(visit: Visit, to: str, sources: Sequence[Place]) -> tuple[Place, str] | None:
    """The folder and the new name where ``to`` is the only source's own name in another form.

    What is asked for is found in either form (NFC, NFD), so the new name would be the old one.
    """
    place, asked = reach(visit, to, Right.VIEW), locate(to, visit.roots)
    if not place.names or list(sources) != [place] or asked.names[-1] == place.names[-1]:
        return None
    return Place(place.root, place.names[:-1]), asked.names[-1]


def _destination(visit: Visit, to: str, alone: bool, exactly: bool) -> tuple[Place, str]:
    """The folder, and the name in it where ``to`` names that too."""
    place = reach(visit, to, Right.VIEW)
    try:
        if not exactly and look(place).kind is Kind.FOLDER:
            return place, ""
    except NotHere:
        if not alone or to.endswith("/"):
            raise
    if not alone or not place.names:
        raise NotAFolder(f"{place.text!r} is no folder to put things into.")
    return Place(place.root, place.names[:-1]), place.names[-1]


def check_step(visit: Visit, step: Step, moves: bool) -> None:
    """Raise what forbids a step."""
    if not step.source.names or (moves and not step.source.writable):
        raise NotAllowed(f"{step.source.text!r} cannot be moved away{why_fixed(step.source)}.")
    if look(step.source).kind in (Kind.LINK, Kind.SPECIAL) and not moves:
        raise NotAFile(f"{step.source.text!r} is a link or a special file.")
    check_name(step.name)
    target = locate(step.target.text, visit.roots)
    if not target.writable:
        raise NotAllowed(f"{target.text!r} cannot be written{why_fixed(target)}.")
    inside = step.source.root == target.root and (
        target.names[: len(step.source.names)] == step.source.names
    )
    if inside and len(target.names) > len(step.source.names):
        raise BadPath(f"{step.source.text!r} cannot be put into itself.")


def needed(moves: bool, conflict: Conflict | None) -> tuple[Right, ...]:
    """The rights that moving or copying takes."""
    first = Right.MODIFY if moves else Right.CREATE
    return (Right.VIEW, first, *((Right.MODIFY,) if conflict is Conflict.OVERWRITE else ()))


def taken(steps: Sequence[Step]) -> tuple[str, ...]:
    """The targets that are there already."""
    return tuple(
        f"/{step.target.text}" for step in steps if exists(step.target) and not _is_own(step)
    )


def _is_own(step: Step) -> bool:
    """Whether the target is the source itself, to a file system that knows no case or no forms."""
    if step.source.root != step.folder.root or step.source.names[:-1] != step.folder.names:
        return False
    with holder_of(step.source) as (holder, name):
        return is_same_entry(holder, name, holder, step.name)


def check_free(visit: Visit, steps: Sequence[Step], moves: bool, choice: Conflict | None) -> None:
    """Raise :class:`Taken` naming what is there already, unless it is said what to do then."""
    check_rights(visit, needed(moves, choice))
    if choice is None and (there := taken(steps)):
        names = ", ".join(there[:10])
        raise Taken(f"There already: {names}. Say conflict: skip, overwrite or rename.")


def take_step(step: Step, moves: bool, work: Work) -> Result:
    """Do one step; what goes wrong with it is in the result."""
    return attempt(step, lambda: move(step, work) if moves else copy_to(step, work))


def attempt(step: Step, act: Callable[[], Place | None]) -> Result:
    """The result of a step that answers where its thing lies now, None where the name is taken."""
    try:
        final = act()
    except FileError as error:
        return Result(f"/{step.source.text}", None, State.FAILED, str(error))
    except OSError as error:
        words = os.strerror(error.errno) if error.errno else str(error)
        return Result(f"/{step.source.text}", None, State.FAILED, words)
    if final is None:
        return Result(f"/{step.source.text}", None, State.SKIPPED, "the name is taken")
    return Result(f"/{step.source.text}", f"/{final.text}", State.DONE)


def move(step: Step, work: Work) -> Place | None:
    """Move by a new name; across disks by a copy that was read again. None: skipped."""
    if step.target == step.source:
        return step.source
    _check_loop(step)
    with parent_of(step.source) as (source, name), opened(step) as target:
        try:
            work.ready(identity(source, name))
            final = settle(source, name, target, step.name, work.conflict)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            final = _across(step, work, source, name, target)
    if final is None:
        return None
    place = replace(step, name=final).target
    work.tell(Happening(What.MOVED, place, step.source))
    return place


def _across(step: Step, work: Work, source: int, name: str, target: int) -> str | None:
    final = _copied(step, work, target, verify=True)
    if final is not None:
        remove(source, name)
    return final


def copy_to(step: Step, work: Work) -> Place | None:
    """Copy a file or a folder. None: skipped."""
    _check_loop(step)
    with opened(step) as target:
        final = _copied(step, work, target, verify=False)
    if final is None:
        return None
    place = replace(step, name=final).target
    work.tell(Happening(What.CREATED, place))
    return place


def _copied(step: Step, work: Work, target: int, verify: bool) -> str | None:
    if work.conflict is Conflict.SKIP and exists(step.target):
        return None
    with work_folder(step.folder, target, work.key) as room:
        draft = Place(room.root, (*room.names, "copy"))
        copy(step.source, draft, work.advance, verify)
        with parent_of(draft) as (holder, name):
            work.ready(identity(holder, name))
            return settle(holder, name, target, step.name, work.conflict)


def identity(holder: int, name: str) -> tuple[int, int]:
    """Device and inode of a name in an open folder."""
    facts = os.stat(name, dir_fd=holder, follow_symlinks=False)
    return facts.st_dev, facts.st_ino


@contextmanager
def opened(step: Step) -> Iterator[int]:
    """The open target folder of a step. Raises :class:`NotAllowed` where it may not be written."""
    if not step.target.writable:
        raise NotAllowed(f"{step.target.text!r} cannot be written.")
    folder = open_folder(step.folder)
    try:
        yield folder
    finally:
        os.close(folder)


def _check_loop(step: Step) -> None:
    """Trees may overlap: a folder can lie below itself under another root's name."""
    with opened(step) as target:
        if look(step.source).kind is not Kind.FOLDER:
            return
        source = open_folder(step.source)
        try:
            facts = os.fstat(source)
            if lies_in(target, (facts.st_dev, facts.st_ino)):
                raise BadPath(f"{step.source.text!r} cannot be put into itself.")
        finally:
            os.close(source)


@contextmanager
def work_folder(folder: Place, opened: int, key: str) -> Iterator[Place]:
    """A hidden folder on the disk of ``folder``; it and all in it are gone afterwards."""
    room = work_room(folder.root, key)
    made = open_folder(room)
    same = os.fstat(made).st_dev == os.fstat(opened).st_dev
    os.close(made)
    if not same:  # another disk is mounted inside the tree
        discard(room)
        room = Place(folder.root, (*folder.names, WORK + key))
        discard(room)
        make_folder(room, 0o700)
    try:
        yield room
    finally:
        discard(room)


def work_room(root: Root, key: str) -> Place:
    """An empty work folder at the root's top."""
    room = work_place(root, key)
    discard(room)
    for place in (Place(root, (TRASH,)), room):
        try:
            make_folder(place, 0o700)
        except FileExistsError:
            continue
    return room


def work_place(root: Root, key: str) -> Place:
    """Where the work folder of this key lies."""
    return Place(root, (TRASH, WORK + key))


def discard(place: Place) -> None:
    """Remove whatever lies at ``place``, if anything does."""
    try:
        with parent_of(place) as (holder, name):
            remove(holder, name)
    except NotHere:
        return


def settle(source: int, name: str, target: int, new: str, conflict: Conflict | None) -> str | None:
    """Rename ``name`` of one open folder to ``new`` in another, by the conflict policy.

    The name that it got; None where it was left as it is. Raises :class:`Taken` and ``OSError``.
    """
    if conflict is Conflict.OVERWRITE:
        _put_over(source, name, target, new)
        return new
    try:
        rename_new(source, name, target, new)
        return new
    except FileExistsError:
        if conflict is Conflict.SKIP:
            return None
        if conflict is None:
            raise Taken(f"{new!r} is there already.") from None
    return _number(source, name, target, new)


def _number(source: int, name: str, target: int, new: str) -> str:
    folder = stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode)
    for number in range(1, MOST_TRIED):
        final = free_name(new, number, folder)
        try:
            rename_new(source, name, target, final)
            return final
        except FileExistsError:
            continue
    raise Taken(f"{new!r} and {MOST_TRIED} names like it are there already.")


def _put_over(source: int, name: str, target: int, new: str) -> None:
    """A file takes a file's place in one step; a folder joins a folder."""
    try:
        rename_new(source, name, target, new)
        return
    except FileExistsError:
        pass
    ours = os.stat(name, dir_fd=source, follow_symlinks=False)
    theirs = os.stat(new, dir_fd=target, follow_symlinks=False)
    if os.path.samestat(ours, theirs):
        raise Taken(f"{new!r} is the same file.")
    if stat.S_ISDIR(ours.st_mode) != stat.S_ISDIR(theirs.st_mode):
        raise Taken(f"{new!r} is a folder and a file; neither takes the other's place.")
    if stat.S_ISDIR(ours.st_mode):
        _join(source, name, target, new)
    else:
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)


def _join(source: int, name: str, target: int, new: str) -> None:
    ours = folder_inside(source, name)
    try:
        theirs = folder_inside(target, new)
        try:
            for each in sorted(os.listdir(ours)):
                _put_over(ours, each, theirs, each)
        finally:
            os.close(theirs)
    finally:
        os.close(ours)
    os.rmdir(name, dir_fd=source)
