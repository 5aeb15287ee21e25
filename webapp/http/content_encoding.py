"""Decompresses request bodies (``Content-Encoding``) within limits. No Flask."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from webapp.errors import MalformedBody, UnsupportedEncoding

GZIP, ZLIB, RAW = 31, 15, -15  # zlib's wbits
SUPPORTED_ENCODINGS = ("gzip", "deflate")  # as the answer of 415 names them
NO_ENCODING = ("", "identity")


def encoding_of(header: str) -> str:
    """``gzip``, ``deflate`` or "" for a ``Content-Encoding``. Raises ``UnsupportedEncoding``."""
    encodings = [word.strip().lower() for word in header.split(",")]
    encodings = [word.removeprefix("x-") for word in encodings if word not in NO_ENCODING]
    if not encodings:
        return ""
    if len(encodings) > 1 or encodings[0] not in SUPPORTED_ENCODINGS:
        raise UnsupportedEncoding(
            f"Content-Encoding: {header[:80]!r} is not read; send the body as it is, or with one "
            f"of {', '.join(SUPPORTED_ENCODINGS)}."
        )
    return encodings[0]


def check_plain(header: str) -> None:
    """Refuse a file that comes compressed: it would be kept so. Raises ``UnsupportedEncoding``."""
    if encoding_of(header):
        raise UnsupportedEncoding(
            f"Content-Encoding: {header[:80]!r} is not read here; send the file as it is."
        )


@dataclass(slots=True)
class DecompressedStream:
    """A compressed stream, read as what it holds: at most ``size`` bytes at a time.

    Raises ``MalformedBody`` for what is not of that encoding, or ends too early. deflate may come
    with zlib's header, as it should, or without.
    """

    read: Callable[[int], bytes]
    encoding: str
    compressed: bytes = b""  # compressed bytes that are not looked at yet
    _inflater: "zlib._Decompress | None" = field(default=None)

    def pieces(self, size: int) -> Iterator[bytes]:
        """The content, in pieces of at most ``size`` bytes."""
        while piece := self._next(size):
            yield piece

    def _next(self, size: int) -> bytes:
        """The next bytes; b"" at the end."""
        while True:
            if not self.compressed:
                self.compressed = self.read(size)
            if self._inflater is None:
                if not self.compressed:
                    return b""
                self._inflater = zlib.decompressobj(self._window_bits())
            held = self.compressed
            try:
                piece = self._inflater.decompress(held, size)
            except zlib.error as error:
                raise MalformedBody(f"The body is not {self.encoding}: {error}.") from None
            done = self._inflater.eof
            self.compressed = self._inflater.unused_data if done else self._inflater.unconsumed_tail
            if done:
                self._inflater = None  # gzip may go on with a further member
            elif not piece and not held:
                raise MalformedBody(f"The body's {self.encoding} ends too early; send it whole.")
            if piece:
                return piece

    def _window_bits(self) -> int:
        if self.encoding == "gzip":
            return GZIP
        head = (self.compressed + b"\0\0")[:2]
        return ZLIB if head[0] & 15 == 8 and int.from_bytes(head) % 31 == 0 else RAW
