"""Writes jobs' output files into the data directory through the path gate. No torch.

A folder that a request or an option names may have been swapped for a link since it was checked; so
each step goes from an open folder to a name in it, and no link is followed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from filebrowser.access.gate import Place, make_folders, open_place
from filebrowser.errors import FileError, NotHere
from generator.atomic_file import atomic_file_in, shared_mode
from generator.errors import CannotSave
from generator.reasons import reason_of
from webapp.files.roots import PROTECTED, picture_root

_FOLDER = os.O_RDONLY | os.O_DIRECTORY


def is_protected(inner: PurePath) -> bool:
    """Whether a path below the data directory is none for pictures.

    Models and plugins are loaded from some folders, and what begins with a dot is hidden or ours.
    """
    first = inner.parts[0].lower() if inner.parts else ""
    matches_protected = any(fnmatchcase(first, pattern) for pattern in PROTECTED)
    return matches_protected or any(name.startswith(".") for name in inner.parts)


def has_link_in_path(data_dir: Path, inner: PurePath) -> bool:
    """Whether a link or a file is in the way of a folder, as far as it is there."""
    root = picture_root(data_dir)
    for depth in range(1, len(inner.parts) + 1):
        try:
            os.close(open_place(Place(root, inner.parts[:depth]), _FOLDER))
        except NotHere:
            return False
        except FileError:
            return True
    return False


class PictureFiles:
    """Files by their absolute paths, all below ``data_dir``. Every method raises ``CannotSave``."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._root = picture_root(data_dir)

    @contextmanager
    def open_folder(self, path: Path) -> Iterator[int]:
        """The open folder, made where it is missing."""
        with self._as_cannot_save(path):
            place = self._place_of(path)
            make_folders(place, 0o777)
            folder = open_place(place, _FOLDER)
        try:
            yield folder
        finally:
            os.close(folder)

    def write(self, path: Path, data: bytes) -> None:
        """A whole file or none; its folder is made."""
        with (
            self.open_folder(path.parent) as folder,
            self._as_cannot_save(path),
            atomic_file_in(folder, path.name, shared_mode(0o666)) as file,
        ):
            file.write(data)

    def write_new(self, path: Path, data: bytes) -> bool:
        """As :meth:`write`; False, and nothing done, where anything has the name.

        Also where the worker of another machine takes it at the same moment.
        """
        with self.open_folder(path.parent) as folder, self._as_cannot_save(path):
            try:
                with atomic_file_in(folder, path.name, shared_mode(0o666), replace=False) as file:
                    file.write(data)
            except FileExistsError:
                return False
            return True

    def remove(self, path: Path) -> None:
        """Take a file away again, if it is there."""
        with self.open_folder(path.parent) as folder, self._as_cannot_save(path):
            try:
                os.unlink(path.name, dir_fd=folder)
            except FileNotFoundError:
                return

    def exists(self, path: Path) -> bool:
        """Whether anything has this name; its folder is made."""
        with self.open_folder(path.parent) as folder, self._as_cannot_save(path):
            try:
                os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return False
            return True

    def _place_of(self, path: Path) -> Place:
        inner = path.relative_to(self.data_dir)
        if is_protected(inner) or ".." in inner.parts:
            raise CannotSave(f"The folder {inner} is none for pictures.")
        return Place(self._root, inner.parts)

    @contextmanager
    def _as_cannot_save(self, path: Path) -> Iterator[None]:
        """Turn file errors into ``CannotSave`` whose text holds no path of the server."""
        inner = path.relative_to(self.data_dir)
        try:
            yield
        except FileError as error:
            raise CannotSave(f"{inner} cannot be saved there: {error}") from error
        except OSError as error:
            raise CannotSave(
                f"{inner} could not be saved: {reason_of(error)}. "
                "Free space or mend the permissions of its folder."
            ) from error
