"""Latency of cheap GETs from many polling clients while a picture is drawn.

Each client has a connection of its own and asks again half a second after its last answer, which
is how pages and API clients follow a job. The clients share one process and one thread.
"""

import asyncio
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

CLIENTS = 200
PAUSE = 0.5  # seconds between an answer and the next question of a client
SECONDS = 10.0
PATHS = (
    "/sdapi/v1/progress?skip_current_image=true",
    "/internal/ping",
    "/sdapi/v1/samplers",
    "/sdapi/v1/sd-models",
    "/controlnet/version",
)


def measure_gets(
    address: str, clients: int = CLIENTS, seconds: float = SECONDS, paths: Sequence[str] = PATHS
) -> list[float]:
    """Seconds that each GET took, in the order in which they ended. Raises OSError if one fails."""
    return asyncio.run(_all(address, clients, seconds, paths))


def measure_burst(address: str, count: int = CLIENTS, path: str = PATHS[0]) -> list[float]:
    """Seconds of ``count`` GETs that are sent in the same moment, over open connections."""
    return asyncio.run(_burst(address, count, path))


async def _all(address: str, clients: int, seconds: float, paths: Sequence[str]) -> list[float]:
    took: list[float] = []
    end = time.perf_counter() + seconds
    await asyncio.gather(*(_client(address, n, clients, end, paths, took) for n in range(clients)))
    return took


async def _client(
    address: str, number: int, clients: int, end: float, paths: Sequence[str], took: list[float]
) -> None:
    reader, writer = await _connect(address)
    await asyncio.sleep(PAUSE * number / clients)  # nobody starts in step with another
    turn = number
    while time.perf_counter() < end:
        took.append(await _ask(reader, writer, paths[turn % len(paths)]))
        turn += 1
        await asyncio.sleep(PAUSE)
    writer.close()


async def _burst(address: str, count: int, path: str) -> list[float]:
    ends = [await _connect(address) for _ in range(count)]
    for reader, writer in ends:
        await _ask(reader, writer, "/internal/ping")
    took = await asyncio.gather(*(_ask(reader, writer, path) for reader, writer in ends))
    for _, writer in ends:
        writer.close()
    return list(took)


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(address)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> float:
    begun = time.perf_counter()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise OSError(f"{path}: {head[:80]!r}")
    lines = head.lower().split(b"\r\n")
    length = next(line for line in lines if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return time.perf_counter() - begun
