"""Connections that say nothing, half of something, or all of it very slowly."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from benchmarks.soak.client import NO_ANSWER, Client, status

LONGEST = 90.0  # seconds for which such a connection stays, if the service lets it
PAUSE = 5.0  # seconds between two pieces
HALF_READ = 2048  # bytes of an answer that are read, and then no more


@dataclass(frozen=True, slots=True)
class Shape:
    """A way to hold a connection: how many, what is sent first, what every few seconds after."""

    name: str
    count: int
    first: bytes
    piece: bytes = b""
    half_closed: bool = False  # the client says that it sends no more
    reads: bool = True  # else the answer stays in the pipe, whose client end is small


def shapes(client: Client) -> tuple[Shape, ...]:
    """All of them; 380 connections."""
    head = "\r\n".join(client.head()).encode()
    form = b"Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    login = b"POST /login HTTP/1.1\r\n" + form
    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    draw = b"POST /sdapi/v1/txt2img HTTP/1.1\r\n" + head + b"\r\n"
    return (
        Shape("silent", 60, b""),
        Shape("half a line", 20, b"GE"),
        Shape("half a head", 30, b"GET / HTTP/1.1\r\nHost:", b"x"),
        Shape(
            "endless heads", 20, b"GET / HTTP/1.1\r\nHost: a\r\n", b"X-A: " + b"a" * 500 + b"\r\n"
        ),
        Shape("slow form", 30, login + b"Content-Length: 5000\r\n\r\nusername=", b"a"),
        Shape("slow long form", 20, login + b"Content-Length: 66000\r\n\r\nusername=", b"a" * 90),
        Shape("slow chunks", 20, draw + chunked, b"1\r\n{\r\n"),
        Shape("slow long body", 20, draw + b"Content-Length: 9000000\r\n\r\n{", b" " * 300),
        Shape("slow share", 10, b"POST /s/none HTTP/1.1\r\n" + form + chunked, b"1\r\na\r\n"),
        Shape("slow continue", 10, draw + CONTINUE, b"{"),
        Shape("reads nothing", 30, client.send("GET", "/openapi.json") * 8, reads=False),
        Shape("reads no picture", 10, client.post("/sdapi/v1/txt2img", LARGE), reads=False),
        Shape("idle, kept alive", 60, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        Shape("half closed", 10, client.send("GET", "/sdapi/v1/options"), half_closed=True),
        Shape("upgrade", 10, UPGRADE + head + b"\r\n\r\n", b"\x81"),
        Shape("events", 20, client.send("GET", "/api/events"), reads=False),
    )


LARGE = {"prompt": "noise", "width": 256, "height": 256, "steps": 1, "batch_size": 1}
CONTINUE = b"Expect: 100-continue\r\nContent-Length: 500\r\n\r\n"
UPGRADE = (
    b"GET /queue/join HTTP/1.1\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


async def hold(client: Client, shape: Shape, chance: random.Random) -> None:
    """Hold connections of a shape for ever, one after another."""
    await asyncio.sleep(chance.random() * PAUSE)
    while True:
        client.tally.add(shape.name, await held(client, shape))
        await asyncio.sleep(1 + chance.random())


async def held(client: Client, shape: Shape) -> str:
    """Hold one connection until the service ends it; how it ended."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(LONGEST), _connected(client, shape) as (reader, writer):
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
async def _connected(
    client: Client, shape: Shape
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    plain = socket.socket()
    if not shape.reads:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HALF_READ)
    plain.setblocking(False)
    try:
        plain.bind((client.home, 0))
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


def holders(client: Client, chance: random.Random) -> list[Callable[[], Awaitable[None]]]:
    """A coroutine for each connection of each shape; a few come from other addresses."""
    made: list[Callable[[], Awaitable[None]]] = []
    for shape in shapes(client):
        for number in range(shape.count):
            home = f"127.0.0.{2 + number % 9}" if number % 3 == 0 else client.home
            made.append(_holder(replace(client, home=home), shape, chance))
    return made


def _holder(client: Client, shape: Shape, chance: random.Random) -> Callable[[], Awaitable[None]]:
    return lambda: hold(client, shape, chance)
