"""A light client: ``python -m benchmarks.upload_client METHOD URL BYTES [HEADER:VALUE ...]``.

Sends zeros, or throws away what comes; prints the seconds it took, from the first byte of the
request to the last of the answer. A process of its own, so that it shares no lock with others.
"""

import http.client
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

BLOCK = 1 << 20  # bytes


def zero_blocks(size: int) -> Iterator[bytes]:
    """``size`` bytes of zeros."""
    zeros = bytes(BLOCK)
    for _ in range(size // BLOCK):
        yield zeros
    if size % BLOCK:
        yield zeros[: size % BLOCK]


def time_request(method: str, url: str, size: int, headers: dict[str, str]) -> float:
    """Seconds of one request. Raises ``RuntimeError`` for an answer that is none of 2xx."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=600, blocksize=BLOCK)
    body = None if method == "GET" else zero_blocks(size)
    if body is not None:
        headers = {**headers, "Content-Length": str(size)}
    begun = time.perf_counter()
    connection.request(method, f"{parts.path}?{parts.query}", body=body, headers=headers)
    answer = connection.getresponse()
    room, got = memoryview(bytearray(BLOCK)), 0
    while count := answer.readinto(room):
        got += count
    took = time.perf_counter() - begun
    if answer.status // 100 != 2 or (method == "GET" and got != size):
        raise RuntimeError(f"{method} {url}: {answer.status}, {got} bytes")
    connection.close()
    return took


def main() -> None:
    """Ask as the command line says."""
    method, url, size, *rest = sys.argv[1:]
    headers = dict(word.split(":", 1) for word in rest)
    print(time_request(method.upper(), url, int(size), headers))


if __name__ == "__main__":
    main()
