"""Uploads through a real server that is killed, over connections that are cut."""

import hashlib
import json
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.wait import join_thread, retry_after_stalls, wait_until
from tests.webapp.routes.files.tus_client import TusClient
from tests.webapp.web_process import WebProcess, web_process

MIB = 1 << 20
FOLDER = "/data/outputs"
LARGE = int(os.environ.get("EASEL_LARGE_UPLOAD_MB", "1024")) * MIB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    with web_process(tmp_path_factory.mktemp("served"), "--upload-spare=0") as running:
        yield running


@pytest.fixture
def client(server: WebProcess) -> TusClient:
    return TusClient(server.url)


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def published_path(server: WebProcess, name: str) -> Path:
    return server.data_dir / "outputs" / name


def reset(connection: socket.socket) -> None:
    """End a connection as a dead machine's does: no farewell, a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def wait_for_offset(client: TusClient, url: str, least: int) -> None:
    """Until the server tells, without being stopped, that so many bytes came."""
    wait_until(
        lambda: json.loads(client.ask("GET", url)[2])["offset"] >= least,
        message=f"{least} bytes did not come",
    )


def test_a_kill_in_a_large_upload_loses_nothing_that_was_told(
    server: WebProcess, client: TusClient
) -> None:
    url = client.create(LARGE, folder=FOLDER, filename="large.png")
    connection = client.begin_patch(url, 0, LARGE)
    sender = threading.Thread(target=_send, args=(connection, LARGE))
    sender.start()
    wait_for_offset(client, url, LARGE // 3)
    server.kill()
    sender.join()
    server.start()
    offset = client.offset(url)
    assert LARGE // 3 <= offset < LARGE
    assert not published_path(server, "large.png").exists()
    more = {"Content-Length": str(LARGE - offset)}
    assert client.patch(url, offset, blocks(offset, LARGE), **more) == 204
    expected = hashlib.sha256()
    for block in blocks(0, LARGE):
        expected.update(block)
    with published_path(server, "large.png").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").digest() == expected.digest()
    published_path(server, "large.png").unlink()


def blocks(start: int, end: int) -> Iterator[bytes]:
    """The bytes of a large file from ``start`` on, no two blocks of a MiB alike."""
    base = content(MIB)
    while start < end:
        number, inside = divmod(start, MIB)
        block = (number.to_bytes(8, "big") + base[8:])[inside : inside + end - start]
        yield block
        start += len(block)


def _send(connection: socket.socket, size: int) -> None:
    try:
        for block in blocks(0, size):
            connection.sendall(block)
            time.sleep(0.001)
    except OSError:
        pass
    finally:
        connection.close()


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["closed", "reset"])
def test_a_broken_connection_keeps_what_came(
    server: WebProcess, client: TusClient, end: object
) -> None:
    whole = content(3 * MIB)
    url = client.create(len(whole), folder=FOLDER, filename=f"{end.__name__}.png")  # type: ignore[attr-defined]
    connection = client.begin_patch(url, 0, len(whole))
    connection.sendall(whole[: 2 * MIB])
    wait_for_offset(client, url, MIB)
    end(connection)  # type: ignore[operator]
    offset = client.offset(url)
    assert MIB <= offset <= 2 * MIB
    assert client.patch(url, offset, whole[offset:]) == 204
    assert published_path(server, f"{end.__name__}.png").read_bytes() == whole  # type: ignore[attr-defined]


def test_who_has_fallen_silent_makes_way(server: WebProcess, client: TusClient) -> None:
    whole = content(2 * MIB)
    url = client.create(len(whole), folder=FOLDER, filename="silent.png")
    connection = client.begin_patch(url, 0, len(whole))
    connection.sendall(whole[:MIB])
    wait_for_offset(client, url, 100_000)
    offset = client.offset(url)  # the other one neither sends nor ends
    assert offset == MIB
    assert client.patch(url, offset, whole[offset:]) == 204
    assert published_path(server, "silent.png").read_bytes() == whole
    connection.close()


def test_two_tabs_on_one_upload(server: WebProcess, client: TusClient) -> None:
    retry_after_stalls(partial(two_tabs, server, client))


def two_tabs(server: WebProcess, client: TusClient, number: int) -> None:
    whole, name = content(24 * MIB), f"tabs{number}.png"
    url = client.create(len(whole), folder=FOLDER, filename=name)
    seen: list[int] = []

    def tab() -> None:
        while True:
            status, headers, _ = client.ask("HEAD", url)
            if status == 200:
                offset = int(headers["Upload-Offset"])
                if offset == len(whole):
                    return
                piece = whole[offset : offset + 3 * MIB]
                seen.append(client.patch(url, offset, piece))
            else:
                seen.append(status)
            time.sleep(0.01)

    tabs = [threading.Thread(target=tab) for _ in range(2)]
    for one in tabs:
        one.start()
    for one in tabs:
        join_thread(one)
    assert set(seen) <= {204, 409, 423}
    assert seen.count(204) >= 8
    assert published_path(server, name).read_bytes() == whole


def test_the_other_tab_is_told_while_bytes_keep_coming(client: TusClient) -> None:
    retry_after_stalls(partial(told_while_bytes_keep_coming, client))


def told_while_bytes_keep_coming(client: TusClient, number: int) -> None:
    whole = content(2 * MIB)
    url = client.create(len(whole), folder=FOLDER, filename=f"busy{number}.png")
    connection = client.begin_patch(url, 0, len(whole))
    stop = threading.Event()

    def trickle() -> None:
        at = 0
        while not stop.is_set() and at < len(whole):
            connection.sendall(whole[at : at + 1024])
            at += 1024
            time.sleep(0.02)

    sender = threading.Thread(target=trickle)
    sender.start()
    try:
        wait_for_offset(client, url, 1)
        assert client.ask("HEAD", url)[0] == 423
        assert client.patch(url, 0, whole) == 423
    finally:
        stop.set()
        sender.join()
    assert client.ask("DELETE", url)[0] == 204  # who throws it away waits for nobody
    assert client.ask("HEAD", url)[0] == 404
    connection.close()


def test_bodies_longer_than_others_may_be_and_in_chunks(
    server: WebProcess, client: TusClient
) -> None:
    length = 257 * MIB  # the largest body of other routes is 256 MiB
    url = client.create(length, folder=FOLDER, filename="long.png")
    assert client.patch(url, 0, (bytes(MIB) for _ in range(257))) == 204
    assert published_path(server, "long.png").stat().st_size == length
    published_path(server, "long.png").unlink()
    url = client.create(10, folder=FOLDER, filename="chunks.png")
    assert client.patch(url, 0, iter([b"01234", b"56789", b"more"])) == 413
    assert client.offset(url) == 0
    assert client.patch(url, 0, iter([b"01234", b"56789"])) == 204
    assert published_path(server, "chunks.png").read_bytes() == b"0123456789"


def test_a_piece_that_breaks_off_before_its_checksum_could_be_seen(
    server: WebProcess, client: TusClient
) -> None:
    whole = content(MIB)
    url = client.create(len(whole), folder=FOLDER, filename="checked.png")
    digest = "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="
    connection = client.begin_patch(url, 0, len(whole), **{"Upload-Checksum": digest})
    connection.sendall(whole[:200_000])
    wait_for_offset(client, url, 1000)
    server.kill_serving()
    connection.close()
    server.wait()
    assert client.offset(url) == 0


def test_what_was_uploaded_comes_back_in_any_part(server: WebProcess, client: TusClient) -> None:
    whole = content(3 * MIB)
    url = client.create(len(whole), folder=FOLDER, filename="back.png")
    assert client.patch(url, 0, whole) == 204
    path = "/api/files/content?path=/data/outputs/back.png"
    for asked, part in {
        "bytes=0-": whole,
        "bytes=-100": whole[-100:],
        "bytes=1000-2000000": whole[1000:2000001],
    }.items():
        assert client.ask("GET", path, Range=asked)[2] == part
    assert client.ask("HEAD", path)[1]["Content-Length"] == str(len(whole))
    assert client.ask("GET", path)[2] == whole
