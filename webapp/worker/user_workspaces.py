"""Where a user's jobs find models and leave pictures: the user's own tree, by a tag of the frame.

A name in a job means what it means to its owner. The web process has resolved it by the owner's
models; the worker does so again, never by anybody else's.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from generator.atomic_file import make_folders
from generator.errors import GeneratorError, ModelNotFound
from generator.models.registry import Registry
from webapp.plugins.model_registry import user_registry_of
from webapp.settings.data_dir import styles_files
from webapp.settings.user_config import user_config

if TYPE_CHECKING:
    from webapp.settings.config import Config

MAX_USERS = 64  # users whose indexes are kept

Engine = TypeVar("Engine", covariant=True)
View = TypeVar("View", covariant=True)


class SharedEngine(Protocol[View]):
    """An engine that draws with one user's models."""

    def for_user(self, registry: Registry, styles_files: Sequence[Path]) -> View: ...


@dataclass(frozen=True, slots=True)
class Workspace(Generic[Engine]):
    """What a job is done with, and the folder below which its pictures go.

    ``knows_checkpoint``: whether a title is of what the user may load.
    """

    engine: Engine
    data_dir: Path
    catch_up: Callable[[str], None]
    knows_checkpoint: Callable[[str], bool]


class UnknownUser(GeneratorError):
    """A job of a user's of whom this worker knows nothing."""


class UserWorkspaces(Generic[Engine]):
    """Workspaces by the name of the tree, of the users who drew last. Thread-safe."""

    def __init__(self, config: "Config", shared: Registry, engine: SharedEngine[Engine]) -> None:
        self._config, self._shared, self._engine = config, shared, engine
        self._known: OrderedDict[str, Workspace[Engine]] = OrderedDict()
        self._lock = threading.Lock()  # several jobs run side by side

    def find(self, tree: str) -> Workspace[Engine]:
        """The workspace of a user. Raises ``UnknownUser`` for what is no name of a tree."""
        with self._lock:
            workspace = self._known.get(tree) or self._make(tree)
            self._known[tree] = workspace
            self._known.move_to_end(tree)
            if len(self._known) > MAX_USERS:
                self._known.popitem(last=False)
            return workspace

    def _make(self, tree: str) -> Workspace[Engine]:
        try:
            config = user_config(self._config, tree)
        except ValueError as error:
            raise UnknownUser(str(error)) from error
        make_folders(config.data_dir)
        registry = user_registry_of(config, self._shared)
        engine = self._engine.for_user(registry, styles_files(config))
        return Workspace(
            engine, config.data_dir, registry.catch_up, partial(has_checkpoint, registry)
        )


def has_checkpoint(registry: Registry, title: str) -> bool:
    """Whether there is a checkpoint of this title by now."""
    try:
        registry.index.find_checkpoint(title)
    except ModelNotFound:
        return False
    return True
