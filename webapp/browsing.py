"""Builds the access of a caller to files: the trees and the rights. No Flask, no torch."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from filebrowser.gate import Root
from filebrowser.visit import EVERYTHING, READING, Right, Visit
from webapp.auth import Caller
from webapp.roots import DATA, HIDDEN, OURS
from webapp.scopes import Scope
from webapp.shelves import folders_of

if TYPE_CHECKING:
    from webapp.config import Config

CODE = frozenset({"extensions"})
"""Folders of the data directory whose files are run: read-only for the browser."""

OWN = ("models", "embeddings", "outputs", "extensions", "users")
"""Folders of the data directory that stay there, beside those of each kind of model."""

Spot = tuple[Path, str]
"""A folder, and a pattern of names in it."""


RIGHTS: Mapping[Scope, frozenset[Right]] = MappingProxyType(
    {Scope.OWNER: EVERYTHING, Scope.USER: EVERYTHING, Scope.READ: READING}
)
"""What each kind of credential may do with files; others nothing."""


def visit_of(caller: Caller, config: "Config") -> Visit:
    """The visit of one caller. Everybody with a password of this service shares its trees."""
    return Visit(caller.name, roots_of(config), RIGHTS.get(caller.scope, frozenset()))


def roots_of(config: "Config") -> tuple[Root, ...]:
    """The data directory, first and always there, and the trees of ``--browse-root``.

    Trees may lie in each other: what one hides or seals, no other shows or changes. A tree that
    lies in something hidden is empty.
    """
    trees = ((DATA, config.data_dir, True), *config.browse_roots)
    hidden = tuple(_hidden(config, [path for _, path, _ in trees]))
    sealed = () if config.code_upload else tuple((config.data_dir, name) for name in CODE)
    fixed = [(path.parent, glob.escape(path.name)) for path in own_folders(config)]
    return tuple(
        _root(name, path, writable, hidden, sealed, fixed) for name, path, writable in trees
    )


def own_folders(config: "Config") -> Iterator[Path]:
    """The folders that the service needs where they are: none is moved, renamed or deleted."""
    yield from (config.data_dir / name for name in OWN)
    yield from folders_of(config).made()


def _root(
    name: str,
    path: Path,
    writable: bool,
    hidden: Iterable[Spot],
    sealed: Iterable[Spot],
    fixed: Iterable[Spot],
) -> Root:
    return Root(
        name,
        path,
        writable and not _inside(path, sealed),
        frozenset("*") if _inside(path, hidden) else OURS | _below(path, hidden),
        _below(path, sealed),
        _below(path, fixed),
    )


def _hidden(config: "Config", trees: Iterable[Path]) -> Iterator[Spot]:
    yield from ((config.data_dir, name) for name in HIDDEN)
    yield from ((tree, name) for tree in trees for name in OURS)
    secrets = (Path(os.path.realpath(config.easel_dir)), config.tls_keyfile)
    yield from ((path.absolute().parent, glob.escape(path.name)) for path in secrets if path)


def _below(tree: Path, spots: Iterable[Spot]) -> frozenset[str]:
    """The spots that lie in a tree, as patterns of paths in it, wherever links lead."""
    patterns: dict[Path, list[str]] = {}  # of each folder, which is looked up once
    for named, pattern in spots:
        patterns.setdefault(named, []).append(pattern)
    return frozenset(
        "/".join([*map(glob.escape, folder.relative_to(top).parts), pattern])
        for top in {tree, Path(os.path.realpath(tree))}
        for named in patterns
        for folder in {named, Path(os.path.realpath(named))}
        if folder.is_relative_to(top)
        for pattern in patterns[named]
    )


def _inside(tree: Path, spots: Iterable[Spot]) -> bool:
    """Whether a tree is, or lies in, one of the spots."""
    return any(
        folder in top.parents
        and fnmatchcase(top.relative_to(folder).parts[0].casefold(), pattern.casefold())
        for top in {tree, Path(os.path.realpath(tree))}
        for named, pattern in spots
        for folder in {named, Path(os.path.realpath(named))}
    )
