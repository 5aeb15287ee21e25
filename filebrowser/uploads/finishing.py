"""Publishing an upload: checksum, content check, and the move to its name. Idempotent.

``publish`` writes down what it is about to do before it does it, so that after a crash at any
moment the next call finds out whether it was done.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from filebrowser.atomic_file import sync_names
from filebrowser.errors import FileError, NotHere, Taken
from filebrowser.file_times import set_time_of
from filebrowser.gate import Place, make_folders, parent_of
from filebrowser.renames import NO_SUCH_MOVE, free_name, rename_new
from filebrowser.uploads import carrying, staging
from filebrowser.uploads.errors import WrongChecksum
from filebrowser.uploads.records import Conflict, State, Upload
from filebrowser.uploads.writing import Digest

PIECE = 4 << 20  # bytes read between two looks
MOST_TRIED = 10_000  # names


@dataclass(frozen=True, slots=True)
class Desk:
    """Context of publishing: staging folder, target place and callbacks.

    ``keep`` writes the record down; ``look`` is called now and then while it takes long.
    """

    here: int
    place: Place
    keep: Callable[[Upload], None]
    look: Callable[[], None]


def check_sum(desk: Desk, upload: Upload, running: Digest | None) -> None:
    """Raises :class:`WrongChecksum` unless the bytes are those whose SHA-256 was announced.

    ``running`` has seen all of them as they came; without it they are read from the disk.
    """
    if not upload.order.sha256:
        return
    digest = running or _read_sum(desk)
    found = digest.digest().hex()
    if found != upload.order.sha256:
        raise WrongChecksum(
            f"The file's SHA-256 is {found}, and {upload.order.sha256} was announced. Nothing of "
            "it was kept: send it again from its first byte."
        )


def _read_sum(desk: Desk) -> Digest:
    digest = hashlib.sha256()
    with open(staging.open_data(desk.here), "rb", buffering=0) as file:
        while block := file.read(PIECE):
            digest.update(block)
            desk.look()
    return digest


def exists(folder: int, name: str) -> bool:
    """Whether anything of this name is in the open folder, links that lead nowhere included."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def taken(place: Place) -> bool:
    """Whether something is at ``place``, a link that leads nowhere included."""
    with suppress(NotHere), parent_of(place) as (folder, name):
        return exists(folder, name)
    return False


def publish(desk: Desk, upload: Upload) -> Upload:
    """Give the whole and checked file its name, by the policy of its order; the ended record."""
    make_folders(Place(desk.place.root, desk.place.names[:-1]))
    with parent_of(desk.place) as (folder, name):
        if upload.state is State.PUBLISHING and _was_moved(desk.here, folder, upload):
            return _done(desk, upload)
        if upload.order.conflict is Conflict.SKIP and exists(folder, name):
            return _skipped(desk, upload)
        if upload.order.modified is not None and exists(desk.here, staging.DATA):
            set_time_of(desk.here, staging.DATA, upload.order.modified)
        moved = _move(desk, upload, folder)
        sync_names(folder)
    return _done(desk, moved)


def _move(desk: Desk, upload: Upload, folder: int) -> Upload:
    """Move the data under the first name that is free, or over the one that is not."""
    for name in _names(desk.place.names[-1], upload.order.conflict):
        replacing = upload.order.conflict is Conflict.OVERWRITE
        if not replacing and exists(folder, name):
            continue
        where = Place(desk.place.root, (*desk.place.names[:-1], name))
        told = replace(upload, state=State.PUBLISHING, path=f"/{where.text}")
        with suppress(FileExistsError):
            return _carry(desk, told, folder, name, replacing)
    raise Taken(f"No name like {desk.place.names[-1]!r} is free.")


def _names(name: str, conflict: Conflict | None) -> Iterator[str]:
    yield name
    if conflict is not Conflict.OVERWRITE:
        yield from (free_name(name, number) for number in range(1, MOST_TRIED))


def _carry(desk: Desk, upload: Upload, folder: int, name: str, replacing: bool) -> Upload:
    """Move, also between file systems; the record of it, which was written down before."""
    source, waiting = desk.here, staging.DATA
    inode = os.stat(waiting, dir_fd=source, follow_symlinks=False).st_ino
    if os.fstat(desk.here).st_dev != os.fstat(folder).st_dev:
        source, waiting = folder, f".{upload.id}.uploading"
        with open(staging.open_data(desk.here), "rb", buffering=0) as data:
            size = os.fstat(data.fileno()).st_size
            inode = carrying.copy_across(data.fileno(), size, folder, waiting, desk.look)
    told = replace(upload, inode=inode)
    desk.keep(told)
    try:
        if replacing:
            _replace(source, waiting, folder, name)
        else:
            rename_new(source, waiting, folder, name)
    except (OSError, Taken) as error:
        if source == folder:
            os.unlink(waiting, dir_fd=folder)
        if isinstance(error, OSError) and error.errno in NO_SUCH_MOVE:
            return _write_out(desk, told, folder, name, replacing)
        raise
    return told


def _write_out(desk: Desk, upload: Upload, folder: int, name: str, replacing: bool) -> Upload:
    """Where nothing can be moved: copy to the name itself, which is in sight meanwhile."""
    if replacing:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
    with open(staging.open_data(desk.here), "rb", buffering=0) as data:
        size = os.fstat(data.fileno()).st_size
        inode = carrying.copy_new(
            *(data.fileno(), size, folder, name, desk.look),
            begun=lambda inode: desk.keep(replace(upload, inode=inode)),
        )
    return replace(upload, inode=inode)


def _replace(source: int, waiting: str, folder: int, name: str) -> None:
    try:
        os.rename(waiting, name, src_dir_fd=source, dst_dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
            raise Taken(f"{name!r} is a folder; a file cannot take its place.") from None
        raise


def _was_moved(here: int, folder: int, upload: Upload) -> bool:
    """Whether an earlier life got as far as moving the file; what it half wrote is taken away."""
    if not exists(here, staging.DATA):
        return True
    name = upload.path.rpartition("/")[2]
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if found.st_ino == upload.inode and found.st_size != upload.length:
        os.unlink(name, dir_fd=folder)
        return False
    return found.st_ino == upload.inode


def _done(desk: Desk, upload: Upload) -> Upload:
    return end(desk, replace(upload, state=State.DONE))


def _skipped(desk: Desk, upload: Upload) -> Upload:
    return end(desk, replace(upload, state=State.SKIPPED, path=f"/{desk.place.text}"))


def refused(desk: Desk, upload: Upload, error: FileError) -> Upload:
    """The record of an upload whose content may not lie there; its bytes are gone."""
    return end(desk, replace(upload, state=State.REFUSED, fault=str(error)))


def end(desk: Desk, upload: Upload) -> Upload:
    """Write down that an upload has ended, then throw away what is left of its bytes."""
    desk.keep(upload)
    with suppress(FileNotFoundError):
        os.unlink(staging.DATA, dir_fd=desk.here)
    return upload
