"""Easels that answer on a port of this machine, for clients that bring their own HTTP."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.models.registry import Folders, Registry
from tests.conftest import ROOT
from tests.parity.service import Service, run_service
from tests.webapp.app_server import serve_app
from webapp.settings.config import Config

CHECKPOINT = ROOT / "generator/default_checkpoint/easel-default.safetensors"


@contextmanager
def serve_easel(data_dir: Path, *, plugged: bool = False) -> Iterator[tuple[Service, str]]:
    """A whole Easel that draws with the default checkpoint, and its address.

    ``plugged``: its worker has plugins, too.
    """
    models = data_dir / "models/Stable-diffusion"
    models.mkdir(parents=True)
    shutil.copy2(CHECKPOINT, models)
    shutil.copy2(CHECKPOINT, models / "second.safetensors")
    (data_dir / "styles.csv").write_text("name,prompt,negative_prompt\nink,ink of {prompt},\n")
    config = Config(data_dir, filebrowser=False) if plugged else None
    with (
        run_service(data_dir, Registry(Folders.under(data_dir)), config) as service,
        serve_app(service.client.application) as url,
    ):
        yield service, url
