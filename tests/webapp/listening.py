"""Easels that answer on a port of this machine, for clients that bring their own HTTP."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from generator.models.registry import Folders, Registry
from tests.conftest import ROOT
from tests.parity.service import Service, working

CHECKPOINT = ROOT / "generator/default_checkpoint/easel-default.safetensors"


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """The address, without a slash at its end, under which an app answers."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def painting(data_dir: Path) -> Iterator[tuple[Service, str]]:
    """A whole Easel that draws with the default checkpoint, and its address."""
    models = data_dir / "models/Stable-diffusion"
    models.mkdir(parents=True)
    shutil.copy2(CHECKPOINT, models)
    shutil.copy2(CHECKPOINT, models / "second.safetensors")
    (data_dir / "styles.csv").write_text("name,prompt,negative_prompt\nink,ink of {prompt},\n")
    with (
        working(data_dir, Registry(Folders.under(data_dir))) as service,
        listening(service.client.application) as url,
    ):
        yield service, url
