"""Publishing an upload: its checksum, and the move to its name. Idempotent.

``publish`` writes down what it is about to do before it does it, so that after a crash at any
moment the next call finds out whether it was done.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from filebrowser.access.gate import Place, make_folders, open_parent
from filebrowser.atomic_file import sync_folder
from filebrowser.errors import FileError, NotHere, Taken
from filebrowser.file_times import set_time_of_name
from filebrowser.operations.renames import (
    MAX_NUMBERED_NAMES,
    NO_RENAME_ERRNOS,
    numbered_name,
    rename_noreplace,
)
from filebrowser.uploads import cross_device_copy, staging_area
from filebrowser.uploads.errors import WrongChecksum
from filebrowser.uploads.records import Conflict, Upload, UploadState
from filebrowser.uploads.write_pipeline import Digest

PIECE = 4 << 20  # bytes read between two looks


@dataclass(frozen=True, slots=True)
class PublishContext:
    """Context of publishing: staging folder, target place and callbacks.

    ``save`` writes the record down; ``on_progress`` is called now and then while it takes long.
    """

    staging_fd: int
    place: Place
    save: Callable[[Upload], None]
    on_progress: Callable[[], None]


def verify_checksum(context: PublishContext, upload: Upload, running: Digest | None) -> None:
    """Raises :class:`WrongChecksum` unless the bytes are those whose SHA-256 was announced.

    ``running`` has seen all of them as they came; without it they are read from the disk.
    """
    if not upload.order.sha256:
        return
    digest = running or _digest_data(context)
    hex_digest = digest.digest().hex()
    if hex_digest != upload.order.sha256:
        raise WrongChecksum(
            f"The file's SHA-256 is {hex_digest}, and {upload.order.sha256} was announced. "
            "Nothing of "
            "it was kept: send it again from its first byte."
        )


def _digest_data(context: PublishContext) -> Digest:
    digest = hashlib.sha256()
    with open(staging_area.open_data(context.staging_fd), "rb", buffering=0) as file:
        while block := file.read(PIECE):
            digest.update(block)
            context.on_progress()
    return digest


def name_exists(folder: int, name: str) -> bool:
    """Whether anything of this name is in the open folder, links that lead nowhere included."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def is_taken(place: Place) -> bool:
    """Whether something is at ``place``, a link that leads nowhere included."""
    with suppress(NotHere), open_parent(place) as (folder, name):
        return name_exists(folder, name)
    return False


def publish(context: PublishContext, upload: Upload) -> Upload:
    """Give the whole and checked file its name, by the policy of its order; the ended record."""
    make_folders(Place(context.place.root, context.place.names[:-1]))
    with open_parent(context.place) as (folder, name):
        if upload.state is UploadState.PUBLISHING and _is_moved(context.staging_fd, folder, upload):
            return _end_done(context, upload)
        if upload.order.conflict is Conflict.SKIP and name_exists(folder, name):
            return _end_skipped(context, upload)
        if upload.order.modified is not None and name_exists(context.staging_fd, staging_area.DATA):
            set_time_of_name(context.staging_fd, staging_area.DATA, upload.order.modified)
        moved = _move_to_free_name(context, upload, folder)
        sync_folder(folder)
    return _end_done(context, moved)


def _move_to_free_name(context: PublishContext, upload: Upload, folder: int) -> Upload:
    """Move the data under the first name that is free, or over the one that is not."""
    for name in _candidate_names(context.place.names[-1], upload.order.conflict):
        replacing = upload.order.conflict is Conflict.OVERWRITE
        if not replacing and name_exists(folder, name):
            continue
        where = Place(context.place.root, (*context.place.names[:-1], name))
        record = replace(upload, state=UploadState.PUBLISHING, path=f"/{where.text}")
        with suppress(FileExistsError):
            return _move_data(context, record, folder, name, replacing)
    raise Taken(f"No name like {context.place.names[-1]!r} is free.")


def _candidate_names(name: str, conflict: Conflict | None) -> Iterator[str]:
    yield name
    if conflict is not Conflict.OVERWRITE:
        yield from (numbered_name(name, number) for number in range(1, MAX_NUMBERED_NAMES))


def _move_data(
    context: PublishContext, upload: Upload, folder: int, name: str, replacing: bool
) -> Upload:
    """Move, also between file systems; the record of it, which was written down before."""
    source, waiting = context.staging_fd, staging_area.DATA
    inode = os.stat(waiting, dir_fd=source, follow_symlinks=False).st_ino
    if os.fstat(context.staging_fd).st_dev != os.fstat(folder).st_dev:
        source, waiting = folder, f".{upload.id}.uploading"
        with open(staging_area.open_data(context.staging_fd), "rb", buffering=0) as data:
            size = os.fstat(data.fileno()).st_size
            inode = cross_device_copy.copy_across(
                data.fileno(), size, folder, waiting, context.on_progress
            )
    record = replace(upload, inode=inode)
    context.save(record)
    try:
        if replacing:
            _rename_over(source, waiting, folder, name)
        else:
            rename_noreplace(source, waiting, folder, name)
    except (OSError, Taken) as error:
        if source == folder:
            os.unlink(waiting, dir_fd=folder)
        if isinstance(error, OSError) and error.errno in NO_RENAME_ERRNOS:
            return _copy_data(context, record, folder, name, replacing)
        raise
    return record


def _copy_data(
    context: PublishContext, upload: Upload, folder: int, name: str, replacing: bool
) -> Upload:
    """Where nothing can be moved: copy to the name itself, which is in sight meanwhile."""
    if replacing:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
    with open(staging_area.open_data(context.staging_fd), "rb", buffering=0) as data:
        size = os.fstat(data.fileno()).st_size
        inode = cross_device_copy.copy_new(
            *(data.fileno(), size, folder, name, context.on_progress),
            on_created=lambda inode: context.save(replace(upload, inode=inode)),
        )
    return replace(upload, inode=inode)


def _rename_over(source: int, waiting: str, folder: int, name: str) -> None:
    try:
        os.rename(waiting, name, src_dir_fd=source, dst_dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
            raise Taken(f"{name!r} is a folder; a file cannot take its place.") from None
        raise


def _is_moved(staging_fd: int, folder: int, upload: Upload) -> bool:
    """Whether an earlier life got as far as moving the file; what it half wrote is taken away."""
    if not name_exists(staging_fd, staging_area.DATA):
        return True
    name = upload.path.rpartition("/")[2]
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if status.st_ino == upload.inode and status.st_size != upload.length:
        os.unlink(name, dir_fd=folder)
        return False
    return status.st_ino == upload.inode


def _end_done(context: PublishContext, upload: Upload) -> Upload:
    return end_upload(context, replace(upload, state=UploadState.DONE))


def _end_skipped(context: PublishContext, upload: Upload) -> Upload:
    return end_upload(
        context, replace(upload, state=UploadState.SKIPPED, path=f"/{context.place.text}")
    )


def end_refused(context: PublishContext, upload: Upload, error: FileError) -> Upload:
    """The record of an upload whose content may not lie there; its bytes are gone."""
    return end_upload(context, replace(upload, state=UploadState.REFUSED, fault=str(error)))


def end_upload(context: PublishContext, upload: Upload) -> Upload:
    """Write down that an upload has ended, then throw away what is left of its bytes."""
    context.save(upload)
    with suppress(FileNotFoundError):
        os.unlink(staging_area.DATA, dir_fd=context.staging_fd)
    return upload
