"""Signed URLs that open one file for a time without a credential. No Flask."""

import hashlib
import re
import time
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from itsdangerous import Signer
from itsdangerous.encoding import base64_decode, base64_encode

EXPIRES, SIGNATURE = "expires", "signature"
SALT = b"easel signed link\n"
HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
MIN_SECONDS, MAX_SECONDS, DEFAULT_SECONDS = 1, 7 * 24 * 3600, 3600
"""Seconds that a link may last, and lasts where nobody says."""


@dataclass(frozen=True, slots=True)
class UrlSigner:
    """Signs paths with a secret of the service. Whoever changes path or time needs the secret."""

    secret: bytes = field(repr=False)

    def compute_signature(self, path: str, expires: int) -> str:
        """HMAC-SHA256 in hex of a path and the moment (unix seconds) after which it is void."""
        return base64_decode(self._signer().get_signature(message_of(path, expires))).hex()

    def verify(self, path: str, expires: str, signature: str) -> bool:
        """Whether the signature is of this path and moment, and the moment has not come."""
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
            return False
        if not HEX_DIGEST.fullmatch(signature):
            return False
        encoded = base64_encode(bytes.fromhex(signature))
        same = self._signer().verify_signature(message_of(path, int(expires)), encoded)
        return same and time.time() < int(expires)

    def sign(self, path: str, seconds: int = DEFAULT_SECONDS) -> tuple[str, int]:
        """The path and query of a link to ``path`` below the service, and when it ends."""
        expires = int(time.time()) + seconds
        query = urlencode({EXPIRES: expires, SIGNATURE: self.compute_signature(path, expires)})
        return f"/file={quote(path)}?{query}", expires

    def _signer(self) -> Signer:
        return Signer(self.secret, SALT, key_derivation="hmac", digest_method=hashlib.sha256)


def message_of(path: str, expires: int) -> bytes:
    """What is signed: the moment and the path."""
    return f"{expires}\n{path}".encode("utf-8", "surrogatepass")
