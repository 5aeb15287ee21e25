"""The file browser's services, one of each for the whole web process. No Flask, no torch."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filebrowser.gate import Root
from filebrowser.happenings import Happening
from filebrowser.index.index import RESCAN_SECONDS, Index
from filebrowser.jobs import Jobs
from filebrowser.jobstore import JobStore
from filebrowser.live import Hub
from filebrowser.mounts import mounted, reports_changes
from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.pictures.thumbnails import Thumbnails
from filebrowser.tree import Listings
from filebrowser.uploads.keeper import Keeper
from filebrowser.uploads.rules import Rules
from filebrowser.uploads.uploads import Uploads
from filebrowser.watcher import FileChange
from generator.pictures.pixel_modes import to_eight_bits
from webapp.browsing import roots_of
from webapp.infotexts import told_by
from webapp.model_sidecars import Sidecars
from webapp.reserved_room import ReservedRoom
from webapp.uploading import rules_of, uploads_of
from webapp.watching import Sweeper, Watching

if TYPE_CHECKING:
    from generator.models.registry import Registry
    from webapp.config import Config

THUMBNAILS = "thumbnails"
INDEX = "files.db"
JOBS = "file-jobs.db"
UNWATCHED_SECONDS = 60.0  # between two looks at trees whose changes nobody tells


@dataclass(frozen=True, slots=True)
class Filing:
    """The services that the file routes share. ``tell`` is called with every change by a route."""

    listings: Listings
    thumbnails: Thumbnails
    index: Index
    hub: Hub
    watching: Watching
    jobs: Jobs
    rules: Rules
    sweeper: Sweeper
    tell: Callable[[Happening], None]
    uploads: Uploads
    keeper: Keeper  # of uploads
    reserved: ReservedRoom  # for deleting on a full disk
    sidecars: Sidecars  # what goes with weights
    close: Callable[[], None]

    def begin(self) -> None:
        """Start the threads. Call it in the process that serves, after any fork."""
        self.reserved.make()
        self.keeper.start()
        self.index.start()
        self.watching.start()
        self.jobs.start()
        self.sweeper.start()


def filing_of(config: "Config", registry: "Registry", memory: MemoryBudget) -> Filing:
    """The parts over the trees of ``config``; ``Filing.close`` ends their threads.

    ``memory`` counts decoded pictures, those of other parts of the service too.
    """

    def tell(happening: Happening) -> None:
        hub.tell(happening)
        notice(happening, registry, shelves)
        index.look_at(filter(None, (happening.place, happening.previous)))

    shelves = [Path(os.path.realpath(folder)) for folder in registry.folders.all()]
    hub, roots, rules = Hub(), roots_of(config), rules_of(config.allow_pickle_upload)
    local = watched(roots, config.watch)
    often = RESCAN_SECONDS if len(local) == len(roots) else UNWATCHED_SECONDS
    index = Index(config.easel_dir / INDEX, roots, told_by, memory, rescan_seconds=often)
    watching = Watching(local, roots, hub, lambda changes: index.look_at_paths(paths_of(changes)))
    uploads = uploads_of(config, tell)
    reserved = ReservedRoom(config.easel_dir, lambda: roots_of(config))
    keeper = Keeper(uploads, lambda: roots_of(config), reserved.make)
    jobs = Jobs(
        JobStore(config.easel_dir / JOBS, reserved.give_up), rules, tell, uploads.reservation
    )
    sweeper = Sweeper(config)

    def close() -> None:
        for part in (sweeper, keeper, jobs, watching, index):
            part.stop()

    return Filing(
        listings=Listings(),
        thumbnails=Thumbnails(
            config.easel_dir / THUMBNAILS, memory, spare=config.upload_spare, plain=to_eight_bits
        ),
        index=index,
        hub=hub,
        watching=watching,
        jobs=jobs,
        rules=rules,
        sweeper=sweeper,
        tell=tell,
        uploads=uploads,
        keeper=keeper,
        reserved=reserved,
        sidecars=Sidecars(registry.folders),
        close=close,
    )


def watched(roots: Sequence[Root], mode: str) -> list[Path]:
    """The trees whose changes the system tells. Looking all over the others is the index's."""
    mounts = mounted()
    told = {"inotify": True, "poll": False, "off": False}
    return [
        root.path for root in roots if told.get(mode, reports_changes(root.path.absolute(), mounts))
    ]


def paths_of(changes: Iterable[FileChange]) -> Iterator[Path]:
    """Where something is, or was, otherwise than before."""
    for change in changes:
        yield change.path
        if change.previous is not None:
            yield change.previous


def notice(happening: Happening, registry: "Registry", folders: Sequence[Path]) -> None:
    """Let the registry look again when something came to a model folder or left one."""
    for place in (happening.place, happening.previous):
        if place is None:
            continue
        path = Path(os.path.realpath(Path(place.root.path, *place.names)))
        if any(path.is_relative_to(each) or each.is_relative_to(path) for each in folders):
            registry.refresh(whole=[path])
            return
