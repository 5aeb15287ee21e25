"""Background threads of the file browser: folder watch, trash expiry."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filebrowser.access.gate import Root
from filebrowser.operations import trash
from filebrowser.watch.debounce import FileChange
from filebrowser.watch.event_hub import FileEventHub, event_from_change
from filebrowser.watch.watcher import Watcher, WatchOptions
from webapp.files.caller_rights import all_roots

if TYPE_CHECKING:
    from webapp.settings.config import Config

POLL_SECONDS = 10.0  # where the system grants no watches: a look at every file takes a while
SWEEP_SECONDS = 3600.0
DAY_SECONDS = 24 * 3600.0

log = logging.getLogger("easel.files")


class FileWatch:
    """Watches folders, and tells of what changes there: the hub one by one, ``batch`` at once."""

    def __init__(
        self,
        folders: Sequence[Path],
        roots: Sequence[Root],
        hub: FileEventHub,
        batch: Callable[[Sequence[FileChange]], None],
    ) -> None:
        self.roots = roots
        self.hub = hub
        self.batch = batch
        self.lock = threading.Lock()
        self.starter: threading.Thread | None = None
        self.has_begun = threading.Event()  # set, too, where it never will
        habits = WatchOptions(follow_links=False, poll_seconds=POLL_SECONDS)
        self.watcher = Watcher(folders, "inotify", self.publish_settled, habits, self.publish)

    def start(self) -> None:
        """Begin, once, without waiting for it: the first look at many files takes seconds."""
        with self.lock:
            if self.starter is None:
                self.starter = threading.Thread(target=self._begin, name="files-watch")
                self.starter.start()

    def _begin(self) -> None:
        try:
            self.watcher.start()
        finally:
            self.has_begun.set()

    def stop(self) -> None:
        """End."""
        self.has_begun.set()
        with self.lock:
            if self.starter is not None:
                self.starter.join()
            self.watcher.stop()

    def publish_settled(self, changes: Sequence[FileChange]) -> None:
        """Pass on what has settled."""
        self.batch(changes)
        for change in changes:
            self.publish(change)

    def publish(self, change: FileChange) -> None:
        """Pass on what the disk shows."""
        happening = event_from_change(change, self.roots)
        if happening is not None:
            self.hub.publish(happening)


class TrashSweeper(threading.Thread):
    """Empties the trash of what is too old, at the start and every hour."""

    def __init__(self, config: "Config") -> None:
        super().__init__(name="trash-sweeper", daemon=True)
        self.config = config
        self.ended = threading.Event()

    def run(self) -> None:
        """Sweep until stopped."""
        while self.config.trash_days:
            try:
                count = trash.sweep(all_roots(self.config), self.config.trash_days * DAY_SECONDS)
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
