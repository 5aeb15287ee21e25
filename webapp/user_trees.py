"""What is the caller's own: configuration, models and options of the tree that a request works in.

Without ``--accounts`` everybody works in the data directory. With it the owner and admins do, and
everybody else in a tree of their own below ``users/``, shaped like the data directory.
"""

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flask import g, has_app_context

from filebrowser.watch.watcher import Watcher
from generator.atomic_file import make_folders
from generator.data_folders import EXTENSIONS_FOLDER, OUTPUTS_FOLDER, USERS_FOLDER
from generator.models.registry import Registry
from webapp.access.credentials import Caller
from webapp.plugins.model_registry import folders_of, user_registry_of
from webapp.settings.option_store import Alone, OptionStore, user_options_of
from webapp.settings.state_files import OPTIONS_FILE
from webapp.settings.user_config import tree_name, user_config, users_folder

if TYPE_CHECKING:
    from webapp.settings.config import Config

MAX_OPEN_TREES = 128  # trees whose models are watched; others are looked at when they are used

log = logging.getLogger("easel.web")


@dataclass(frozen=True, slots=True)
class UserTree:
    """A tree and what is read in it. ``name`` is "" for the data directory itself."""

    name: str
    config: "Config"
    registry: Registry
    options: OptionStore
    close: Callable[[], None] = lambda: None


class UserTrees:
    """Trees by their names; those that were used last stay open. Thread-safe.

    ``alone`` makes blocks, by name, that no two web processes are in at once.
    """

    def __init__(
        self,
        config: "Config",
        registry: Registry,
        options: OptionStore,
        alone: Callable[[str], Alone] = lambda _: nullcontext,
    ) -> None:
        self.service = UserTree("", config, registry, options)
        self._alone = alone
        self._open: OrderedDict[str, UserTree] = OrderedDict()
        self._turns: dict[str, threading.Lock] = {}  # of trees that are being opened
        self._lock = threading.Lock()
        self._changed, self._ended = threading.Event(), False
        self._follower: threading.Thread | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    def current(self) -> UserTree:
        """The tree of the caller of this request; outside of requests the service's."""
        caller: Caller | None = g.get("caller") if has_app_context() else None
        return self.service if caller is None else self.of(caller)

    def of(self, caller: Caller) -> UserTree:
        """The tree of a caller."""
        name = self.name_of(caller)
        return self.find(name) if name else self.service

    def name_of(self, caller: Caller) -> str:
        """The name of the tree that a caller works in, "" for the data directory.

        A caller without a name has a signed link to one file of it, and nothing else.
        """
        config = self.service.config
        if not config.accounts or caller.is_owner or not caller.name:
            return ""
        return tree_name(config, caller.name)

    def find(self, name: str) -> UserTree:
        """An open tree of that name, its folders made where they are missing."""
        with self._lock:
            if tree := self._open.get(name):
                self._open.move_to_end(name)
                return tree
            turn = self._turns.setdefault(name, threading.Lock())
        with turn:  # of this tree alone: looking at its models takes a while
            with self._lock:
                known = self._open.get(name)
            if known is not None:
                return known
            before = self._shared_state()
            tree = self._add(self._open_tree(name))
            if self._shared_state() != before:
                self.follow()  # it was not among those that heard of it
            return tree

    def _shared_state(self) -> tuple[object, ...]:
        """What changes with all that users' lists have in common."""
        shared = self.service.registry
        return shared.revision, shared.plugin_families, shared.folders.plugin_folders

    def _add(self, tree: UserTree) -> UserTree:
        with self._lock:
            self._open[tree.name] = tree
            self._turns.pop(tree.name, None)
            oldest = self._open.popitem(last=False)[1] if len(self._open) > MAX_OPEN_TREES else None
        if oldest is not None:
            oldest.close()
        return tree

    def opened(self) -> Iterator[UserTree]:
        """Those that are open now."""
        with self._lock:
            return iter(tuple(self._open.values()))

    def refresh_models(self, path: Path | None) -> None:
        """Something came to ``path`` (resolved) or went: its models are looked at again.

        Those of all that are in a user's lists too follow by themselves. None: something may have
        come anywhere.
        """
        if path is None:
            self.service.registry.refresh()
            self.follow()
            return
        tree, folders = self.service, self.service.registry.folders.all()
        users = Path(os.path.realpath(users_folder(self.service.config)))
        if path.is_relative_to(users) and path != users:
            with self._lock:
                opened = self._open.get(path.relative_to(users).parts[0])
            if opened is None:
                return
            tree, folders = opened, tuple(own_folders(opened.config, opened.registry))
        real = [Path(os.path.realpath(folder)) for folder in folders]
        if any(path.is_relative_to(each) or each.is_relative_to(path) for each in real):
            tree.registry.refresh(whole=[path])

    def follow(self) -> None:
        """Let the users' trees have what is of all now, soon."""
        self._changed.set()

    def close(self) -> None:
        """End the threads."""
        self._unsubscribe()
        self._ended = True
        self._changed.set()
        if self._follower is not None:
            self._follower.join()
        for tree in self.opened():
            tree.close()

    def _open_tree(self, name: str) -> UserTree:
        config = user_config(self.service.config, name)
        make_user_folders(config)
        self._start_follower()
        registry = user_registry_of(config, self.service.registry)
        registry.start()
        watcher = Watcher(own_folders(config, registry), config.watch, lambda _: registry.refresh())
        watcher.start()

        def close() -> None:
            watcher.stop()
            registry.close()

        alone = self._alone(f"{USERS_FOLDER}/{name}/{OPTIONS_FILE}")
        options = user_options_of(config, self.service.options, alone)
        return UserTree(name, config, registry, options, close)

    def _start_follower(self) -> None:
        with self._lock:
            if self._follower is None:
                self._unsubscribe = self.service.registry.subscribe(lambda _: self.follow())
                self._follower = threading.Thread(
                    target=self._follow, name="user-trees", daemon=True
                )
                self._follower.start()

    def _follow(self) -> None:
        """What comes to the models of all comes to each user's: theirs are looked at again."""
        while True:
            self._changed.wait()
            self._changed.clear()
            if self._ended:
                return
            shared = self.service.registry
            for tree in self.opened():
                tree.registry.set_plugin_families(shared.plugin_families)
                tree.registry.set_plugin_folders(shared.folders.plugin_folders)


def own_folders(config: "Config", registry: Registry) -> list[Path]:
    """The folders of models in a user's tree."""
    return [each for each in registry.folders.all() if each.is_relative_to(config.data_dir)]


def make_user_folders(config: "Config") -> None:
    """Make a user's tree. A disk that refuses costs a warning."""
    rooms = [config.data_dir / name for name in (OUTPUTS_FOLDER, EXTENSIONS_FOLDER)]
    models = [
        each
        for each in folders_of(config).folders_to_create()
        if each.is_relative_to(config.data_dir)
    ]
    for folder in (*rooms, *models):
        try:
            make_folders(folder)
        except OSError as error:
            log.warning("A folder of a user's cannot be made: %s: %s", folder.name, error.strerror)
