"""Turns that several stores of one test share, as processes share those of a server."""

from collections.abc import Callable
from dataclasses import dataclass, field

from filebrowser.uploads.upload_locks import OtherHolder, UploadLock


@dataclass
class MemoryTurns:
    """See ``upload_locks.SharedTurns``; ``forget`` is what the death of a process comes to."""

    held: dict[str, UploadLock] = field(default_factory=dict)

    def claim(self, name: str, lock: UploadLock, wanted: bool) -> OtherHolder | None:
        """Take a turn."""
        holder = self.held.setdefault(name, lock)
        if holder is lock:
            return None
        if wanted:
            holder.interrupt()
        return OtherHolder(holder.silent_seconds, holder.sending)

    def leave(self, name: str, lock: UploadLock) -> None:
        """Give a turn back."""
        if self.held.get(name) is lock:
            del self.held[name]

    def is_held(self, name: str) -> bool:
        """Whether anybody has it."""
        return name in self.held

    def forget(self, fits: Callable[[str], bool] = lambda name: True) -> None:
        """End turns whose holder says no more."""
        self.held = {name: lock for name, lock in self.held.items() if not fits(name)}
