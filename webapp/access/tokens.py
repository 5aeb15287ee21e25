"""Tokens with fewer rights than the owner's: ``--read-token``, ... No Flask."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from webapp.access.scopes import AccessScope
from webapp.access.secret import Secret, digest

NAMED_TOKEN = re.compile(r"([A-Za-z][\w.-]{0,31})=(.*[^=].*)")
MIN_TOKEN_LENGTH = 8
"""Characters of a token; a shorter one is guessed."""


class BadToken(ValueError):
    """A token that cannot be used; the text says why and holds no token."""


@dataclass(frozen=True, slots=True)
class NarrowToken:
    """A token, what it is for, and the name under which its holder's jobs run."""

    name: str
    scope: AccessScope
    token: Secret


def narrow_tokens(scope: AccessScope, values: Sequence[str]) -> tuple[NarrowToken, ...]:
    """The tokens of one flag: ``TOKEN``, ``NAME=TOKEN``, or ``@FILE`` with one of these a line.

    A token without a name is called by its scope and a digest, so that two of them have jobs of
    their own. Raises :class:`BadToken`.
    """
    words = [word for text in values for word in read_secret_lines(text)]
    return tuple(parse_token(scope, word) for word in words)


def read_secret_lines(text: str) -> list[str]:
    """What a secret flag's value stands for; a file's blank and ``#`` lines are left out."""
    if not text.startswith("@"):
        return [text.strip()]
    try:
        content = Path(text[1:]).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        name = f" {text[1:]}" if "/" in text else ""  # else it may be a secret that begins with @
        raise BadToken(f"The file{name} after the @ cannot be read: {why}.") from error
    stripped = (line.strip() for line in content.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def parse_token(scope: AccessScope, word: str) -> NarrowToken:
    """One token with its name. Raises :class:`BadToken`."""
    match = NAMED_TOKEN.fullmatch(word)
    name, token = (match[1], match[2]) if match else ("", word)
    if len(token) < MIN_TOKEN_LENGTH:
        raise BadToken(f"A token for {scope} is shorter than {MIN_TOKEN_LENGTH} characters.")
    if name == AccessScope.OWNER:
        raise BadToken("No token but the owner's may be named 'owner'.")
    return NarrowToken(name or f"{scope}-{digest(token).hex()[:8]}", scope, Secret(token))
