"""A file that WebDAV brings: staged beside its target, and there under its name whole or never."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filebrowser.gate import Place, parent_of

MODE = 0o640


class Staged:
    """An open file without its name yet. wsgidav writes to it; then publish or discard it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.written = 0
        self.name = f".{secrets.token_hex(8)}.uploading"
        with parent_of(place) as (folder, _):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            self.descriptor = os.open(self.name, flags, MODE, dir_fd=folder)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        rest = memoryview(data)
        while rest:
            count = os.write(self.descriptor, rest)
            self.written += count
            rest = rest[count:]

    def close(self) -> None:
        """wsgidav calls it after the last byte; what counts is publish."""

    def publish(self, *, replace: bool) -> None:
        """Make the bytes durable and give them their name. Raises ``FileExistsError``."""
        os.fsync(self.descriptor)
        os.close(self.descriptor)
        with parent_of(self.place) as (folder, name):
            if replace:
                os.rename(self.name, name, src_dir_fd=folder, dst_dir_fd=folder)
            else:
                os.link(self.name, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.unlink(self.name, dir_fd=folder)
            os.fsync(folder)

    def discard(self) -> None:
        """Throw the bytes away."""
        with suppress(OSError):
            os.close(self.descriptor)
        with suppress(OSError), parent_of(self.place) as (folder, _):
            os.unlink(self.name, dir_fd=folder)


@contextmanager
def staged(place: Place, *, replace: bool) -> Iterator[Staged]:
    """A file to write, published at the end, discarded when something goes wrong."""
    file = Staged(place)
    try:
        yield file
        file.publish(replace=replace)
    except BaseException:
        file.discard()
        raise
