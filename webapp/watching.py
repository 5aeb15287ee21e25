"""What goes on beside the requests: the trees are watched, and the trash is emptied."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filebrowser import trash
from filebrowser.gate import Root
from filebrowser.live import Hub, from_disk
from filebrowser.settling import FileChange
from filebrowser.watcher import Habits, Watcher
from webapp.browsing import roots_of

if TYPE_CHECKING:
    from webapp.config import Config

POLL_SECONDS = 10.0  # where the system grants no watches: a look at every file takes a while
SWEEP_SECONDS = 3600.0
A_DAY = 24 * 3600.0

log = logging.getLogger("easel.files")


class Watching:
    """Watches folders, and tells of what changes there: the hub one by one, ``batch`` at once."""

    def __init__(
        self,
        folders: Sequence[Path],
        roots: Sequence[Root],
        hub: Hub,
        batch: Callable[[Sequence[FileChange]], None],
    ) -> None:
        self.roots = roots
        self.hub = hub
        self.batch = batch
        self.lock = threading.Lock()
        self.starter: threading.Thread | None = None
        habits = Habits(links=False, poll=POLL_SECONDS)
        self.watcher = Watcher(folders, "inotify", self.tell_all, habits, self.tell)

    def start(self) -> None:
        """Begin, once, without waiting for it: the first look at many files takes seconds."""
        with self.lock:
            if self.starter is None:
                self.starter = threading.Thread(target=self.watcher.start, name="files-watch")
                self.starter.start()

    def stop(self) -> None:
        """End."""
        with self.lock:
            if self.starter is not None:
                self.starter.join()
            self.watcher.stop()

    def tell_all(self, changes: Sequence[FileChange]) -> None:
        """Pass on what has settled."""
        self.batch(changes)
        for change in changes:
            self.tell(change)

    def tell(self, change: FileChange) -> None:
        """Pass on what the disk shows."""
        happening = from_disk(change, self.roots)
        if happening is not None:
            self.hub.tell(happening)


class Sweeper(threading.Thread):
    """Empties the trash of what is too old, at the start and every hour."""

    def __init__(self, config: "Config") -> None:
        super().__init__(name="trash-sweeper", daemon=True)
        self.config = config
        self.ended = threading.Event()

    def run(self) -> None:
        """Sweep until stopped."""
        while self.config.trash_days:
            try:
                count = trash.sweep(roots_of(self.config), self.config.trash_days * A_DAY)
                if count:
                    log.info("%d deletions were too old for the trash", count)
            except OSError as error:
                log.warning("the trash cannot be swept now: %s", error)
            if self.ended.wait(SWEEP_SECONDS):
                return

    def stop(self) -> None:
        """End the thread."""
        self.ended.set()
        if self.is_alive():
            self.join()
