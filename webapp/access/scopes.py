"""Access scopes of routes, declared beside each view; undeclared routes are the owner's."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


class AccessScope(StrEnum):
    """What a route is, and what a credential is for. ``ALLOWED_SCOPES`` says which fits which."""

    PUBLIC = "public"  # routes alone: no credential is asked for
    READ = "read"  # lists and facts: changes nothing, tells of no other's jobs
    FILES = "files"  # routes alone: reads files; what a visit may do besides is the visit's
    GENERATE = "generate"  # draws; sees and stops the caller's own jobs
    USER = "user"  # options, models, training: what a person with a password does
    METRICS = "metrics"  # figures of everybody's use
    OWNER = "owner"  # the service itself


ALLOWED_SCOPES: Mapping[AccessScope, frozenset[AccessScope]] = MappingProxyType(
    {
        AccessScope.READ: frozenset({AccessScope.READ, AccessScope.FILES}),
        AccessScope.GENERATE: frozenset({AccessScope.READ, AccessScope.GENERATE}),
        AccessScope.USER: frozenset(
            {AccessScope.READ, AccessScope.FILES, AccessScope.GENERATE, AccessScope.USER}
        ),
        AccessScope.METRICS: frozenset({AccessScope.METRICS}),
        AccessScope.OWNER: frozenset(AccessScope),
    }
)
"""The routes that each caller's credential opens, public ones aside."""

DEFAULT_SCOPE = AccessScope.OWNER
"""Of a view that declares nothing: too little is noticed sooner than too much."""


def requires(scope: AccessScope) -> Callable[[View], View]:
    """Declare what a view takes: ``@requires(AccessScope.READ)`` below its route.

    docs/access.md has a line for each route, and a test asks every route in every guise.
    """

    def attach(view: View) -> View:
        view.easel_scope = scope  # type: ignore[attr-defined]
        return view

    return attach


def scope_of(view: Any) -> AccessScope:
    """What a view declares, ``DEFAULT_SCOPE`` where it says nothing."""
    declared: AccessScope = getattr(view, "easel_scope", DEFAULT_SCOPE)
    return declared
