"""The vendor's signature in ``Authorization: EAS <base64>``. No Flask.

HMAC-SHA1, keyed with the token, over method, ``Content-MD5``, ``Content-Type``, ``Date`` and path.
Its clients send local time as GMT, so that the date is signed and not judged. The digest of the
body is the client's word: who reads the body compares (:func:`body_fits`).
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webapp.access.secret import Secret

SCHEME = "EAS "


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature is over: ``paths`` are those by which the client may know the address."""

    signature: str
    method: str
    content_md5: str
    content_type: str
    date: str
    paths: Sequence[str]

    def is_signed_with(self, token: Secret) -> bool:
        """Whether the holder of this token made the signature."""
        return any(
            hmac.compare_digest(self.signature.encode(), signature_of(self, path, token))
            for path in self.paths
        )


def read_signed_request(
    header: Callable[[str], str], method: str, paths: Sequence[str]
) -> SignedRequest | None:
    """The signature of a request; None where it is authorised in another way.

    ``header`` reads a header by its name, "" where there is none.
    """
    value = header("Authorization").strip()
    if not value.startswith(SCHEME):
        return None
    names = ("Content-MD5", "Content-Type", "Date")
    digest, content_type, date = (header(name) for name in names)
    signature = value.removeprefix(SCHEME).strip()
    return SignedRequest(signature, method, digest, content_type, date, paths)


def signature_of(request: SignedRequest, path: str, token: Secret) -> bytes:
    """The signature that a request to this path must have."""
    parts = (request.method, request.content_md5, request.content_type, request.date, path)
    text = "\n".join(parts).strip()
    signed = hmac.new(token.reveal().encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(signed.digest())


def body_fits(content_md5: str, body: bytes | bytearray) -> bool:
    """Whether a signed digest is the body's; in hexadecimal, or in base64 as HTTP has it."""
    digest = hashlib.md5(body, usedforsecurity=False)
    return content_md5 in (digest.hexdigest(), base64.b64encode(digest.digest()).decode())
