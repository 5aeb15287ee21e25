"""Connections that send nothing, half a request, or a request very slowly."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from benchmarks.soak.client import NO_ANSWER, SoakClient, status

LONGEST = 90.0  # seconds for which such a connection stays, if the service lets it
PAUSE = 5.0  # seconds between two pieces
HALF_READ = 2048  # bytes of an answer that are read, and then no more


@dataclass(frozen=True, slots=True)
class ConnectionShape:
    """A way to hold a connection: how many, what is sent first, what every few seconds after."""

    name: str
    count: int
    first: bytes
    piece: bytes = b""
    half_closed: bool = False  # the client says that it sends no more
    reads: bool = True  # else the answer stays in the pipe, whose client end is small


def connection_shapes(client: SoakClient) -> tuple[ConnectionShape, ...]:
    """All of them; 380 connections."""
    head = "\r\n".join(client.head()).encode()
    form = b"Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    login = b"POST /login HTTP/1.1\r\n" + form
    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    draw = b"POST /sdapi/v1/txt2img HTTP/1.1\r\n" + head + b"\r\n"
    return (
        ConnectionShape("silent", 60, b""),
        ConnectionShape("half a line", 20, b"GE"),
        ConnectionShape("half a head", 30, b"GET / HTTP/1.1\r\nHost:", b"x"),
        ConnectionShape(
            "endless heads", 20, b"GET / HTTP/1.1\r\nHost: a\r\n", b"X-A: " + b"a" * 500 + b"\r\n"
        ),
        ConnectionShape("slow form", 30, login + b"Content-Length: 5000\r\n\r\nusername=", b"a"),
        ConnectionShape(
            "slow long form", 20, login + b"Content-Length: 66000\r\n\r\nusername=", b"a" * 90
        ),
        ConnectionShape("slow chunks", 20, draw + chunked, b"1\r\n{\r\n"),
        ConnectionShape(
            "slow long body", 20, draw + b"Content-Length: 9000000\r\n\r\n{", b" " * 300
        ),
        ConnectionShape(
            "slow share", 10, b"POST /s/none HTTP/1.1\r\n" + form + chunked, b"1\r\na\r\n"
        ),
        ConnectionShape("slow continue", 10, draw + CONTINUE, b"{"),
        ConnectionShape("reads nothing", 30, client.send("GET", "/openapi.json") * 8, reads=False),
        ConnectionShape(
            "reads no picture", 10, client.post("/sdapi/v1/txt2img", LARGE), reads=False
        ),
        ConnectionShape(
            "idle, kept alive", 60, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ),
        ConnectionShape(
            "half closed", 10, client.send("GET", "/sdapi/v1/options"), half_closed=True
        ),
        ConnectionShape("upgrade", 10, UPGRADE + head + b"\r\n\r\n", b"\x81"),
        ConnectionShape("events", 20, client.send("GET", "/api/events"), reads=False),
    )


LARGE = {"prompt": "noise", "width": 256, "height": 256, "steps": 1, "batch_size": 1}
CONTINUE = b"Expect: 100-continue\r\nContent-Length: 500\r\n\r\n"
UPGRADE = (
    b"GET /queue/join HTTP/1.1\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


async def hold(client: SoakClient, shape: ConnectionShape, chance: random.Random) -> None:
    """Hold connections of a shape for ever, one after another."""
    await asyncio.sleep(chance.random() * PAUSE)
    while True:
        client.tally.add(shape.name, await hold_one(client, shape))
        await asyncio.sleep(1 + chance.random())


async def hold_one(client: SoakClient, shape: ConnectionShape) -> str:
    """Hold one connection until the service ends it; how it ended."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(LONGEST), _connect(client, shape) as (reader, writer):
            writer.write(shape.first)
            if shape.half_closed:
                writer.write_eof()
            sending = asyncio.create_task(_trickle(writer, shape.piece))
            try:
                return await _outcome(reader, shape.reads)
            finally:
                sending.cancel()
        return NO_ANSWER
    return f"held {LONGEST:.0f} s, or refused"


async def _outcome(reader: asyncio.StreamReader, reads: bool) -> str:
    first = await reader.readline()
    if not reads:
        await asyncio.sleep(LONGEST)
    while await reader.read(HALF_READ):
        pass
    return status(first)


async def _trickle(writer: asyncio.StreamWriter, piece: bytes) -> None:
    with suppress(OSError):
        while piece:
            await asyncio.sleep(PAUSE)
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def _connect(
    client: SoakClient, shape: ConnectionShape
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    plain = socket.socket()
    if not shape.reads:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HALF_READ)
    plain.setblocking(False)
    try:
        plain.bind((client.source_address, 0))
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", client.port))
        limit = HALF_READ if not shape.reads else 64 * 1024
        reader, writer = await asyncio.open_connection(sock=plain, limit=limit)
    except BaseException:
        plain.close()
        raise
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def hold_connections(
    client: SoakClient, chance: random.Random
) -> list[Callable[[], Awaitable[None]]]:
    """A coroutine for each connection of each shape; a few come from other addresses."""
    coroutines: list[Callable[[], Awaitable[None]]] = []
    for shape in connection_shapes(client):
        for number in range(shape.count):
            home = f"127.0.0.{2 + number % 9}" if number % 3 == 0 else client.source_address
            coroutines.append(_hold_connection(replace(client, source_address=home), shape, chance))
    return coroutines


def _hold_connection(
    client: SoakClient, shape: ConnectionShape, chance: random.Random
) -> Callable[[], Awaitable[None]]:
    return lambda: hold(client, shape, chance)
