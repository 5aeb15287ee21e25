"""Flags of who may come in: tokens, passwords, accounts. Read and checked here."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from webapp.access.scopes import AccessScope
from webapp.access.secret import Secret
from webapp.access.tokens import BadToken, NarrowToken, narrow_tokens, read_secret_lines
from webapp.settings.flag_checks import UnknownFlag

TOKEN_SCOPES = MappingProxyType(
    {
        "read_tokens": AccessScope.READ,
        "generate_tokens": AccessScope.GENERATE,
        "metrics_tokens": AccessScope.METRICS,
    }
)
"""What the tokens of these fields open."""

ONE_SECRET = MappingProxyType(
    {
        "token": "--token",
        "queue_url": "--queue-url",
        "database_url": "--database-url",
        "oidc_client_secret": "--oidc-client-secret",
    }
)
"""Fields that hold one secret, and their flags."""


def derive_credentials(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that stand for credentials, of values as they were typed. Raises UnknownFlag."""
    fields: dict[str, Any] = {
        field: _read_secret(flag, values[field])
        for field, flag in ONE_SECRET.items()
        if field in values
    }
    for field in ("api_auth", "page_auth"):
        fields[field] = _parse_credentials(field, values.get(field, ""))
    for field, scope in TOKEN_SCOPES.items():
        fields[field] = _parse_narrow_tokens(scope, values.get(field, ()))
    fields["public_address"] = values.get("public_address", "").rstrip("/")
    _check_account_flags({**values, **fields})
    return fields


def _check_account_flags(fields: Mapping[str, Any]) -> None:
    """Raise UnknownFlag where flags of accounts do not go together.

    Secret ones are here in the web process alone, so none is asked for.
    """
    if not fields.get("accounts"):
        for name in ("auth_header", "oidc_issuer", "new_user_role"):
            if fields.get(name):
                raise UnknownFlag(f"--{name.replace('_', '-')} needs --accounts.")
        return
    if fields["api_auth"] or fields["page_auth"]:
        raise UnknownFlag(
            "With --accounts, users are added by an admin or by 'easel users add NAME', not by "
            "--api-auth or --gradio-auth."
        )
    if fields.get("auth_header") and not fields.get("trusted_proxies"):
        raise UnknownFlag("--auth-header needs --trusted-proxy: from where it is believed.")
    if bool(fields.get("oidc_issuer")) is not bool(fields.get("oidc_client_id")):
        raise UnknownFlag("--oidc-issuer and --oidc-client-id need each other.")
    issuer = fields.get("oidc_issuer", "")
    if issuer and not issuer.startswith(("https://", "http://localhost", "http://127.0.0.1")):
        raise UnknownFlag("--oidc-issuer takes an address that begins with https://.")


def _parse_narrow_tokens(scope: AccessScope, texts: Sequence[str]) -> tuple[NarrowToken, ...]:
    try:
        return narrow_tokens(scope, texts)
    except BadToken as error:
        raise UnknownFlag(f"--{scope}-token: {error}") from None


def _read_secret(flag: str, text: str) -> Secret:
    lines_found = _read_lines(flag, text)
    if len(lines_found) != 1:
        raise UnknownFlag(f"{flag} takes a file with one line, not {len(lines_found)}.")
    return Secret(lines_found[0])


def _parse_credentials(field: str, text: str) -> tuple[tuple[str, Secret], ...]:
    """``user:password`` pairs; a password may hold colons, but no comma."""
    flag = {"api_auth": "--api-auth", "page_auth": "--gradio-auth"}[field]
    pairs = []
    for part in (piece.strip() for line in _read_lines(flag, text) for piece in line.split(",")):
        if not part:
            continue
        user, colon, password = part.partition(":")
        if not (user and colon and password):
            raise UnknownFlag(f"{flag} takes user:password[,user2:password2].")
        if user == AccessScope.OWNER:
            raise UnknownFlag("Only the token's holder is called 'owner': choose another name.")
        pairs.append((user, Secret(password)))
    return tuple(pairs)


def _read_lines(flag: str, text: str) -> list[str]:
    try:
        return read_secret_lines(text)
    except BadToken as error:
        raise UnknownFlag(f"{flag}: {error}") from None
