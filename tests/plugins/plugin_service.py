"""A service in the test's process with a plugin on its web side and its worker's."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from PIL import Image

from generator.engine import Engine
from generator.pictures.base64_images import read_base64
from plugins.api import Side
from plugins.engine_listener import PluginListener
from plugins.host import Choice, Host
from tests.plugins.plugin_files import VERSION
from tests.service_factory import make_services
from webapp.app import create_app
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import Config
from webapp.settings.option_store import OptionStore
from webapp.worker.loop import Worker, WorkerPlugins, WorkerSettings

WEB = """
from plugins.api import Metric, Part, Reply, Route, Slot

@hook
def choices():
    return {"samplers": ["Leap", "Broken"], "schedules": ["Straight", "Rising"],
            "upscalers": ["Mirror"]}

@hook
def routes():
    return [Route("/ping", lambda ask: Reply("pong"))]

@hook
def parts():
    return [Part(Slot.TAB, "Leap", module="tab.js")]

@hook
def metrics():
    return [Metric("leaps", "Leaps", lambda: {("far",): 3}, labels=("kind",), counter=True),
            Metric("bad", "Fails", lambda: 1 / 0)]
"""

WORKER = """
import torch
from PIL import ImageOps

def leap(denoise, x, sigmas, draw):
    for i in range(len(sigmas) - 1):
        estimate = denoise(x, sigmas[i] * x.new_ones([len(x)]))
        x = estimate + (x - estimate) * sigmas[i + 1] / sigmas[i]
    return x

def broken(denoise, x, sigmas, draw):
    raise RuntimeError("no leap")

def straight(steps, low, high):
    return torch.cat([torch.linspace(high, low, steps), torch.zeros(1)])

def mirror(image, scale):
    width, height = (int(side * scale) // 8 * 8 for side in image.size)
    return ImageOps.mirror(image).resize((width, height))

@hook
def tools():
    return {"samplers": {"Leap": leap, "Broken": broken, "Euler": broken},
            "schedules": {"Straight": straight, "Rising": lambda n, *_: torch.arange(n + 1.)},
            "upscalers": {"Mirror": mirror}}
"""

SMALL = {"prompt": "a", "width": 64, "height": 64, "steps": 4, "seed": 3}


@contextmanager
def start_service(data_dir: Path, registry: Any) -> Iterator[FlaskClient]:
    """An Easel with its plugins on both sides."""
    config, log = Config(data_dir, filebrowser=False), logging.getLogger("easel")
    config.easel_dir.mkdir()
    store, options = (
        SqliteStore(config.easel_dir / "queue.db"),
        OptionStore(data_dir / "config.json"),
    )
    options.update({"live_previews_enable": False})
    host = Host(Side.WORKER, data_dir, VERSION, options.plugin_settings, log)
    host.load(Choice())
    engine = Engine(registry, listener=PluginListener(host))
    services = make_services(config, store, registry, options)
    worker = Worker(
        WorkerId.parse("cpu@t:1"), store, engine, WorkerSettings(data_dir), WorkerPlugins(host)
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield create_app(services).test_client()
    finally:
        worker.shutdown.draining.set()
        thread.join()
        services.close()
        store.close()


def draw_small(client: FlaskClient, **changes: Any) -> Any:
    """The answer to a small request."""
    return client.post("/sdapi/v1/txt2img", json={**SMALL, **changes})


def first(answer: Any) -> Image.Image:
    """The first picture."""
    return read_base64(answer.get_json()["images"][0])
