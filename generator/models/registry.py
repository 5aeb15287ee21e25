"""The model registry: an index of the model folders that follows the disk and notifies listeners.

:meth:`Registry.refresh` scans again, cheaply; a watcher, a route or the engine may call it.
Nothing here imports torch.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from generator.errors import ModelNotFound, ModelUnreadable
from generator.models.contents_cache import ContentsCache
from generator.models.drawable import CheckpointVerdict, judge_checkpoint
from generator.models.embedding_facts import text_width
from generator.models.families.family import Family
from generator.models.hashed_index import fill_hashes, next_unhashed
from generator.models.hashes import HashCache, compute_folder_hashes, compute_hashes
from generator.models.index import Identity, ModelFile, ModelIndex, natural_key, without_hash
from generator.models.kinds import FOLDERS_BY_KIND, Folders, ModelKind
from generator.models.plugin_models import PluginModelFolder
from generator.models.scan import SETTLE_SECONDS, scan, with_hashes
from generator.unicode_names import to_nfc

__all__ = [
    "FOLDERS_BY_KIND",
    "Folders",
    "HashCache",
    "Identity",
    "ModelFile",
    "ModelIndex",
    "ModelKind",
    "Registry",
    "natural_key",
    "scan",
]  # fmt: skip

PUBLISH_SECONDS = 0.5  # new hashes become visible together, at most this often
RETRY_SECONDS = 5.0  # after what should not have happened
MAX_LOGGED = 20  # files that one look refuses, in the log
LARGE_FILE_BYTES = 1 << 26  # bytes; what is hashed before such a file does not wait for it
IDLE_NICENESS = 10  # hashing gives way to serving

log = logging.getLogger(__name__)
IndexListener = Callable[[int], None]
Fact = TypeVar("Fact")


class Registry:
    """The current index, safe to use from many threads.

    Without ``hash_cache`` nothing is hashed (``--no-hashing``); ``kept_in`` is the folder for what
    pickled files were converted to, ``contents_cache`` keeps what headers tell. Files that are not
    ``hashed_below`` it are hashed by another registry, or when asked. The first use scans.
    ``start`` adds a background thread, which hashes and looks again at unfinished files.
    """

    def __init__(
        self,
        folders: Folders,
        hash_cache: HashCache | None = None,
        *,
        kept_in: Path | None = None,
        contents_cache: ContentsCache | None = None,
        hashed_below: Path | None = None,
    ) -> None:
        self.folders = folders
        self.hash_cache = hash_cache
        self.kept_in = kept_in
        self.contents_cache = contents_cache
        self.hashed_below = hashed_below  # None: every file is hashed in the background
        self._scanning = threading.Lock()  # held while looking at the disk
        self._changing = threading.Lock()  # held while swapping the index
        self._index: ModelIndex | None = None
        self._revision = 0
        self._reading = threading.Lock()  # held while reading what the index does not tell
        self._widths: dict[Identity, int | None] = {}
        self._verdicts: dict[Identity, CheckpointVerdict] = {}
        self._families: tuple[Family, ...] = ()  # of plugins
        self._listeners: list[IndexListener] = []
        self._hash_thread: _HashThread | None = None
        self._listed_at = 0  # unix nanoseconds: when other files were listed than before
        self._caught_up = ""  # the last version of another process that made us look again

    @property
    def index(self) -> ModelIndex:
        """The index as of the latest look; a look is taken now if there was none."""
        return self._index or self.refresh()

    @property
    def revision(self) -> int:
        """Rises with every change of the index."""
        return self._revision

    @property
    def version(self) -> str:
        """What other processes are told to :meth:`catch_up` with; of each moment another one."""
        return f"{self.index.digest}.{self._listed_at}"

    def subscribe(self, listener: IndexListener) -> Callable[[], None]:
        """Call ``listener(revision)`` after each change, in the thread that found it: it must be
        quick and not raise. The answer ends the subscription."""
        with self._changing:
            self._listeners.append(listener)
        return lambda: self._unsubscribe(listener)

    def refresh(self, whole: Sequence[Path] = ()) -> ModelIndex:
        """Look at the disk again; the new index. Listeners hear of it where something changed.

        Nobody writes on at and below the paths ``whole`` (resolved): no second is waited there
        until a pickled file counts as still.
        """
        with self._scanning:
            before = self._index
            fresh = scan(
                self.folders, self.hash_cache, before, self.kept_in, whole, self.contents_cache
            )
            if before is None or before.digest != fresh.digest:
                self._listed_at = time.time_ns()
            self._swap(lambda _: fresh)
        _log_rejected(fresh, before)
        if self._hash_thread:
            self._hash_thread.wake.set()
        return fresh

    def refresh_still(self) -> ModelIndex:
        """As :meth:`refresh`; waits a second where a pickled file was written to just now."""
        index = self.refresh()
        if not index.unsettled:
            return index
        time.sleep(SETTLE_SECONDS)
        return self.refresh()

    def catch_up(self, version: str) -> None:
        """See what another process saw, whose registry was of this :attr:`version`; "" for none.

        Costs nothing where the same is known here already. What looks otherwise from here (a mount
        of another name) makes us look again once.
        """
        listed, _, _ = version.partition(".")
        if version and self.index.digest != listed and self._caught_up != version:
            self._caught_up = version
            index = self.refresh()
            if index.digest != listed and index.unsettled:
                self.refresh_still()
        elif self.index.unsettled:
            self.refresh()

    def set_plugin_folders(self, plugin_folders: Sequence[PluginModelFolder]) -> ModelIndex:
        """Keep an eye on these shelves too, in place of those before; looks at the disk."""
        self.folders = replace(self.folders, plugin_folders=tuple(plugin_folders))
        return self.refresh()

    def set_plugin_families(self, families: Iterable[Family]) -> None:
        """Judge checkpoints by these families of plugins, too, in place of those before."""
        with self._reading:
            self._families = tuple(families)
            self._verdicts.clear()

    @property
    def plugin_families(self) -> tuple[Family, ...]:
        """The families of plugins by which checkpoints are judged."""
        return self._families

    def find_checkpoint(self, name: str = "", exact: bool = True) -> ModelFile:
        """As :meth:`ModelIndex.find_checkpoint`; looks at the disk before it gives up."""
        return self._find_or_refresh(lambda index: index.find_checkpoint(name, exact), name)

    def find_chosen(self, name: str) -> ModelFile:
        """The checkpoint of an exact alias that somebody chose; true to the disk.

        Where other weights have taken its place since, it is the one of the same name: a title
        tells the hash of those before.
        """
        try:
            return self.find_checkpoint(name)
        except ModelNotFound:
            bare = without_hash(name)
            if bare in ("", name):
                raise
            return self.find_checkpoint(bare)

    def find_vae(self, name: str) -> ModelFile:
        """As :meth:`ModelIndex.find_vae`, true to the disk."""
        return self._find_or_refresh(lambda index: index.find_vae(name), name)

    def vae_for(
        self, checkpoint: ModelFile, setting: str = "Automatic", overrides: bool = True
    ) -> ModelFile | None:
        """As :meth:`ModelIndex.vae_for`, never a file that has left."""
        vae = self.index.vae_for(checkpoint, setting, overrides)
        if vae is None or vae.is_on_disk:
            return vae
        return self.refresh().vae_for(checkpoint, setting, overrides)

    def find(self, kind: ModelKind, name: str) -> ModelFile:
        """As :meth:`ModelIndex.find`, true to the disk."""
        return self._find_or_refresh(lambda index: index.find(kind, name), name)

    def ensure_hashes(self, file: ModelFile) -> ModelFile:
        """The file with its hashes, computing them now if need be (about a second a gigabyte).

        Answers the file as it is under ``--no-hashing``, or when it is gone or changes meanwhile.
        """
        known = self.latest_version_of(file)
        if known.sha256 or self.hash_cache is None:
            return known
        cached = self.hash_cache.hashes_of(file.path)
        if cached and cached.are_of(file.stamp):
            updated: ModelFile | None = with_hashes(known, cached)
        else:
            updated = self._hash(known, lambda: False)
        if updated is None:
            return known
        self._publish({updated.identity: updated})
        return updated

    def text_width(self, checkpoint: ModelFile) -> int | None:
        """How wide the text of a checkpoint is; None: not told. Reads each file once."""
        return self._read_once(self._widths, checkpoint, text_width)

    def verdict(self, checkpoint: ModelFile) -> CheckpointVerdict:
        """Whether a checkpoint can be drawn with, by its header. Reads each file once."""
        judge = partial(judge_checkpoint, families=self._families)
        return self._read_once(self._verdicts, checkpoint, judge)

    def plugin_family_of(self, checkpoint: ModelFile) -> Family | None:
        """The plugin's family that draws what no family of ours does; None where none does."""
        if checkpoint.is_drawable or checkpoint.weight_format or not self._families:
            return None
        return self.verdict(checkpoint).family

    def why_rejected(self, kind: ModelKind, name: str) -> str:
        """Why the file of that name is not listed though it is there; "" where there is none."""
        for path, reason in self.index.rejected.items():
            for root in self.folders.of(kind):
                if path.is_relative_to(root) and to_nfc(name) in _names(path.relative_to(root)):
                    return reason
        return ""

    def _read_once(
        self, known: dict[Identity, Fact], file: ModelFile, read: Callable[[ModelFile], Fact]
    ) -> Fact:
        """What ``read`` tells of a checkpoint; ``known`` keeps it while the file is here."""
        with self._reading:
            if file.identity not in known:
                here = {each.identity for each in self.index.files_of(ModelKind.CHECKPOINT)}
                for gone in known.keys() - here:
                    del known[gone]
                known[file.identity] = read(file)
            return known[file.identity]

    def latest_version_of(self, file: ModelFile) -> ModelFile:
        """What the index knows by now of this very file: a hash may have come. Looks at no disk."""
        same = (each for each in self.index.files_of(file.kind) if each.identity == file.identity)
        return next(same, file)

    def start(self) -> None:
        """Scan and hash in the background from now on. Call it after any fork."""
        if self._hash_thread is None:
            self._hash_thread = _HashThread(self)
            self._hash_thread.start()

    def close(self) -> None:
        """Stop the background thread; the registry stays usable."""
        if self._hash_thread is not None:
            self._hash_thread.stop()
            self._hash_thread = None

    def _find_or_refresh(self, find: Callable[[ModelIndex], ModelFile], name: str) -> ModelFile:
        try:
            file = find(self.index)
        except ModelNotFound:
            fresh = self.refresh()
            if any(to_nfc(name) in _names(path) for path in fresh.unsettled):
                fresh = self.refresh_still()
            return find(fresh)
        return file if file.is_on_disk else find(self.refresh())

    def _swap(self, change: Callable[[ModelIndex], ModelIndex]) -> None:
        with self._changing:
            old = self._index
            self._index = change(old or ModelIndex({}))
            if old == self._index:
                return
            self._revision += 1
            revision, listeners = self._revision, tuple(self._listeners)
        for listener in listeners:
            listener(revision)

    def _unsubscribe(self, listener: IndexListener) -> None:
        with self._changing:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def _hash(self, file: ModelFile, should_stop: Callable[[], bool]) -> ModelFile | None:
        try:
            compute = compute_folder_hashes if file.parts else compute_hashes
            hashes = compute(file.path, should_stop)
        except (OSError, ModelUnreadable) as error:
            log.info("%s is not hashed: %s", file.name, error)
            return None
        if hashes is None or not hashes.are_of(file.stamp):
            return None
        if self.hash_cache:
            self.hash_cache.remember(file.path, hashes)
        return with_hashes(file, hashes)

    def _publish(self, files: dict[Identity, ModelFile]) -> None:
        self._swap(lambda index: fill_hashes(index, files))


class _HashThread(threading.Thread):
    """Hashes what has no hash yet, and looks again at files that were not still."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(name="model-hashes", daemon=True)
        self.registry = registry
        self.wake = threading.Event()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ask the thread to end, and wait until it has."""
        self._stopped.set()
        self.wake.set()
        self.join()

    def run(self) -> None:
        """Work until stopped."""
        if sys.platform == "linux":  # elsewhere a thread has no priority of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), IDLE_NICENESS)
        while not self._stopped.is_set():
            try:
                self._work_once()
            except Exception:  # of one file, or of who listens: the others' hashes are waited for
                log.exception("The models cannot be looked at now, trying again")
                self._stopped.wait(RETRY_SECONDS)

    def _work_once(self) -> None:
        """Hash what there is, then wait for more."""
        index = self.registry.index
        self._hash_all()
        self.wake.wait(SETTLE_SECONDS if index.unsettled else None)
        if index.unsettled and not self.wake.is_set():
            self.registry.refresh()
        self.wake.clear()

    def _hash_all(self) -> None:
        """Hash the files that lack one; those that come meanwhile too."""
        tried: set[Identity] = set()
        done: dict[Identity, ModelFile] = {}
        published = time.monotonic()
        while self.registry.hash_cache and not self._stopped.is_set():
            file = next_unhashed(self.registry.index, tried, self.registry.hashed_below)
            late = time.monotonic() - published > PUBLISH_SECONDS
            if done and (file is None or late or file.size > LARGE_FILE_BYTES):
                self.registry._publish(done)
                done, published = {}, time.monotonic()
            if file is None:
                return
            tried.add(file.identity)
            if hashed := self.registry._hash(file, self._stopped.is_set):
                done[file.identity] = hashed


def _names(below: Path) -> tuple[str, ...]:
    """What a file answers to, by its path below its folder; in NFC."""
    names = (below.as_posix(), below.with_suffix("").as_posix(), below.name, below.stem)
    return tuple(map(to_nfc, names))


def _log_rejected(fresh: ModelIndex, before: ModelIndex | None) -> None:
    """Tell why files are not listed, each reason once."""
    known = before.rejected if before else {}
    news = [
        reason
        for path, reason in fresh.rejected.items()
        if path not in fresh.unsettled and known.get(path) != reason
    ]
    for reason in news[:MAX_LOGGED]:
        log.warning("not listed: %s", reason)
    if len(news) > MAX_LOGGED:
        log.warning("not listed: %d files more", len(news) - MAX_LOGGED)
