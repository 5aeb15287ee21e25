"""``easel worker``: the process that owns the weights of one device.

It alone imports torch, and never Flask.
"""

import logging
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from filebrowser.watcher import Watcher
from generator.models.registry import Registry
from generator.request import GenerationRequest, Sampling, Seeds, Snapshot
from webapp.config import Config, parse
from webapp.family import die_with_supervisor, worker_name
from webapp.logs import start_log
from webapp.places import open_store, styles_files
from webapp.queues.contracts import WorkerState
from webapp.settings import options_of
from webapp.shelves import registry_of
from webapp.workloop import Worker

if TYPE_CHECKING:
    from generator.engine import Engine


def first_job(checkpoint: str) -> GenerationRequest:
    """The smallest picture: draws in no time, and leaves the checkpoint in memory."""
    return GenerationRequest(
        "",
        Seeds(1),
        sampling=Sampling(steps=1),
        width=64,
        height=64,
        checkpoint=checkpoint,
        options=Snapshot(live_previews_enable=False),
    )


def use_threads(threads: int) -> None:
    """Let torch use ``threads`` cores, all that this process may use where it is 0."""
    count = threads or len(os.sched_getaffinity(0))
    os.environ.setdefault("OMP_NUM_THREADS", str(count))  # read when torch is imported
    import torch  # after the line above

    torch.set_num_threads(count)


def engine_of(config: Config, registry: Registry, device: str) -> "Engine":
    """The engine of one device as the flags describe it; imports torch, which takes seconds."""
    use_threads(config.threads)
    from generator.engine import Engine  # torch: after OMP_NUM_THREADS is set

    return Engine(
        registry,
        device,
        half=config.half,
        check_nan=config.check_nan,
        styles_files=styles_files(config),
    )


def chosen(config: Config) -> str:
    """The checkpoint that the options name, "" for the registry's first."""
    return str(options_of(config).get().get("sd_model_checkpoint") or "")


def main(words: Sequence[str]) -> int:
    """``easel worker --device cpu``: work until a signal; the exit code."""
    die_with_supervisor()
    config = parse(words)
    log = start_log(config.log_json).getChild("worker")
    device = "cpu" if config.device == "auto" else config.device
    store = open_store(config, log)
    name = worker_name(device, os.getpid())
    store.heartbeat(WorkerState(name, os.getpid(), "starting", "", "", time.time()))
    registry = registry_of(config)
    engine = engine_of(config, registry, device)
    worker = Worker(
        name, store, store, engine, config.data_dir, warm_up=first_job(chosen(config)), log=log
    )
    worker.listen_to_signals()
    # A name that is missing is looked for on the disk anyway; what no request names (embeddings, a
    # VAE that lies beside its checkpoint) is noticed only by watching.
    Watcher(registry.folders.all(), config.watch, lambda _: registry.refresh()).start()
    code = worker.run()
    store.close()
    logging.shutdown()
    os._exit(code)  # everything is stored; taking torch apart in order would take seconds
