"""``Secret``: a token or password that cannot be formatted, pickled or serialised. No Flask."""

import hashlib
import hmac
from typing import NoReturn

HIDDEN = "<secret>"


class Secret:
    """A token or password. It cannot be formatted, pickled or written as JSON, only revealed.

    ``repr`` is a constant, since logs and tracebacks show what contains a secret; ``str`` and
    ``format`` raise ``TypeError``, since a text with a secret in it is on its way out.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for a check or a child that needs it, for nothing that is told."""
        return self._text

    def matches(self, text: str) -> bool:
        """Whether ``text`` is the same, in a time that tells nothing about where they differ."""
        return hmac.compare_digest(digest(self._text), digest(text))

    def fingerprint(self) -> str:
        """32 hexadecimal digits that change with the secret."""
        return digest(self._text).hex()[:32]

    def full_digest(self) -> str:
        """SHA-256 in 64 hexadecimal digits: for a random secret, what a database may hold of it."""
        return digest(self._text).hex()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Secret):
            return self.matches(other._text)
        return self.matches(other) if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(digest(self._text))

    def __len__(self) -> int:
        return len(self._text)

    def __repr__(self) -> str:
        return HIDDEN

    def __str__(self) -> NoReturn:
        raise TypeError("A secret is not printed; reveal() says that it is meant.")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("A secret is not formatted; reveal() says that it is meant.")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A secret is not pickled.")

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self


def digest(text: str) -> bytes:
    """A digest of equal length for all texts."""
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).digest()
