"""Load generators: coroutines that send requests until cancelled."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.soak.bad_files import FOLDERS, BadFile, bad_files, remove_file
from benchmarks.soak.bodies import (
    SMALL,
    SoakRequest,
    absurd_requests,
    large_picture_requests,
    malformed_requests,
)
from benchmarks.soak.client import SoakClient
from benchmarks.soak.connections import hold_connections
from benchmarks.soak.disk import SmallDisk

WAITING = 150  # draws of each of two tokens
OWNERS_PERIOD, OWNERS_PATIENCE = 20.0, 120.0  # seconds
FULL, FREE = 12.0, 30.0  # seconds for which the disk is full, and then free
LISTS = (
    "/sdapi/v1/sd-models",
    "/sdapi/v1/loras",
    "/sdapi/v1/embeddings",
    "/sdapi/v1/sd-vae",
    "/sdapi/v1/extra-networks",
    "/sdapi/v1/prompt-styles",
    "/sdapi/v1/options",
    "/sdapi/v1/memory",
    "/internal/sysinfo",
    "/api/files?path=/data/outputs",
    "/api/files?path=/data/models/Lora",
    "/api/files/search?q=png",
    "/api/files/archive?path=/data/outputs",
    "/api/files/shares",
    "/api/files/trash",
    "/readyz",
    "/metrics",
)
COPIES = "/data/outputs/copies"
SoakTask = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Callers:
    """Who asks: the owner, two who draw, one who asks too much, a reader, one with files."""

    owner: SoakClient
    drawing: tuple[SoakClient, SoakClient]
    attacker: SoakClient
    reader: SoakClient
    user: SoakClient
    stranger: SoakClient


def all_tasks(
    callers: Callers, disk: SmallDisk, running: asyncio.Event, chance: random.Random
) -> list[SoakTask]:
    """All works. They pause while the service is not ``running``."""
    attacker, stranger = callers.attacker, callers.stranger
    attacks, malformed_calls = list(absurd_requests(attacker)), list(malformed_requests(attacker))
    return [
        *hold_connections(callers.drawing[0], chance),
        *(lambda one=one: draw_on(one, running) for one in callers.drawing for _ in range(WAITING)),
        lambda: draws_of_owner(callers.owner, running),
        *(lambda: one_by_one(attacker, attacks, running, 1.0, chance) for _ in range(3)),
        lambda: one_by_one(attacker, malformed_calls, running, 0.5, chance),
        lambda: one_by_one(attacker, large_picture_requests(attacker), running, 5.0, chance),
        lambda: one_by_one(callers.reader, list(read_lists(callers)), running, 1.0, chance),
        lambda: one_by_one(stranger, list(guess_credentials(stranger)), running, 0.2, chance),
        lambda: one_by_one(callers.user, list(use_files(callers.user)), running, 1.0, chance),
        lambda: upload_without_length(callers.user, running),
        lambda: files_come_and_go(disk.data_dir, bad_files(), chance),
        lambda: fill_and_free(disk),
    ]


async def draw_on(client: SoakClient, running: asyncio.Event) -> None:
    """Draw again and again, as one of many who wait."""
    sent = client.post("/sdapi/v1/txt2img", SMALL)
    while True:
        await running.wait()
        outcome = await client.ask("waiting draw", sent, 600)
        await asyncio.sleep(0 if outcome == "200" else 3)


async def draws_of_owner(client: SoakClient, running: asyncio.Event) -> None:
    """A small picture every few seconds, which must be answered before long."""
    sent = client.post("/sdapi/v1/txt2img", SMALL)
    while True:
        await running.wait()
        await client.ask("the owner's draw", sent, OWNERS_PATIENCE)
        await asyncio.sleep(OWNERS_PERIOD)


async def one_by_one(
    client: SoakClient,
    calls: Sequence[SoakRequest],
    running: asyncio.Event,
    pause: float,
    chance: random.Random,
) -> None:
    """Send calls in a new order each round, some of them several times at once."""
    while True:
        for call in chance.sample(calls, len(calls)):
            await running.wait()
            await asyncio.gather(*(client.ask(call.kind, call.sent) for _ in range(call.at_once)))
            await asyncio.sleep(pause)


def read_lists(callers: Callers) -> Iterable[SoakRequest]:
    """What others look at while bad files come and go."""
    for path in LISTS:
        client = callers.owner if path in ("/metrics", "/internal/sysinfo") else callers.reader
        if "files/s" in path or "trash" in path:
            client = callers.user
        yield SoakRequest(f"GET {path.partition('?')[0]}", client.send("GET", path))
    for name in ("checkpoints", "loras", "embeddings", "vae"):
        path = f"/sdapi/v1/refresh-{name}"
        yield SoakRequest(f"POST {path}", callers.owner.send("POST", path))


def guess_credentials(stranger: SoakClient) -> Iterable[SoakRequest]:
    """Wrong credentials, each another one, at every door."""
    for number in range(300):
        yield SoakRequest(
            "wrong token", replace(stranger, token=f"Bearer {number:032}").send("GET", "/")
        )
        word = f"username=u{number}&password=p{number}".encode()
        form = "application/x-www-form-urlencoded"
        yield SoakRequest("wrong login", stranger.send("POST", "/login", word, Content_Type=form))
        share = f"/s/none{number}"
        yield SoakRequest(
            "wrong share", stranger.send("POST", share, b"password=p", Content_Type=form)
        )
    yield SoakRequest("interrupt by a stranger", stranger.send("POST", "/sdapi/v1/interrupt"))


def use_files(user: SoakClient) -> Iterable[SoakRequest]:
    """What a caller with files does on a disk that is full now and then."""
    for number in range(8):
        folder = f"/data/outputs/soak{number}"
        yield SoakRequest("folder", user.post("/api/files/folder", {"path": folder}))
        yield SoakRequest("PUT by WebDAV", user.send("PUT", f"/dav{folder}/a.txt", b"a" * 60_000))
        yield SoakRequest("share", user.post("/api/files/shares", {"path": folder}))
        yield SoakRequest("copy", user.post("/api/files/copy", {"paths": [folder], "to": COPIES}))
        yield SoakRequest("delete", user.post("/api/files/delete", {"paths": [folder]}))
        yield SoakRequest("PROPFIND", user.send("PROPFIND", "/dav/data/", Depth="infinity"))
    yield SoakRequest("purge", user.send("DELETE", "/api/files/trash"))
    yield SoakRequest("delete models", user.post("/api/files/delete", {"paths": ["/data/models"]}))
    yield SoakRequest(
        "delete pictures", user.post("/api/files/delete", {"paths": ["/data/outputs"]})
    )


async def upload_without_length(user: SoakClient, running: asyncio.Event) -> None:
    """A body in chunks, as long as the service takes it, 64 MiB at most."""
    head = "\r\n".join(user.head()) + "\r\nTransfer-Encoding: chunked\r\n\r\n"
    begin = f"PUT /dav/data/outputs/long.txt HTTP/1.1\r\n{head}".encode()
    chunk = b"100000\r\n" + b"\0" * 1_048_576 + b"\r\n"
    while True:
        await running.wait()
        await user.ask("upload without a length", begin + chunk * 64 + b"0\r\n\r\n")
        await user.ask("delete it", user.send("DELETE", "/dav/data/outputs/long.txt"))
        await asyncio.sleep(20)


async def files_come_and_go(data_dir: Path, bad: Sequence[BadFile], chance: random.Random) -> None:
    """Several bad files lie in the folders of models at any time, and change."""
    there: list[bytes] = []
    while True:
        try:
            folder = data_dir / chance.choice(FOLDERS)
            there.append(chance.choice(bad).write_into(folder))
        except OSError:  # the disk is full, or the folder is being made
            await asyncio.sleep(1)
        while len(there) > 12:
            remove_file(there.pop(0))
        await asyncio.sleep(2)


async def fill_and_free(disk: SmallDisk) -> None:
    """Fill the disk for a while, free it for a while."""
    try:
        while True:
            await asyncio.sleep(FREE)
            await asyncio.to_thread(disk.fill)
            await asyncio.sleep(FULL)
            disk.free()
    finally:
        disk.free()
