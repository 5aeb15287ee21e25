"""A credential of each scope."""

from webapp.access.credentials import Credentials, build_credentials
from webapp.access.scopes import AccessScope
from webapp.access.tokens import narrow_tokens

TOKENS = {
    AccessScope.OWNER: "owner-token",
    AccessScope.READ: "reading-token",
    AccessScope.GENERATE: "drawing-token",
    AccessScope.METRICS: "metrics-token",
}


def build_all_credentials() -> Credentials:
    """A service with a credential of each kind."""
    narrow = [
        token for scope in (AccessScope.READ, AccessScope.GENERATE, AccessScope.METRICS)
        for token in narrow_tokens(scope, [TOKENS[scope]])
    ]  # fmt: skip
    return build_credentials(TOKENS[AccessScope.OWNER], (("ann", "pw1"),), narrow=tuple(narrow))
