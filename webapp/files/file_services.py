"""The file browser's services, one of each for the whole web process. No Flask, no torch."""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
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
from webapp.files.caller_limit import CallerLimit, Places, SharedCallerLimit
from webapp.files.caller_rights import all_roots, roots_of
from webapp.files.infotexts import read_picture_facts
from webapp.files.reserved_space import ReservedSpace
from webapp.files.upload_policy import rules_of, uploads_of
from webapp.gallery.boards import BoardStore
from webapp.gallery.ratings import RatingStore
from webapp.nodes.file_messages import decode_event, encode_event
from webapp.queues.errors import QueueError
from webapp.settings.local_cache import is_shared_mount
from webapp.settings.state_folder import THUMBNAILS

if TYPE_CHECKING:
    from webapp.nodes.feed import Feed, Message, Position
    from webapp.nodes.node_parts import NodeParts
    from webapp.settings.config import Config

log = logging.getLogger("easel.files")

INDEX = "files.db"
JOBS = "file-jobs.db"
SHARES = "shares.db"
RATINGS = "ratings.db"
BOARDS = "boards.db"
MAX_ARCHIVES = 2  # archives of one caller
FILES_TOPIC = "files"  # of what web processes tell each other
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
    ratings: RatingStore
    boards: BoardStore
    listing_limit: CallerLimit  # listings, searches, sums and archives of one caller
    archive_limit: Places
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
    config: "Config",
    refresh_models: Callable[[Sequence[Path] | None], None],
    memory: MemoryBudget,
    nodes: "NodeParts",
) -> FileServices:
    """The parts over the trees of ``config``; ``FileServices.close`` ends their threads.

    ``memory`` counts decoded pictures, those of other parts of the service too. ``refresh_models``
    is told where (resolved) something came or went at once, and None where that may be anywhere.
    """

    def tell(happening: FileEvent) -> None:
        hub.publish(happening)
        follow(happening)

    roots, rules = roots_of(config), rules_of(config.allow_pickle_upload)
    hub = FileEventHub(relay=relay_to(nodes.feed, config.data_dir))
    index, watch = create_index(config, roots, hub, memory)
    follow = create_follow(refresh_models, index)
    decode = partial(decode_event, data_dir=config.data_dir, roots=roots)
    receive_from(nodes.feed, hub, decode, follow, partial(refresh_models, None))
    uploads = uploads_of(config, tell, nodes.turns)
    reserved_space = ReservedSpace(config.easel_dir, lambda: roots_of(config))
    store = FileJobStore(config.easel_dir / JOBS, reserved_space.release, nodes.are_several)
    jobs = FileJobs(store, rules, tell, uploads.reserve, nodes.turns)
    keep = partial(keep_up, nodes, jobs, reserved_space)
    keeper = ExpirySweeper(uploads, lambda: all_roots(config), keep)
    sweeper = TrashSweeper(config)

    def close() -> None:
        for part in (sweeper, keeper, jobs, watch, index):
            part.stop()

    return FileServices(
        listings=Listings(),
        thumbnails=thumbnails_of(config, memory),
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
        shares=ShareStore(config.easel_dir / SHARES, nodes.are_several),
        share_passwords=SharePasswords(),
        boards=BoardStore(config.easel_dir / BOARDS, nodes.are_several),
        ratings=RatingStore(config.easel_dir / RATINGS, nodes.are_several),
        listing_limit=CallerLimit(config.max_listings),
        archive_limit=archive_limit_of(nodes),
        close=close,
    )


def create_follow(
    refresh_models: Callable[[Sequence[Path] | None], None], index: FileIndex
) -> Callable[[FileEvent], None]:
    """What brings models and index up to date after a happening of any web process."""

    def follow(happening: FileEvent) -> None:
        places = tuple(filter(None, (happening.place, happening.previous)))
        refresh_models(
            [Path(os.path.realpath(Path(each.root.path, *each.names))) for each in places]
        )
        index.schedule(places)

    return follow


def thumbnails_of(config: "Config", memory: MemoryBudget) -> Thumbnails:
    """Small pictures, kept in the state folder."""
    folder = config.easel_dir / THUMBNAILS
    return Thumbnails(folder, memory, spare=config.upload_spare, to_rgb=to_eight_bits)


def keep_up(nodes: "NodeParts", jobs: FileJobs, reserved_space: ReservedSpace) -> None:
    """What is looked after every few seconds: the reserve, and jobs that another process left."""
    reserved_space.allocate()
    if nodes.turns is not None:
        try:
            jobs.adopt()
        except (QueueError, sqlite3.Error) as error:
            log.warning("Jobs of other web processes cannot be looked at now: %s", error)


def archive_limit_of(nodes: "NodeParts") -> Places:
    """Archives of each caller, at all web processes together."""
    if nodes.turns is None:
        return CallerLimit(MAX_ARCHIVES)
    return SharedCallerLimit(MAX_ARCHIVES, nodes.turns, "archive")


def relay_to(feed: "Feed | None", data_dir: Path) -> Callable[[FileEvent], bool] | None:
    """What passes events on to all web processes; None where there is one."""
    if feed is None:
        return None
    return lambda event: feed.send(FILES_TOPIC, encode_event(event, data_dir))


def receive_from(
    feed: "Feed | None",
    hub: FileEventHub,
    decode: Callable[[bytes], FileEvent | None],
    follow: Callable[[FileEvent], None],
    look_again: Callable[[], object],
) -> None:
    """Have the hub tell, with its number, what any web process passes on, if there are several."""
    if feed is None:
        return

    def receive(message: "Message") -> None:
        event = decode(message.data)
        if event is not None:
            hub.receive(message.epoch, message.number, event)
            follow(event)

    def restart(position: "Position") -> None:
        hub.restart(position.epoch, position.number)
        look_again()

    feed.handlers[FILES_TOPIC] = receive
    feed.on_gap.append(restart)


def create_index(
    config: "Config", roots: Sequence[Root], hub: FileEventHub, memory: MemoryBudget
) -> tuple[FileIndex, FileWatch]:
    """The search index, and the watch on the disk that keeps it up to date."""
    watchable = watchable_roots(roots, config.watch)
    rescan_seconds = RESCAN_SECONDS if len(watchable) == len(roots) else UNWATCHED_SECONDS
    folder = config.cache_folder if is_shared_mount(config) else config.easel_dir
    index = FileIndex(
        folder / INDEX, roots, read_picture_facts, memory, rescan_seconds=rescan_seconds
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
