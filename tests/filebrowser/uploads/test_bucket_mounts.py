"""Uploads and verbs where a bucket is mounted: what such file systems refuse, refused here too."""

import errno
import hashlib
import io
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filebrowser.access import gate
from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place, Root
from filebrowser.atomic_file import sync_folder
from filebrowser.operations import renames
from filebrowser.operations.copy_tree import copy_file
from filebrowser.uploads import staging_area
from filebrowser.uploads.records import Conflict, UploadSpec, UploadState
from filebrowser.uploads.space import UploadLimits
from filebrowser.uploads.upload_session import UploadChunk
from filebrowser.uploads.upload_store import UploadStore
from tests.filebrowser.uploads.conftest import HIDDEN, Died

CONTENT = random.Random(7).randbytes(300_000)
TARGET = "/data/models/Lora/style.png"
Refuse = Callable[..., None]


@pytest.fixture
def visit(tmp_path: Path) -> FileAccess:
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    return FileAccess("ann", (Root("data", tmp_path, hidden=HIDDEN),))


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Lets the folder of models refuse: links, renames (by these errors), synced folders, ..."""

    def refuse(rename: int | None = None, link: int = errno.EPERM) -> None:
        place = str(tmp_path / "models")
        real, sync = os.rename, os.fsync

        def below(*folders: int) -> bool:
            return any(os.readlink(f"/proc/self/fd/{one}").startswith(place) for one in folders)

        def no_flags(source: int, name: str, target: int, new: str, flags: int) -> None:
            raise OSError(errno.EINVAL, "no flags here", new)

        def no_link(*_: Any, **__: Any) -> None:
            raise OSError(link, "no links here")

        def rename_(old: Any, new: Any, *, src_dir_fd: int, dst_dir_fd: int) -> None:
            if rename and below(src_dir_fd, dst_dir_fd):
                raise OSError(rename, "no renames here")
            real(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        def fsync(file: int) -> None:
            if below(file) and os.path.isdir(f"/proc/self/fd/{file}"):
                raise OSError(errno.EINVAL, "no folders here")
            sync(file)

        def utime(*_: Any, **__: Any) -> None:
            raise OSError(errno.EPERM, "no times here")

        monkeypatch.setattr(renames, "_renameat2", no_flags)
        monkeypatch.setattr(renames.os, "link", no_link)
        monkeypatch.setattr(os, "rename", rename_)
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "utime", utime)
        monkeypatch.setattr(staging_area, "preallocate", lambda *_: False)

    return refuse


def send(visit: FileAccess, uploads: UploadStore, content: bytes = CONTENT, **more: Any) -> Any:
    order = UploadSpec(TARGET, len(content), sha256=hashlib.sha256(content).hexdigest(), **more)
    begun = uploads.begin(visit, order)
    if begun.is_ended:
        return begun
    piece = UploadChunk(0, len(content))
    return uploads.append(visit, begun.id, piece, io.BytesIO(content).readinto).upload


def uploads_of(told: list[Any] | None = None) -> UploadStore:
    return UploadStore(
        UploadLimits(spare=0), on_published=(told if told is not None else []).append
    )


@pytest.mark.parametrize("rename", [None, errno.EXDEV, errno.ENOSYS, errno.ENOTSUP, errno.EPERM])
@pytest.mark.parametrize("link", [errno.EPERM, errno.ENOSYS, errno.ENOTSUP])
def test_a_model_comes_whole_whatever_is_refused(
    visit: FileAccess, bucket: Refuse, tmp_path: Path, rename: int | None, link: int
) -> None:
    bucket(rename, link)
    uploads = uploads_of()
    assert send(visit, uploads).state is UploadState.DONE
    here = tmp_path / "models" / "Lora"
    assert (here / "style.png").read_bytes() == CONTENT
    again = CONTENT[::-1]
    beside = send(visit, uploads, again, conflict=Conflict.RENAME)
    assert beside.path.endswith("style (1).png")
    assert send(visit, uploads, again, conflict=Conflict.OVERWRITE).state is UploadState.DONE
    assert send(visit, uploads, CONTENT, conflict=Conflict.SKIP).state is UploadState.SKIPPED
    assert (here / "style.png").read_bytes() == again
    assert sorted(os.listdir(here)) == ["style (1).png", "style.png"]
    assert not [path for path in tmp_path.rglob("data") if path.is_file()]  # nothing waits


def test_a_copy_that_a_crash_cut_short_is_written_anew(
    visit: FileAccess, bucket: Refuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket(errno.ENOSYS)
    real, target = os.pwrite, tmp_path / "models" / "Lora" / "style.png"

    def dying(file: int, data: Any, offset: int) -> int:
        if os.readlink(f"/proc/self/fd/{file}") == str(target):
            real(file, bytes(data)[:1000], offset)
            raise Died
        return real(file, data, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", dying)
        with pytest.raises(Died):
            send(visit, uploads_of())
    assert target.stat().st_size == 1000
    uploads = uploads_of()
    (waiting,) = uploads.list_unfinished(visit)
    assert uploads.status(visit, waiting.upload.id).upload.state is UploadState.DONE
    assert target.read_bytes() == CONTENT
    assert os.listdir(target.parent) == [target.name]


def test_a_rename_that_fails_leaves_no_empty_file_behind(
    visit: FileAccess, bucket: Refuse, tmp_path: Path
) -> None:
    bucket(errno.EIO)
    folder = tmp_path / "models"
    (folder / "a").write_bytes(b"x")
    holder = os.open(folder, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="no renames"):
            renames.rename_noreplace(holder, "a", holder, "b")
    finally:
        os.close(holder)
    assert sorted(os.listdir(folder)) == ["Lora", "a"]


def test_a_copy_keeps_its_bytes_where_no_times_are_kept(
    visit: FileAccess, bucket: Refuse, tmp_path: Path
) -> None:
    bucket()
    (tmp_path / "a.txt").write_bytes(b"letters")
    root = visit.roots[0]
    copy_file(Place(root, ("a.txt",)), Place(root, ("models", "b.txt")), lambda _: None)
    assert (tmp_path / "models" / "b.txt").read_bytes() == b"letters"


def test_other_errors_of_a_folder_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_io_error(_: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(os, "fsync", raise_io_error)
    with pytest.raises(OSError, match="broken"):
        sync_folder(0)


def test_a_kernel_that_knows_no_such_opening_is_walked(
    visit: FileAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_bytes(b"letters")

    def raise_not_supported(*_: Any) -> int:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(gate, "open_by_kernel", raise_not_supported)
    with os.fdopen(gate.open_place(Place(visit.roots[0], ("a.txt",)))) as file:
        assert file.read() == "letters"
