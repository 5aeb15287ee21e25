"""Memory of the machine; stop and restart of the service."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from flask import Blueprint, Response, jsonify
from typing_extensions import TypedDict

from plugins.discovery import PluginOrigin
from plugins.plugin_status import State
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.services import Services

MEMINFO = Path("/proc/meminfo")
STATM = Path("/proc/self/statm")


class MemoryFacts(TypedDict):
    """Bytes: of the machine, and of the CUDA devices added up."""

    ram: dict[str, float]
    cuda: dict[str, object]


class ExtensionEntry(TypedDict):
    """A plugin that Easel does not ship."""

    name: str
    remote: str
    branch: str
    commit_hash: str
    version: str
    commit_date: int
    enabled: bool


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("machine", __name__, url_prefix="/sdapi/v1")

    @routes.get("/memory")
    @requires(AccessScope.READ)
    @with_note(
        RouteNote("Memory of the machine and of the service's processes", answer=MemoryFacts)
    )
    def memory() -> Response:
        """``used`` is what this service holds, ``free`` what the system could still give."""
        workers = [dict(worker.memory) for worker in services.heartbeats.workers()]
        meminfo_bytes = read_meminfo()
        page = os.sysconf("SC_PAGE_SIZE")
        own = int(STATM.read_text().split()[1]) * page
        ram = {
            "free": float(meminfo_bytes.get("MemAvailable", 0)),
            "used": own + sum(worker.get("rss", 0) for worker in workers),
            "total": float(meminfo_bytes.get("MemTotal", 0)),
        }
        return jsonify({"ram": ram, "cuda": cuda_memory(workers)})

    @routes.get("/extensions")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Plugins that somebody has brought", answer=list[ExtensionEntry]))
    def extensions() -> Response:
        """Plugins that Easel does not ship; none has a git remote, so those fields are empty."""
        return jsonify(
            [
                {
                    "name": each.name,
                    "remote": "",
                    "branch": "",
                    "commit_hash": "",
                    "version": each.version,
                    "commit_date": 0,
                    "enabled": each.state is State.ON,
                }
                for each in services.plugins.statuses()
                if each.origin is not PluginOrigin.SHIPPED
            ]
        )

    return routes


def cuda_memory(workers: Sequence[Mapping[str, int]]) -> dict[str, object]:
    """The memory of the workers' CUDA devices, added up; each worker has a device of its own."""
    with_device = [worker for worker in workers if "device_total" in worker]
    if not with_device:
        return {"error": "unavailable"}

    def total(name: str) -> int:
        return sum(worker.get(name, 0) for worker in with_device)

    free, capacity = total("device_free"), total("device_total")
    pools = {
        pool: {moment: total(f"{pool}_{moment}") for moment in ("current", "peak")}
        for pool in ("active", "allocated", "reserved", "inactive")
    }
    system = {"free": free, "used": capacity - free, "total": capacity}
    events = {"retries": total("retries"), "oom": total("oom")}
    return {"system": system, **pools, "events": events}


def read_meminfo() -> dict[str, int]:
    """The system's memory in bytes, by the names of ``/proc/meminfo``."""
    rows = (line.split() for line in MEMINFO.read_text().splitlines())
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 2}
