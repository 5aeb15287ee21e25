"""Roles of users and what they open. No Flask."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from webapp.access.scopes import ALLOWED_SCOPES, AccessScope


class Role(StrEnum):
    """What a user is in the service."""

    ADMIN = "admin"  # the service itself, and everybody's accounts
    MEMBER = "member"  # draws, changes options, keeps files
    VIEWER = "viewer"  # lists, reads files


ROLE_SCOPES: Mapping[Role, AccessScope] = MappingProxyType(
    {
        Role.ADMIN: AccessScope.OWNER,
        Role.MEMBER: AccessScope.USER,
        Role.VIEWER: AccessScope.READ,
    }
)
"""The scope that a login of each role has: the same as that of the flags' credentials."""

TOKEN_SCOPES = (
    AccessScope.OWNER, AccessScope.USER, AccessScope.GENERATE, AccessScope.READ,
    AccessScope.METRICS,
)  # fmt: skip
"""What a token may be for, the widest first."""


def excess_scopes(role: Role, scopes: Iterable[AccessScope]) -> list[AccessScope]:
    """Those of a token's scopes that open more than its user's role does."""
    most = ALLOWED_SCOPES[ROLE_SCOPES[role]]
    return [scope for scope in scopes if not ALLOWED_SCOPES[scope] <= most]
