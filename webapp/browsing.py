"""Which trees a caller may walk, and what they may do there. No Flask, no torch."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from filebrowser.gate import Root
from filebrowser.visit import EVERYTHING, READING, Right, Visit
from webapp.auth import Caller
from webapp.roots import DATA, HIDDEN
from webapp.scopes import Scope

if TYPE_CHECKING:
    from webapp.config import Config

CODE = frozenset({"extensions"})
"""Folders of the data directory whose files are run: read-only for the browser."""


RIGHTS: Mapping[Scope, frozenset[Right]] = MappingProxyType(
    {Scope.OWNER: EVERYTHING, Scope.USER: EVERYTHING, Scope.READ: READING}
)
"""What each kind of credential may do with files; others nothing."""


def visit_of(caller: Caller, config: "Config") -> Visit:
    """The visit of one caller. Everybody with a password of this service shares its trees."""
    return Visit(caller.name, roots_of(config), RIGHTS.get(caller.scope, frozenset()))


def roots_of(config: "Config") -> tuple[Root, ...]:
    """The data directory, first and always there."""
    return (Root(DATA, config.data_dir, hidden=HIDDEN, sealed=CODE),)
