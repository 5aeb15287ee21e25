"""Ended, followed and stopped tasks, known to every web process of the service. No Flask."""

from contextlib import suppress
from typing import Any

from generator.request import Stop
from webapp.queues.errors import QueueError
from webapp.queues.redis.server import PREFIX, RedisServer

KEEP_SECONDS = 3600  # as long as an answer waits for its reader


class SharedTasks:
    """See ``webapp.queues.task_registry.Tasks``. While the server is away nothing is known."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server

    def record_finished(self, owner: str, task: str) -> None:
        """Remember that a task has ended."""
        for name in (f"ended:{task}", f"ended-of:{owner}:{task}"):
            self._set(name, "")

    def has_ended(self, owner: str | None, task: str) -> bool:
        """True if this owner's task, or anybody's for None, has ended lately."""
        name = f"ended:{task}" if owner is None else f"ended-of:{owner}:{task}"
        return self._get(name) is not None

    def follow(self, owner: str, task: str, job: str) -> None:
        """Remember that somebody asks the progress of a job."""
        self._set(f"followed:{job}", "")

    def is_followed(self, job: str) -> bool:
        """Whether somebody has asked the progress of a job."""
        return self._get(f"followed:{job}") is not None

    def record_stop(self, job: str, stop: Stop) -> None:
        """Remember what was asked of a job, for ``GET progress`` to tell."""
        self._set(f"stop:{job}", stop.value)

    def stop_requested(self, job: str) -> Stop:
        """What was last asked of a job."""
        stop = self._get(f"stop:{job}")
        return Stop.NO if stop is None else Stop(stop.decode())

    def _set(self, name: str, value: str) -> None:
        with suppress(QueueError), self.server.explain_errors():
            self.server.client.set(_key(name), value, ex=KEEP_SECONDS)

    def _get(self, name: str) -> bytes | None:
        with suppress(QueueError), self.server.explain_errors():
            value: Any = self.server.client.get(_key(name))
            return bytes(value) if value is not None else None
        return None


def _key(name: str) -> bytes:
    return f"{PREFIX}task:{name}".encode("utf-8", "surrogatepass")
