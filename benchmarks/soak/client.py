"""Sends prebuilt requests from coroutines of one thread and counts the answers."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

NO_ANSWER = "closed without an answer"
REFUSED = "not connected"
HUNG = "no answer in time"
MAX_SAMPLES = 6  # bodies kept of each kind of 500
BUFFER = 64 * 1024  # bytes


@dataclass(slots=True)
class OutcomeCounts:
    """How often each kind of request had which outcome, how long it took at most, and samples."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, outcome: str, seconds: float = 0.0, body: bytes = b"") -> None:
        """Count one."""
        self.counts[kind, outcome] += 1
        self.slowest[kind] = max(self.slowest.get(kind, 0.0), seconds)
        if outcome == "500":
            kind_samples = self.samples.setdefault(kind, [])
            text = body[-400:].decode(errors="replace")
            if len(kind_samples) < MAX_SAMPLES and text not in kind_samples:
                kind_samples.append(text)

    def total(self, outcome: str) -> int:
        """All of one outcome."""
        return sum(count for (_, matched), count in self.counts.items() if matched == outcome)


@dataclass(frozen=True, slots=True)
class SoakClient:
    """Where the service is, from which loopback address it is asked, and as whom."""

    port: int
    tally: OutcomeCounts
    token: str = ""
    source_address: str = "127.0.0.1"

    async def open(
        self, patience: float = 10.0
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection. Raises ``OSError``; a service that accepts none is one."""
        opening = asyncio.open_connection(
            "127.0.0.1", self.port, limit=BUFFER, local_addr=(self.source_address, 0)
        )
        return await asyncio.wait_for(opening, patience)

    async def ask(self, kind: str, sent: bytes, patience: float = 120.0) -> str:
        """Send bytes, read the answer to its end; the status, or what came instead of one."""
        began = time.monotonic()
        outcome, body = await self._answer(sent, patience)
        self.tally.add(kind, outcome, time.monotonic() - began, body)
        return outcome

    async def _answer(self, sent: bytes, patience: float) -> tuple[str, bytes]:
        try:
            reader, writer = await self.open()
        except OSError:
            return REFUSED, b""
        try:
            return await asyncio.wait_for(_exchange(reader, writer, sent), patience)
        except TimeoutError:
            return HUNG, b""
        except OSError:
            return NO_ANSWER, b""
        finally:
            writer.close()

    def post(self, path: str, body: object, **headers: str) -> bytes:
        """The bytes of a POST with a JSON body."""
        return self.send("POST", path, json.dumps(body).encode(), **headers)

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        """The bytes of a request whose connection closes behind its answer."""
        lines = [f"{method} {path} HTTP/1.1", *self.head(**headers), f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def head(self, **headers: str) -> Iterable[str]:
        """The lines that every request has."""
        yield "Host: localhost"
        yield "Connection: close"
        if self.token and "Authorization" not in headers:
            yield f"Authorization: {self.token}"
        for name, value in {"Content_Type": "application/json", **headers}.items():
            yield f"{name.replace('_', '-')}: {value}"


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes
) -> tuple[str, bytes]:
    """Send and read at once, as a server may answer before it has read everything."""
    sending = asyncio.create_task(_send(writer, sent))
    try:
        first = await reader.readline()
        tail = b""
        with suppress(ConnectionError):
            while piece := await reader.read(BUFFER):
                tail = (tail + piece)[-500:]
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return status(first), tail


async def _send(writer: asyncio.StreamWriter, sent: bytes) -> None:
    with suppress(OSError):
        writer.write(sent)
        await writer.drain()


def status(line: bytes) -> str:
    """The status in the first line of an answer."""
    words = line.split()
    return words[1].decode(errors="replace") if len(words) > 1 else NO_ANSWER
