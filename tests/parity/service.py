"""A whole Easel in one process, over the goldens' models: doors, queue, worker, engine."""

import json
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from generator.engine import Engine
from generator.models.registry import Folders, HashCache, ModelKind, Registry
from plugins.api import Side
from plugins.engine_listener import PluginListener
from tests.service_factory import make_services
from webapp.app import create_app
from webapp.plugins.plugin_factory import create_host
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import Config
from webapp.settings.option_store import OptionStore
from webapp.worker.loop import Worker, WorkerPlugins, WorkerSettings

MODEL_FOLDERS = {
    "tinysd15.safetensors": "models/Stable-diffusion",
    "tinysd15.yaml": "models/Stable-diffusion",
    "tinysd15b.yaml": "models/Stable-diffusion",
    "tinylora.safetensors": "models/Lora",
    "tinylocon.safetensors": "models/Lora",
    "tinyloha.safetensors": "models/Lora",
    "tinylokr.safetensors": "models/Lora",
    "tinyvae.safetensors": "models/VAE",
    "tiny_control_canny.safetensors": "models/ControlNet",
    "tinyemb.safetensors": "embeddings",
    "tinyembpt.pt": "embeddings",
    "tinyhyper.pt": "models/hypernetworks",
    "styles.csv": ".",
}


@dataclass(frozen=True)
class ServiceReply:
    """An HTTP answer; ``body`` is what its JSON holds."""

    status: int
    body: Any


@dataclass(frozen=True)
class Service:
    """A running Easel; :meth:`post` asks it."""

    client: FlaskClient
    engine: Engine
    registry: Registry
    options: OptionStore
    data_dir: Path

    def post(self, path: str, body: object) -> ServiceReply:
        """Send JSON and wait for the answer."""
        client = self.client.application.test_client()  # for this thread
        answer = client.post(path, json=body)
        return ServiceReply(answer.status_code, answer.get_json())


def copy_models(goldens: Path, data_dir: Path) -> Registry:
    """Copy the goldens' models into a data directory, hashes known; what is there now."""
    source = goldens / "checkpoint"
    for name, place in MODEL_FOLDERS.items():
        (data_dir / place).mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, data_dir / place / name)
    second = data_dir / "models/Stable-diffusion/tinysd15b.safetensors"
    subprocess.run([sys.executable, source / "make_tinysd15b.py", second], check=True)
    registry = Registry(Folders.under(data_dir), HashCache(data_dir / "hashes.db"))
    for kind in (ModelKind.CHECKPOINT, ModelKind.CONTROLNET):
        for file in registry.index.files_of(kind):
            registry.ensure_hashes(file)
    return registry


def build_engine(goldens: Path, data_dir: Path) -> Engine:
    """An engine over a data directory that holds the goldens' models."""
    return Engine(copy_models(goldens, data_dir), styles_files=[data_dir / "styles.csv"])


@contextmanager
def run_with_goldens(goldens: Path, data_dir: Path, max_joint_jobs: int = 1) -> Iterator[Service]:
    """An Easel with the options that were in force at the recording, previews aside."""
    registry = copy_models(goldens, data_dir)
    recorded = json.loads((goldens / "checkpoint" / "config.json").read_text("utf-8"))
    changed = {**recorded, "live_previews_enable": False}
    (data_dir / "config.json").write_text(json.dumps(changed), "utf-8")
    with run_service(data_dir, registry, max_joint_jobs=max_joint_jobs) as running:
        yield running


@contextmanager
def run_service(
    data_dir: Path, registry: Registry, config: Config | None = None, max_joint_jobs: int = 1
) -> Iterator[Service]:
    """An Easel over what lies in a data directory, a worker beside it.

    With a ``config`` of the caller's the worker has plugins, and there may be a file browser. As
    one in another process, it has an index of the models of its own; it watches nothing.
    """
    has_plugins, config = config is not None, config or Config(data_dir, filebrowser=False)
    config.easel_dir.mkdir()
    store = SqliteStore(config.easel_dir / "queue.db")
    options = OptionStore(data_dir / "config.json")
    log = logging.getLogger("easel")
    host = create_host(Side.WORKER, config, options, log) if has_plugins else None
    listener = PluginListener(host) if host else None
    models = Registry(registry.folders, registry.hash_cache)
    engine = Engine(
        models,
        styles_files=[data_dir / "styles.csv"],
        listener=listener,
        step_batching=max_joint_jobs > 1,
    )
    services = make_services(config, store, registry, options)
    worker = Worker(
        WorkerId.parse("cpu@parity:1"),
        store,
        engine,
        WorkerSettings(
            data_dir,
            catch_up=models.catch_up,
            max_joint_jobs=max_joint_jobs,
            turn=engine.turn,
        ),
        WorkerPlugins(host),
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        client = create_app(services).test_client()
        yield Service(client, engine, registry, options, data_dir)
    finally:
        worker.shutdown.draining.set()
        thread.join()
        services.close()
        store.close()
