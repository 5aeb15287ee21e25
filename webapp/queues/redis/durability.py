"""Whether a server keeps what it is told: its version, its log on disk, and what it may drop."""

import logging
from collections.abc import Mapping
from typing import Any

from redis import exceptions as errors

from webapp.queues.redis.server import PREFIX, RedisServer

OLDEST_VERSION = (7, 0)
LAYOUT = 1  # of the keys; grows when another Easel could not read them
LAYOUT_KEY = f"{PREFIX}layout"
ALWAYS = "appendfsync always"
REMEDY = "Set appendonly yes and appendfsync always (docs/queue.md, engines)."


class ServerUnfit(Exception):
    """The server cannot hold a queue at all; the text says why."""


def check_server(server: RedisServer) -> list[str]:
    """What is unsafe about a server, a sentence each. Raises ``StoreUnavailable``, ``ServerUnfit``.

    A server that does not tell its settings (as managed ones) is warned of, too.
    """
    with server.explain_errors():
        check_version(server.name, server.client.info("server"))
        check_layout(server.name, server.client.set(LAYOUT_KEY, LAYOUT, nx=True, get=True))
        persistence = server.client.info("persistence")
        try:
            settings: Any = server.client.config_get("appendfsync", "maxmemory-policy")
        except errors.ResponseError:
            settings = {}
    return [
        f"The queue's server {server.name} {each}" for each in find_risks(persistence, settings)
    ]


def check_version(name: str, info: Mapping[str, Any]) -> None:
    """Raise ``ServerUnfit`` for a server that is too old."""
    version = str(info.get("redis_version", "0"))  # Valkey tells the Redis that it is like
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_VERSION:
        raise ServerUnfit(
            f"The queue's server {name} is version {version}; the queue takes Redis 7.0 or newer, "
            "or Valkey."
        )


def check_layout(name: str, found: Any) -> None:
    """Raise ``ServerUnfit`` for keys of an Easel that keeps its queue otherwise; None: none yet."""
    if found is not None and int(found) != LAYOUT:
        raise ServerUnfit(
            f"The queue in {name} is of another version of Easel (layout {int(found)}, not "
            f"{LAYOUT}). Name another database of that server, or run the Easel that it belongs to."
        )


def find_risks(persistence: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """What may be lost, from ``INFO persistence`` and ``CONFIG GET``."""
    risks = []
    fsync, policy = settings.get("appendfsync"), settings.get("maxmemory-policy")
    if not persistence.get("aof_enabled"):
        risks.append(
            "keeps no log on disk: what waits is lost when it ends, or since its last copy. "
            f"{REMEDY}"
        )
    elif fsync is None:
        risks.append(f"does not tell how it writes its log; be sure of {ALWAYS}.")
    elif fsync != "always":
        lost = "the last second" if fsync == "everysec" else "what the system had not written"
        risks.append(f"has appendfsync {fsync}: a power cut loses {lost} of the queue. {REMEDY}")
    if policy not in (None, "noeviction"):
        risks.append(
            f"has maxmemory-policy {policy}: where memory is short it drops requests that wait. "
            "Set maxmemory-policy noeviction."
        )
    return risks


def log_risks(server: RedisServer, log: logging.Logger) -> None:
    """Warn of what is unsafe. Raises as :func:`check_server`."""
    for sentence in check_server(server):
        log.warning("%s", sentence)
