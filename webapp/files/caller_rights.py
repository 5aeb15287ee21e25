"""Builds the access of a caller to files: the trees and the rights. No Flask, no torch."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
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
)
from webapp.access.credentials import Caller
from webapp.access.scopes import AccessScope
from webapp.files.roots import BROWSER_FOLDERS, DATA, HIDDEN
from webapp.plugins.model_registry import folders_of

if TYPE_CHECKING:
    from webapp.settings.config import Config

CODE_FOLDERS = frozenset({EXTENSIONS_FOLDER})
"""Folders of the data directory whose files are run: read-only for the browser."""

KEPT_FOLDERS = (
    MODELS_FOLDER, EMBEDDINGS_FOLDER, OUTPUTS_FOLDER, EXTENSIONS_FOLDER, "users",
)  # fmt: skip
"""Folders of the data directory that stay there, beside those of each kind of model."""

FolderPattern = tuple[Path, str]
"""A folder, and a pattern of names in it."""


RIGHTS: Mapping[AccessScope, frozenset[Right]] = MappingProxyType(
    {AccessScope.OWNER: ALL_RIGHTS, AccessScope.USER: ALL_RIGHTS, AccessScope.READ: READ_RIGHTS}
)
"""What each kind of credential may do with files; others nothing."""


def access_of(caller: Caller, config: "Config") -> FileAccess:
    """The visit of one caller. Everybody with a password of this service shares its trees."""
    rights = frozenset[Right]().union(*(RIGHTS.get(each, frozenset()) for each in caller.scopes))
    return FileAccess(caller.name, roots_of(config), rights)


def roots_of(config: "Config") -> tuple[Root, ...]:
    """The data directory, first and always there, and the trees of ``--browse-root``.

    Trees may lie in each other: what one hides or seals, no other shows or changes. A tree that
    lies in something hidden is empty.
    """
    trees = ((DATA, config.data_dir, True), *config.browse_roots)
    hidden = tuple(_hidden_patterns(config, [path for _, path, _ in trees]))
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
