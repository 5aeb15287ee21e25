"""Builds the access of a caller to files: the trees and the rights. No Flask, no torch."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from filebrowser.access.file_access import ALL_RIGHTS, READ_RIGHTS, FileAccess, Right
from filebrowser.access.gate import Root
from generator.data_folders import (
    EMBEDDINGS_FOLDER,
    EXTENSIONS_FOLDER,
    MODELS_FOLDER,
    OUTPUTS_FOLDER,
    USERS_FOLDER,
)
from generator.models.kinds import Folders
from webapp.access.credentials import Caller
from webapp.access.scopes import AccessScope
from webapp.files.roots import BROWSER_FOLDERS, DATA, HIDDEN
from webapp.plugins.model_registry import OWN_KINDS, folders_of
from webapp.settings.user_config import UserConfig, user_trees, users_folder

if TYPE_CHECKING:
    from webapp.settings.config import Config

CODE_FOLDERS = frozenset({EXTENSIONS_FOLDER})
"""Folders of the data directory whose files are run: read-only for the browser."""

KEPT_FOLDERS = (
    MODELS_FOLDER, EMBEDDINGS_FOLDER, OUTPUTS_FOLDER, EXTENSIONS_FOLDER, USERS_FOLDER,
)  # fmt: skip
"""Folders of the data directory that stay there, beside those of each kind of model."""

PUBLIC = "public"
"""The tree of the models that all users may load, as users see it: nothing is changed there."""

BrowsedTree = tuple[str, Path, bool]
"""A tree's name, its path, and whether it may be written."""

VIEW_ONLY = "view"
"""The value of ``--folder-rights`` for what may not be downloaded either."""

FolderPattern = tuple[Path, str]
"""A folder, and a pattern of names in it."""


RIGHTS: Mapping[AccessScope, frozenset[Right]] = MappingProxyType(
    {AccessScope.OWNER: ALL_RIGHTS, AccessScope.USER: ALL_RIGHTS, AccessScope.READ: READ_RIGHTS}
)
"""What each kind of credential may do with files; others nothing."""


def access_of(caller: Caller, config: "Config") -> FileAccess:
    """The visit of one caller, whose configuration it is: their data directory may be their own."""
    rights = frozenset[Right]().union(*(RIGHTS.get(each, frozenset()) for each in caller.scopes))
    roots = roots_of(config)
    if caller.is_owner or not config.folder_rights:
        return FileAccess(caller.name, roots, rights)
    limited = (_with_limits(root, config.folder_rights) for root in roots)
    view_only = {path for path, right in config.folder_rights if right == VIEW_ONLY}
    return FileAccess(caller.name, tuple(limited), rights, frozenset(view_only))


def _with_limits(root: Root, limits: Iterable[tuple[str, str]]) -> Root:
    """The tree with what ``--folder-rights`` lets nobody change but the owner."""
    paths = [path for path, _ in limits if path.partition("/")[0] == root.name]
    sealed = frozenset(path.partition("/")[2] for path in paths if "/" in path)
    return replace(
        root, writable=root.writable and root.name not in paths, sealed=root.sealed | sealed
    )


def roots_of(config: "Config") -> tuple[Root, ...]:
    """The data directory, first and always there, and the trees of ``--browse-root``.

    Trees may lie in each other: what one hides or seals, no other shows or changes. A tree that
    lies in something hidden is empty.
    """
    if isinstance(config, UserConfig):
        return _user_roots(config)
    return _roots_hiding(config, ((DATA, config.data_dir, True), *config.browse_roots))


def all_roots(config: "Config") -> tuple[Root, ...]:
    """Every tree with uploads, trash and room of its own: the service's, and its users'."""
    if not config.accounts:
        return roots_of(config)
    return (*roots_of(config), *(_own_root(each) for each in user_trees(config)))


def _user_roots(config: UserConfig) -> tuple[Root, ...]:
    """A user's own tree, the models of all, and what ``--browse-root`` gives to everybody.

    What lies in the service's data directory is nowhere else than there.
    """
    service = config.service
    shared: list[BrowsedTree] = [*service.browse_roots]
    if PUBLIC not in [name for name, _, _ in shared]:
        shared.insert(0, (PUBLIC, service.models_folder, False))
    here = (service.data_dir.parent, glob.escape(service.data_dir.name))
    roots = _roots_hiding(service, shared, [(users_folder(service), "*")])
    kept_out = [here, *((folder, "*") for folder in _private_folders(service))]
    return (
        _own_root(config),
        *(replace(r, hidden=r.hidden | _patterns_below(r.path, kept_out)) for r in roots),
    )


def _private_folders(service: "Config") -> Iterator[Path]:
    """The data directory's folders of the kinds of models of which users have their own."""
    folders = Folders.under(service.data_dir, service.models_dir)
    for kind in OWN_KINDS:
        yield from folders.of(kind)


def _own_root(config: UserConfig) -> Root:
    hidden = [(config.data_dir, name) for name in HIDDEN]
    sealed = [(config.data_dir, name) for name in CODE_FOLDERS]
    fixed = [(path.parent, glob.escape(path.name)) for path in own_folders(config)]
    return _make_root(DATA, config.data_dir, True, hidden, sealed, fixed)


def _roots_hiding(
    config: "Config", trees: Sequence[BrowsedTree], more: Iterable[FolderPattern] = ()
) -> tuple[Root, ...]:
    hidden = (*_hidden_patterns(config, [path for _, path, _ in trees]), *more)
    sealed = () if config.code_upload else tuple((config.data_dir, name) for name in CODE_FOLDERS)
    fixed = [(path.parent, glob.escape(path.name)) for path in own_folders(config)]
    return tuple(
        _make_root(name, path, writable, hidden, sealed, fixed) for name, path, writable in trees
    )


def own_folders(config: "Config") -> Iterator[Path]:
    """The folders that the service needs where they are: none is moved, renamed or deleted."""
    yield from (config.data_dir / name for name in KEPT_FOLDERS)
    yield from folders_of(config).folders_to_create()


def _make_root(
    name: str,
    path: Path,
    writable: bool,
    hidden: Iterable[FolderPattern],
    sealed: Iterable[FolderPattern],
    fixed: Iterable[FolderPattern],
) -> Root:
    return Root(
        name,
        path,
        writable and not _is_inside(path, sealed),
        frozenset("*")
        if _is_inside(path, hidden)
        else BROWSER_FOLDERS | _patterns_below(path, hidden),
        _patterns_below(path, sealed),
        _patterns_below(path, fixed),
    )


def _hidden_patterns(config: "Config", trees: Iterable[Path]) -> Iterator[FolderPattern]:
    yield from ((config.data_dir, name) for name in HIDDEN)
    if config.accounts:
        yield from ((users_folder(config), f"*/{name}") for name in HIDDEN)
    yield from ((tree, name) for tree in trees for name in BROWSER_FOLDERS)
    secrets = (Path(os.path.realpath(config.easel_dir)), config.tls_keyfile)
    yield from ((path.absolute().parent, glob.escape(path.name)) for path in secrets if path)


def _patterns_below(tree: Path, patterns_in: Iterable[FolderPattern]) -> frozenset[str]:
    """The spots that lie in a tree, as patterns of paths in it, wherever links lead."""
    patterns: dict[Path, list[str]] = {}  # of each folder, which is looked up once
    for named, pattern in patterns_in:
        patterns.setdefault(named, []).append(pattern)
    return frozenset(
        "/".join([*map(glob.escape, folder.relative_to(top).parts), pattern])
        for top in {tree, Path(os.path.realpath(tree))}
        for named in patterns
        for folder in {named, Path(os.path.realpath(named))}
        if folder.is_relative_to(top)
        for pattern in patterns[named]
    )


def _is_inside(tree: Path, patterns: Iterable[FolderPattern]) -> bool:
    """Whether a tree is, or lies in, one of the spots."""
    return any(
        folder in top.parents
        and fnmatchcase(top.relative_to(folder).parts[0].casefold(), pattern.casefold())
        for top in {tree, Path(os.path.realpath(tree))}
        for named, pattern in patterns
        for folder in {named, Path(os.path.realpath(named))}
    )
