"""Gunicorn workers under many idle, incomplete and waiting connections, with one small app.

``python -m benchmarks.connections``. gevent's worker and the ASGI front are measured where gevent
and asgiref are installed; Easel does not need them. Each worker runs in a process of its own.
"""

import http.client
import importlib.util
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.service import free_port

COUNT = 300  # connections of each kind
PINGS = 20  # times that ``/healthz`` is asked
TIMEOUT = 3.0  # seconds
THREADS = 200
HEAD = b"Host: localhost\r\n"
KINDS = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost:",
    "half a form": b"POST /form HTTP/1.1\r\n" + HEAD + b"Content-Length: 9\r\n\r\nx",
    "open after the end": b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n",
    "waiting draws": b"GET /wait HTTP/1.1\r\n" + HEAD + b"\r\n",
}
NEEDED_PACKAGES = {"gevent": "gevent", "asgi": "asgiref"}
WORKERS = ("gthread", "gevent", "asgi", "easel")


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answers at once, reads a form, or waits as a draw does."""
    if environ["PATH_INFO"] == "/wait":
        threading.Event().wait(60)
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def serve(worker: str, port: int) -> None:
    """Run the toy app under one of ``WORKERS``; the process's whole life."""
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):
        def load_config(self) -> None:
            for name, value in settings(worker, port).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            if worker != "asgi":
                return app
            from asgiref.wsgi import WsgiToAsgi

            return WsgiToAsgi(app)

    Server().run()


def settings(worker: str, port: int) -> dict[str, Any]:
    """Gunicorn's settings for a worker, with as many threads as a service of 200 may have."""
    common = {"bind": f"127.0.0.1:{port}", "workers": 1, "timeout": 0, "keepalive": 30}
    common |= {"worker_connections": 1000, "loglevel": "critical", "graceful_timeout": 1}
    if worker != "easel":
        return common | {"worker_class": worker, "threads": THREADS}
    from webapp.http.thread_admission import ThreadLimits
    from webapp.processes.web_server import worker_class
    from webapp.processes.web_worker import ConnectionLimits

    most = (
        2 * COUNT + 40
    )  # as webapp.processes.web_server: room for those that wait, and for others beside them
    limits = ConnectionLimits(2000, 1000, ThreadLimits(most, most, 128, 8))
    return common | {"worker_class": worker_class(limits), "threads": most}


@contextmanager
def run_worker(worker: str) -> Iterator[int]:
    """The port of a worker that answers."""
    port = free_port()
    code = f"from benchmarks.connections import serve; serve({worker!r}, {port})"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[1])
    try:
        while time_ping(port) is None:
            if process.poll() is not None:
                raise SystemExit(f"the worker {worker} did not start")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def time_ping(port: int) -> float | None:
    """Seconds of one answer of ``/healthz``; None if it does not come."""
    began = time.perf_counter()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)) as connection:
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            return None
    return time.perf_counter() - began


def time_pings_beside(port: int, sent: bytes) -> list[float | None]:
    """Times of ``/healthz`` while so many connections have sent so much."""
    with ExitStack() as stack:
        for _ in range(COUNT):
            one = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
            stack.callback(one.close)
            one.sendall(sent)
        time.sleep(0.5)
        times: list[float | None] = []
        while len(times) < PINGS and times.count(None) < 3:  # mute is mute
            times.append(time_ping(port))
        return times


def request_rate(port: int, seconds: float = 2.0) -> float:
    """Requests a second on one connection that is kept."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)) as connection:
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            count += 1
    return count / seconds


def format_times(times: list[float | None]) -> str:
    """A cell of the table: median and worst, or that nothing answered."""
    answered = [each for each in times if each is not None]
    if len(answered) < len(times):
        return f"mute ({len(times) - len(answered)} of {len(times)} in {TIMEOUT:.0f} s)"
    return f"{statistics.median(answered) * 1e3:.1f} / {max(answered) * 1e3:.0f}"


def main() -> None:
    """Print the table."""
    print(f"`/healthz` beside {COUNT} connections: median / worst ms\n")
    print("| worker | " + " | ".join(KINDS) + " | requests/s |")
    print("|---" * (len(KINDS) + 2) + "|")
    for worker in WORKERS:
        if worker in NEEDED_PACKAGES and importlib.util.find_spec(NEEDED_PACKAGES[worker]) is None:
            print(f"| {worker} | not installed |")
            continue
        cells = []
        for sent in KINDS.values():
            with run_worker(worker) as port:
                cells.append(format_times(time_pings_beside(port, sent)))
        with run_worker(worker) as port:
            print(
                f"| {worker} | " + " | ".join(cells) + f" | {request_rate(port):.0f} |", flush=True
            )


if __name__ == "__main__":
    main()
