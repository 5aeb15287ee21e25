"""Parses request heads before a thread is assigned. No sockets, no Flask."""

import re
from dataclasses import dataclass, replace

BREAK = b"\r\n"
END_OF_HEAD = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?=\r\n)")
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?=\r\n)")
# What follows a WebSocket's handshake is no body: it would hold one of the threads for bodies.
FRAMED = re.compile(
    rb"\r\n(?:content-length|transfer-encoding|upgrade(?![ \t]*:[ \t]*websocket[ \t]*\r))[ \t]*:"
)
EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.I)
CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")
MAX_CHUNK_LINE = 256  # bytes; extensions included
SLASHES = re.compile(r"/{2,}")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The first lines of a request. It judges nothing: what is malformed, the parser refuses."""

    path: str  # without its query, as sent: percent signs stand
    size: int  # bytes, the blank line included
    body: int | None  # bytes; None where the length is not told, or told in two ways
    chunked: bool = False
    expects_continue: bool = False  # the client sends its body only when it is told to


def find_head(data: bytes | bytearray, searched: int = 0) -> RequestHead | None:
    """The head at the start of ``data``; None while its blank line has not come.

    ``searched``: bytes that an earlier call has looked through in vain.
    """
    end = data.find(END_OF_HEAD, max(0, searched - len(END_OF_HEAD) + 1))
    if end < 0:
        return None
    head = bytes(data[: end + len(BREAK)]).lower()
    words = bytes(data[:end]).partition(BREAK)[0].split(b" ")
    path = words[1].partition(b"?")[0].decode("latin-1") if len(words) > 1 else ""
    framing, lengths = FRAMED.findall(head), LENGTH.findall(head)
    single = len(framing) == 1
    return RequestHead(
        path,
        end + len(END_OF_HEAD),
        int(lengths[0]) if single and lengths else (None if framing else 0),
        chunked=single and bool(CHUNKED.search(head)),
        expects_continue=bool(EXPECTS.search(head)),
    )


def without_expectation(data: bytearray, head: RequestHead) -> tuple[bytearray, RequestHead]:
    """The request as if it had not asked whether to send its body: it has been told."""
    shortened = EXPECTS.sub(b"", bytes(data[: head.size]))
    shorter = replace(head, size=len(shortened), expects_continue=False)
    return bytearray(shortened) + data[head.size :], shorter


@dataclass(slots=True)
class ChunkScan:
    """How far a chunked body has come. Malformed chunks count as its end: the parser refuses."""

    at: int  # where the next chunk's line begins
    in_trailers: bool = False

    def is_complete(self, data: bytes | bytearray) -> bool:
        """Whether ``data``, of which more may have come, holds the body's end."""
        while (end := data.find(BREAK, self.at)) >= 0:
            line = bytes(data[self.at : end])
            if self.in_trailers:
                self.at = end + len(BREAK)
                if not line:
                    return True
                continue
            size = CHUNK_SIZE.match(line)
            if size is None:
                return True
            length = int(size[0], 16)
            self.in_trailers = length == 0
            if self.in_trailers:
                self.at = end + len(BREAK)
            elif len(data) < end + 2 * len(BREAK) + length:
                return False
            else:
                self.at = end + 2 * len(BREAK) + length
        return len(data) - self.at > MAX_CHUNK_LINE


def is_path_in(path: str, root: str, names: frozenset[str]) -> bool:
    """Whether a path, once put straight as ``traffic.Doorstep`` does, is one of ``names``."""
    normalized = SLASHES.sub("/", path).removeprefix(root)
    return (normalized.rstrip("/") or "/") in names
