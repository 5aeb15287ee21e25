"""The file browser's services, one of each for the whole web process. No Flask, no torch."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filebrowser.access.gate import Root
from filebrowser.index.file_index import RESCAN_SECONDS, FileIndex
from filebrowser.listing.tree import Listings
from filebrowser.operations.job_store import FileJobStore
from filebrowser.operations.jobs import FileJobs
from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.pictures.thumbnails import Thumbnails
from filebrowser.shares.passwords import SharePasswords
from filebrowser.shares.store import ShareStore
from filebrowser.uploads.expiry_sweeper import ExpirySweeper
from filebrowser.uploads.rules import ContentRules
from filebrowser.uploads.upload_store import UploadStore
from filebrowser.watch.event_hub import FileEventHub
from filebrowser.watch.file_events import FileEvent
from filebrowser.watch.mounts import read_mounts, supports_inotify
from filebrowser.watch.watcher import FileChange
from generator.pictures.pixel_modes import to_eight_bits
from webapp.files.background import FileWatch, TrashSweeper
from webapp.files.caller_limit import CallerLimit
from webapp.files.caller_rights import all_roots, roots_of
from webapp.files.infotexts import read_picture_facts
from webapp.files.reserved_space import ReservedSpace
from webapp.files.upload_policy import rules_of, uploads_of
from webapp.settings.state_folder import THUMBNAILS

if TYPE_CHECKING:
    from webapp.settings.config import Config

INDEX = "files.db"
JOBS = "file-jobs.db"
SHARES = "shares.db"
MAX_ARCHIVES = 2  # archives of one caller
UNWATCHED_SECONDS = 60.0  # between two looks at trees whose changes nobody tells


@dataclass(frozen=True, slots=True)
class FileServices:
    """The services that the file routes share. ``tell`` is called with every change by a route."""

    listings: Listings
    thumbnails: Thumbnails
    index: FileIndex
    hub: FileEventHub
    watch: FileWatch
    jobs: FileJobs
    rules: ContentRules
    sweeper: TrashSweeper
    tell: Callable[[FileEvent], None]
    uploads: UploadStore
    keeper: ExpirySweeper  # of uploads
    reserved_space: ReservedSpace  # for deleting on a full disk
    shares: ShareStore
    share_passwords: SharePasswords
    listing_limit: CallerLimit  # listings, searches, sums and archives of one caller
    archive_limit: CallerLimit
    close: Callable[[], None]

    def start(self) -> None:
        """Start the threads. Call it in the process that serves, after any fork."""
        self.reserved_space.allocate()
        self.keeper.start()
        self.index.start(self.watch.has_begun)
        self.watch.start()
        self.jobs.start()
        self.sweeper.start()


def create_file_services(
    config: "Config", refresh_models: Callable[[Path], None], memory: MemoryBudget
) -> FileServices:
    """The parts over the trees of ``config``; ``FileServices.close`` ends their threads.

    ``memory`` counts decoded pictures, those of other parts of the service too. ``refresh_models``
    is told where (resolved) something came or went.
    """

    def tell(happening: FileEvent) -> None:
        hub.publish(happening)
        for place in filter(None, (happening.place, happening.previous)):
            refresh_models(Path(os.path.realpath(Path(place.root.path, *place.names))))
        index.schedule(filter(None, (happening.place, happening.previous)))

    hub, roots, rules = FileEventHub(), roots_of(config), rules_of(config.allow_pickle_upload)
    index, watch = create_index(config, roots, hub, memory)
    uploads = uploads_of(config, tell)
    reserved_space = ReservedSpace(config.easel_dir, lambda: roots_of(config))
    keeper = ExpirySweeper(uploads, lambda: all_roots(config), reserved_space.allocate)
    jobs = FileJobs(
        FileJobStore(config.easel_dir / JOBS, reserved_space.release), rules, tell, uploads.reserve
    )
    sweeper = TrashSweeper(config)

    def close() -> None:
        for part in (sweeper, keeper, jobs, watch, index):
            part.stop()

    return FileServices(
        listings=Listings(),
        thumbnails=Thumbnails(
            config.easel_dir / THUMBNAILS, memory, spare=config.upload_spare, to_rgb=to_eight_bits
        ),
        index=index,
        hub=hub,
        watch=watch,
        jobs=jobs,
        rules=rules,
        sweeper=sweeper,
        tell=tell,
        uploads=uploads,
        keeper=keeper,
        reserved_space=reserved_space,
        shares=ShareStore(config.easel_dir / SHARES),
        share_passwords=SharePasswords(),
        listing_limit=CallerLimit(config.max_listings),
        archive_limit=CallerLimit(MAX_ARCHIVES),
        close=close,
    )


def create_index(
    config: "Config", roots: Sequence[Root], hub: FileEventHub, memory: MemoryBudget
) -> tuple[FileIndex, FileWatch]:
    """The search index, and the watch on the disk that keeps it up to date."""
    watchable = watchable_roots(roots, config.watch)
    rescan_seconds = RESCAN_SECONDS if len(watchable) == len(roots) else UNWATCHED_SECONDS
    index = FileIndex(
        config.easel_dir / INDEX, roots, read_picture_facts, memory, rescan_seconds=rescan_seconds
    )
    return index, FileWatch(
        watchable, roots, hub, lambda changes: index.schedule_paths(paths_of(changes))
    )


def watchable_roots(roots: Sequence[Root], mode: str) -> list[Path]:
    """The trees whose changes the system tells. Looking all over the others is the index's."""
    mounts = read_mounts()
    watches_by_mode = {"inotify": True, "poll": False, "off": False}
    return [
        root.path
        for root in roots
        if watches_by_mode.get(mode, supports_inotify(root.path.absolute(), mounts))
    ]


def paths_of(changes: Iterable[FileChange]) -> Iterator[Path]:
    """Where something is, or was, otherwise than before."""
    for change in changes:
        yield change.path
        if change.previous is not None:
            yield change.previous
