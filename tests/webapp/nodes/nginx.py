"""Debian's nginx with the sample of ``deploy/``, started by tests on a port of its own."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.wait import wait_until

SAMPLE = ROOT / "deploy/nginx/easel.conf"
SAMPLE_NODES = ("web1.internal:7860", "web2.internal:7860")
MISSING = "nginx is not here: apt-get install nginx-light"
KINDS_OF_TEMP = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
AROUND = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{ worker_connections 256; }}
http {{ access_log off; {temps} include {folder}/easel.conf; }}
"""


def require_nginx() -> str:
    """The program; skips the test, or those of the fixture, where there is none."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip(MISSING)
    return program


def write_settings(folder: Path, port: int, nodes: Sequence[str]) -> Path:
    """The sample for these nodes, and nginx's settings around it."""
    text = SAMPLE.read_text()
    for named, real in zip(SAMPLE_NODES, nodes, strict=True):
        assert named in text
        text = text.replace(named, real)
    assert "listen 80;" in text
    (folder / "easel.conf").write_text(text.replace("listen 80;", f"listen 127.0.0.1:{port};"))
    temps = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in KINDS_OF_TEMP)
    user = "user root;" if os.geteuid() == 0 else ""
    settings = folder / "nginx.conf"
    settings.write_text(AROUND.format(folder=folder, temps=temps, user=user))
    return settings


@contextmanager
def nginx(program: str, folder: Path, port: int, nodes: Sequence[str]) -> Iterator[str]:
    """One that runs for a block, before these nodes ("host:port"); its address."""
    settings = write_settings(folder, port, nodes)
    with (folder / "out.log").open("wb") as log:
        process = subprocess.Popen([program, "-p", folder, "-c", settings], stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or listens(port), message="no nginx")
        assert process.poll() is None, (folder / "out.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
