"""Facts of machine and service for bug reports, without secrets."""

import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path

from flask import Blueprint, Response, jsonify
from typing_extensions import TypedDict

from filebrowser.disposition import content_disposition
from generator.model_tools.report import list_unreadable
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.flag_values import flags_json
from webapp.routes.machine import read_meminfo
from webapp.routes.model_entries import CheckpointKind, checkpoint_kinds_json
from webapp.services import Services
from webapp.settings.options_table import OPTIONS
from webapp.version import VERSION

CPUINFO = Path("/proc/cpuinfo")
STAT, UPTIME = Path("/proc/self/stat"), Path("/proc/uptime")
START_TIME = 19  # of /proc/self/stat's fields after the name: ticks from boot to this process


class StartupTimes(TypedDict):
    """Seconds until the web process was ready."""

    total: float
    records: dict[str, float]


class OptionHint(TypedDict):
    """An option by its name, and in words."""

    name: str
    label: str


class RejectedFile(TypedDict):
    """A model file that is in no list, and why."""

    file: str
    reason: str


def blueprint(services: Services) -> Blueprint:
    """The routes; made when the web process is ready, which is what profile-startup tells."""
    facts = Blueprint("machine_facts", __name__, url_prefix="/internal")
    startup_seconds = process_age()

    @facts.get("/profile-startup")
    @requires(AccessScope.READ)
    @with_note(RouteNote("How long the web process took to start", answer=StartupTimes))
    def profile() -> Response:
        """Seconds; the workers load their weights meanwhile and are not counted."""
        return jsonify({"total": startup_seconds, "records": {"web process": startup_seconds}})

    @facts.get("/quicksettings-hint")
    @requires(AccessScope.READ)
    @with_note(RouteNote("The names of the options", answer=list[OptionHint]))
    def hint() -> Response:
        """Every option by its name, and in words."""
        return jsonify(
            [{"name": o.name, "label": o.name.replace("_", " ").capitalize()} for o in OPTIONS]
        )

    @facts.get("/broken-models")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Model files that are in no list, and why", answer=list[RejectedFile]))
    def broken() -> Response:
        """As of the latest look at the folders."""
        return jsonify(broken_models(services))

    @facts.get("/checkpoint-kinds")
    @requires(AccessScope.READ)
    @with_note(RouteNote("What each checkpoint is", answer=list[CheckpointKind]))
    def checkpoint_kinds() -> Response:
        """Family, format of quantised weights, and whether it may be chosen to draw with."""
        return jsonify(checkpoint_kinds_json(services))

    @facts.get("/sysinfo")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Machine, service and options, for a report", answer=dict[str, object]))
    def sysinfo() -> Response:
        """To be read here."""
        return sysinfo_response(services, attachment=False)

    @facts.get("/sysinfo-download")
    @requires(AccessScope.USER)
    @with_note(RouteNote("The same as a file", answer=dict[str, object]))
    def download() -> Response:
        """To be kept."""
        return sysinfo_response(services, attachment=True)

    return facts


def broken_models(services: Services) -> list[RejectedFile]:
    """Files that cannot be used, by their path in the data directory, with the reason."""
    unreadable = list_unreadable(services.registry.index, services.config.data_dir)
    return [{"file": each.file, "reason": each.reason} for each in unreadable]


def process_age() -> float:
    """Seconds since this process was started."""
    ticks = int(STAT.read_text().rpartition(")")[2].split()[START_TIME])
    seconds = float(UPTIME.read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
    return round(max(seconds, 0.0), 3)


def sysinfo_response(services: Services, *, attachment: bool) -> Response:
    """The facts as indented JSON."""
    text = json.dumps(collect_sysinfo(services), indent=4, ensure_ascii=False)
    answer = Response(text, content_type="application/json")
    if attachment:
        name = time.strftime("sysinfo-%Y-%m-%d-%H-%M.json")
        answer.headers["Content-Disposition"] = content_disposition(name)
    return answer


def collect_sysinfo(services: Services) -> dict[str, object]:
    """AUTOMATIC1111's keys where Easel has something to tell under them.

    The command line and the environment are left out: they may hold the token.
    """
    memory = read_meminfo()
    return {
        "Platform": platform.platform(),
        "Python": platform.python_version(),
        "Version": VERSION,
        "Data path": str(services.config.data_dir),
        "Flags": {name: value for name, value in flags_json(services.config).items() if value},
        "CPU": {"model": processor_name(), "count logical": os.cpu_count()},
        "RAM": {"total": memory.get("MemTotal"), "available": memory.get("MemAvailable")},
        "Workers": [
            {"worker": w.id.device, "state": w.state, "memory": dict(w.memory)}
            for w in services.heartbeats.workers()
        ],
        "Extensions": [
            {"name": each.name, "version": each.version, "state": each.state}
            for each in services.plugins.statuses()
        ],
        "Broken models": broken_models(services),
        "Config": services.options.get(),
        "Packages": installed_packages(),
    }


def processor_name() -> str:
    """The processor's name, where the system tells it."""
    for line in CPUINFO.read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def installed_packages() -> list[str]:
    """Everything installed beside Easel, as ``name==version``."""
    distributions = importlib.metadata.distributions()
    return sorted({f"{each.metadata['Name']}=={each.version}" for each in distributions})
