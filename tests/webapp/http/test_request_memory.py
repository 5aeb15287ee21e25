"""Memory that requests may take in the web process, at its real doors."""

import base64
import http.client
import json
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.wait import TIMEOUT, wait_until
from tests.webapp.web_process import WebProcess, web_process

WIDTH, HEIGHT = 16383, 4095  # 268 MB once decoded
MIB = 2**20


def large_png() -> bytes:
    """A black RGB picture, made without the memory that it takes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    packer, row = zlib.compressobj(1), bytes(1 + 3 * WIDTH)
    pixels = b"".join([*(packer.compress(row) for _ in range(HEIGHT)), packer.flush()])
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", pixels),
            chunk(b"IEND", b""),
        ]
    )


@pytest.fixture(scope="module")
def large() -> bytes:
    return large_png()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, large: bytes) -> Iterator[WebProcess]:
    data_dir = tmp_path_factory.mktemp("memory")
    (data_dir / "outputs").mkdir()
    for number in range(2):
        (data_dir / "outputs" / f"{number}.png").write_bytes(large)
    with web_process(data_dir, "--body-budget", "16M") as running:
        yield running


def post(server: WebProcess, path: str, body: bytes) -> tuple[int, bytes, str | None]:
    """Status, body and Retry-After."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Retry-After")
    finally:
        connection.close()


def get(server: WebProcess, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def peak(server: WebProcess) -> int:
    """The most memory that the serving process had since :func:`forget_peak`, in bytes."""
    with open(f"/proc/{server.serving.pid}/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def forget_peak(server: WebProcess) -> None:
    with open(f"/proc/{server.serving.pid}/clear_refs", "w") as file:
        file.write("5")


def test_ten_large_pictures_at_once(server: WebProcess, large: bytes) -> None:
    text = base64.b64encode(large).decode()
    asked = [
        *[("/sdapi/v1/png-info", {"image": text})] * 4,
        *[("/sdapi/v1/interrogate", {"image": text, "model": "none"})] * 2,
        *[("/sdapi/v1/img2img", {"init_images": [text], "mask": "no picture"})] * 2,
        *[("/controlnet/detect", {"controlnet_input_images": [text, "no picture"]})] * 2,
    ]
    forget_peak(server)
    with ThreadPoolExecutor(14) as threads:
        posted = [threads.submit(post, server, p, json.dumps(b).encode()) for p, b in asked]
        small = [
            threads.submit(get, server, f"/api/files/thumbnail?path=/data/outputs/{n}.png&size=256")
            for n in range(2)
        ]
        answers = [each.result() for each in posted]
        assert {each.result() for each in small} <= {200, 503}
    assert {status for status, _, _ in answers} <= {200, 404, 422, 503}
    assert any(status == 200 for status, _, _ in answers[:4])
    assert all(wait for status, _, wait in answers if status == 503)
    assert peak(server) < 900 * MIB
    assert get(server, "/healthz") == 200


@pytest.mark.parametrize("unit", ["{},", "[],", "0,", '"",'])
def test_json_of_too_many_values_is_refused_unread(server: WebProcess, unit: str) -> None:
    body = f'{{"a":[{unit * 1_500_000}0]}}'.encode()
    forget_peak(server)
    status, told, _ = post(server, "/sdapi/v1/txt2img", body)
    assert status == 413, told
    assert b"values" in told
    assert peak(server) < 400 * MIB


PNG_INFO = "/sdapi/v1/png-info"


def is_503(answer: tuple[int, bytes, str | None]) -> bool:
    return answer[0] == 503


def test_bodies_share_their_memory(server: WebProcess) -> None:
    """One that is being read holds 15 of 16 MiB: others wait and get 503, small ones do not."""
    holder = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    holder.putrequest("POST", "/sdapi/v1/png-info")
    holder.putheader("Content-Length", str(15 * MIB))
    holder.endheaders(b'{"image": "')
    try:
        assert get(server, "/healthz") == 200
        large = b'{"image":"' + b"A" * 4 * MIB
        refused = wait_until(lambda: next(filter(is_503, [post(server, PNG_INFO, large)]), None))
        assert refused[2]  # Retry-After
        assert post(server, "/sdapi/v1/interrupt", b"{}")[0] == 200
    finally:
        holder.close()
    status, told, _ = post(server, "/sdapi/v1/png-info", b'{"image":"' + b"A" * 2 * MIB + b'"}')
    assert status == 422, told  # the memory is free again; the picture is none


def test_a_picture_that_never_fits_is_refused_by_its_header(server: WebProcess) -> None:
    """WebP takes sixteen bytes a pixel while it is decoded; its size stands in its header."""
    bits = 1 << 28 | (9000 - 1) << 14 | (4000 - 1)
    frame = b"\x2f" + struct.pack("<I", bits) + bytes(64)
    chunk = b"VP8L" + struct.pack("<I", len(frame)) + frame + b"\0" * (len(frame) % 2)
    file = b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    body = json.dumps({"image": base64.b64encode(file).decode()}).encode()
    forget_peak(server)
    status, told, _ = post(server, "/sdapi/v1/png-info", body)
    assert status == 422
    assert b"--decode-budget" in told, told
    assert peak(server) < 400 * MIB
