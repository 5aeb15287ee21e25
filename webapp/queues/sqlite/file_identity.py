"""Detects that an opened file was removed or replaced."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """A file's path, device and inode as they were when it was opened."""

    path: Path
    device: int
    inode: int

    @classmethod
    def from_path(cls, path: Path) -> "FileIdentity":
        """What lies at ``path`` now. Raises ``OSError`` where nothing does."""
        status = path.stat()
        return cls(path, status.st_dev, status.st_ino)

    def describe_change(self) -> str:
        """How the file now at ``path`` differs from the opened one; "" if it does not."""
        try:
            now = FileIdentity.from_path(self.path)
        except FileNotFoundError:
            return f"{self.path.name} was removed while the service ran."
        except OSError as error:
            return f"{self.path.name} cannot be reached any more: {error.strerror}."
        if now != self:
            return f"{self.path.name} is not the one that the service opened; it was replaced."
        return ""
