"""``easel worker``: the process that owns the weights of one device.

It alone imports torch, and never Flask.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from filebrowser.watch.watcher import Watcher
from generator.errors import ModelNotFound
from generator.hooks import Listener
from generator.models.placement import Placement
from generator.models.read_ahead import read_ahead
from generator.models.registry import Registry
from generator.models.residency import GIGABYTE, MemoryLimits, ram_headroom_of
from generator.models.safetensors_cache import delete_stale
from generator.request import GenerationRequest
from plugins.api import Side
from plugins.engine_listener import PluginListener
from webapp.logs import start_log
from webapp.plugins.model_registry import converted_folder, registry_of
from webapp.plugins.plugin_factory import create_host, read_choice
from webapp.process_tree import COLD_START_VARIABLE, die_with_supervisor
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.dead_workers import release_dead_workers
from webapp.queues.errors import QueueError
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import Config, parse_with_secrets
from webapp.settings.data_dir import CannotUse, open_store, queue_file, styles_files
from webapp.settings.devices import DeviceMissing, check_devices, resolve_devices
from webapp.settings.option_store import options_of
from webapp.settings.secret_flags import overwrite_secrets, remove_secrets
from webapp.version import VERSION
from webapp.worker.expected_pace import ExpectedPace
from webapp.worker.hang_guard import HangGuard
from webapp.worker.heartbeat import process_memory
from webapp.worker.joining import (
    CannotJoin,
    Membership,
    check_queue,
    is_joining,
    join_folder,
)
from webapp.worker.loop import Worker, WorkerPlugins, WorkerSettings
from webapp.worker.progress_mark import inherit_mark
from webapp.worker.user_workspaces import UserWorkspaces
from webapp.worker.warm_up import warm_up_request

if TYPE_CHECKING:
    from generator.engine import Engine

HELP = """easel worker --data-dir DIR [--queue-url URL] [--device cuda:N] [flags]

One more worker for a running service, on its machine or another that mounts its data
directory (docs/workers.md). Of the flags (docs/flags.md) it takes those of its device, of
folders of models, --cache-dir, --watch, --log-json and --time-log; what callers get is as the
service's own flags say.
"""
MEMORY_POOLS = (
    ("active", "_bytes"),
    ("allocated", "_bytes"),
    ("reserved", "_bytes"),
    ("inactive", "_split_bytes"),
)
"""Parts of a CUDA device's memory, with what torch's names add to them."""
CPU_NICENESS = 5
"""Niceness of a worker that draws on the CPU: where all cores draw, the web process goes first."""


def use_threads(threads: int) -> None:
    """Let torch use ``threads`` cores, all that this process may use where it is 0."""
    count = threads or len(os.sched_getaffinity(0))
    os.environ.setdefault("OMP_NUM_THREADS", str(count))  # read when torch is imported
    import torch  # after the line above

    torch.set_num_threads(count)


def engine_of(config: Config, registry: Registry, device: str, listener: Listener) -> "Engine":
    """The engine of one device as the flags describe it; imports torch, which takes seconds."""
    from generator.engine import Engine  # torch: after OMP_NUM_THREADS is set

    return Engine(
        registry,
        device,
        half=config.half,
        check_nan=config.check_nan,
        styles_files=styles_files(config),
        listener=listener,
        most_megapixel_steps=config.max_job_megapixel_steps,
        memory=memory_limits(config),
        codeformer=config.codeformer,
        step_batching=config.max_joint_jobs > 1,
    )


def memory_limits(config: Config) -> MemoryLimits:
    """What the flags let weights take."""
    return MemoryLimits(
        vram_budget=config.vram_budget * GIGABYTE or None,
        ram_reserved=config.min_ram_reserved * GIGABYTE or None,
        dynamic=config.sd_dynamic_cache,
        placement=Placement(config.placement),
    )


def device_memory(device: str) -> dict[str, int]:
    """Memory statistics of a CUDA device, in bytes and counts; {} for other devices.

    The names are torch's, with dots and ``all`` left out: ``allocated_current``, ``oom``.
    """
    if not device.startswith("cuda"):
        return {}
    import torch  # the worker alone may

    stats = torch.cuda.memory_stats(device)
    free, total = torch.cuda.mem_get_info(device)
    spans = {
        f"{pool}_{moment}": stats.get(f"{pool}{infix}.all.{moment}", 0)
        for pool, infix in MEMORY_POOLS
        for moment in ("current", "peak")
    }
    events = {"retries": stats.get("num_alloc_retries", 0), "oom": stats.get("num_ooms", 0)}
    return {"device_free": free, "device_total": total, **spans, **events}


def selected_checkpoint(config: Config, registry: Registry) -> str:
    """The checkpoint that the options name, "" for the registry's first."""
    name = str(options_of(config).get().get("sd_model_checkpoint") or "")
    try:
        return registry.find_chosen(name).name if name else ""
    except ModelNotFound:
        return ""


def initial_warm_up(
    config: Config, registry: Registry, log: logging.Logger
) -> GenerationRequest | None:
    """What loads the chosen checkpoint ahead; None where workers have died of that."""
    if COLD_START_VARIABLE in os.environ:
        log.warning("Workers ended without a job; no checkpoint is loaded ahead this time.")
        return None
    return warm_up_request(selected_checkpoint(config, registry))


def open_queue(
    config: Config, joins: bool, log: logging.Logger
) -> tuple[Config, QueueStore, Membership | None]:
    """The queue of a worker, and the configuration that it works by.

    ``joins``: no supervisor has checked for it what it was started with. Raises ``CannotJoin``.
    """
    if not joins:
        return config, open_store(config, log), None
    joining = join_folder(config, queue_file(config))
    store = open_store(joining.config, log)
    try:
        check_queue(store, joining.facts, time.time())
    except BaseException:
        store.close()
        raise
    release_dead_workers(store, log)
    return joining.config, store, Membership(store, joining.facts)


def device_of(config: Config, log: logging.Logger) -> str:
    """The one device of this process. Raises ``CannotJoin``, ``DeviceMissing``.

    A supervisor names it; ``auto`` is the first that is there.
    """
    devices = resolve_devices(config.device)
    check_devices(devices)
    if len(devices) > 1 and config.device != "auto":
        raise CannotJoin(
            f"A worker has one device, not {config.device}: start one worker for each of them."
        )
    if len(devices) > 1:
        log.info("this worker has %s; start others for %s", devices[0], ", ".join(devices[1:]))
    return devices[0]


def main(words: Sequence[str]) -> int:
    """``easel worker --device cpu``: work until a signal; the exit code."""
    die_with_supervisor()
    if {"--help", "-h"} & set(words):
        print(HELP, end="")
        return 0
    config = parse_with_secrets(words)
    overwrite_secrets(words, os.environ)  # of one that was started by hand
    remove_secrets(os.environ)
    log = start_log(config.log_json).getChild("worker")
    joins = is_joining()
    try:
        device = device_of(config, log)
        if device == "cpu":
            os.nice(CPU_NICENESS)
        config, store, membership = open_queue(config, joins, log)
    except (CannotJoin, DeviceMissing) as error:
        log.error("%s", error)
        return 1
    except (CannotUse, QueueError, OSError, sqlite3.Error) as error:
        log.error("The queue of %s cannot be opened: %s", config.data_dir, error)
        return 1
    code = work(config, device, store, membership, log)
    store.close()
    logging.shutdown()
    os._exit(code)  # everything is stored; taking torch apart in order would take seconds


def work(
    config: Config,
    device: str,
    store: QueueStore,
    membership: Membership | None,
    log: logging.Logger,
) -> int:
    """Load plugins and engine and work until a signal; the exit code."""
    worker_id, joined = WorkerId.of_process(device), membership is not None
    state = WorkerState(worker_id, "starting", "", "", time.time(), version=VERSION, joined=joined)
    try:
        store.record_heartbeat(state)
    except (QueueError, sqlite3.Error) as error:
        log.warning("no heartbeat: %s", error)
    registry = registry_of(config)
    delete_stale(converted_folder(config))
    options = options_of(config)
    use_threads(config.threads)  # plugins may import torch
    host = create_host(Side.WORKER, config, options, log, may_leave=True)
    engine = engine_of(config, registry, device, PluginListener(host))
    settings = WorkerSettings(
        config.data_dir,
        warm_up=initial_warm_up(config, registry, log),
        time_log=config.time_log,
        measure=lambda: {**process_memory(), **device_memory(device)},
        catch_up=registry.catch_up,
        find_workspace=UserWorkspaces(config, registry, engine).find,
        shared_plugins=config.root_extensions,
        read_ahead=lambda name, is_cancelled: read_ahead(
            registry.find_checkpoint(name), ram_headroom_of(memory_limits(config)), is_cancelled
        ),
        models_folder=str(config.models_folder),
        joined=joined,
        reason_to_leave=membership.reason_to_leave if membership else lambda: "",
        max_joint_jobs=config.max_joint_jobs if engine.shares_calls else 1,
        turn=engine.turn,
    )
    plugins = WorkerPlugins(
        host, lambda: read_choice(config, options.get(), options.enabled_plugins())
    )
    pace = ExpectedPace(HangGuard() if joined else inherit_mark(), config.worker_hang_seconds)
    worker = Worker(worker_id, store, engine, settings, plugins, pace, log)
    worker.shutdown.listen_to_signals()
    # Each job tells which models its caller knew. Watching finds them before, so that no job has to
    # wait until all folders have been looked at again.
    Watcher(registry.folders.all(), config.watch, lambda _: registry.refresh()).start()
    return worker.run()
