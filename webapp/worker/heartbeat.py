"""The worker's heartbeat: a thread that says every two seconds that the worker lives."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from plugins.host import Host
from webapp.plugins.plugin_jobs import count_hook_seconds, plugin_states
from webapp.queues.contracts.counters import Counters
from webapp.queues.contracts.heartbeats import Heartbeats, WorkerState
from webapp.queues.contracts.plugin_states import PluginStates
from webapp.queues.contracts.queue import Queue
from webapp.queues.errors import QueueError
from webapp.queues.folder_watch import QueueWatch

HEARTBEAT_SECONDS = 2.0
CHECK_SECONDS = 0.1  # seconds between looks at whether the worker does something else now


class HeartbeatStore(Queue, Heartbeats, Counters, PluginStates, Protocol):
    """The parts of a store that the heartbeat uses."""


class HeartbeatThread(threading.Thread):
    """Thread that publishes the heartbeat and plugin states, and checks the queue's folder."""

    def __init__(
        self,
        store: HeartbeatStore,
        activity: Callable[[], object],
        current_state: Callable[[], WorkerState],
        host: Host | None,
        leave: Callable[[str], None],
        log: logging.Logger,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        """A change of ``activity`` (cheap) makes a heartbeat due at once; ``current_state`` is it.

        ``leave`` is called with the reason where the queue is lost; that ends the thread. ``look``
        is called before each heartbeat.
        """
        super().__init__(name="heartbeat", daemon=True)
        self.store = store
        self.activity = activity
        self.current_state = current_state
        self.host = host
        self.leave = leave
        self.log = log
        self.look = look
        self.queue_watch = QueueWatch(store)
        self._stopped = threading.Event()
        self._published_plugins: Mapping[str, object] | None = None  # as they were shown last
        self._beaten_at = 0.0
        self._last_activity: object = None  # at the last beat

    def run(self) -> None:
        """Beat every two seconds, and at once when the activity has changed.

        Nothing ends the thread: without it the worker seems dead, and a lost queue goes unnoticed.
        """
        while not self._stopped.wait(CHECK_SECONDS):
            try:
                self._publish_plugin_states()
                if self._is_due() and (why := self._beat()):
                    self.leave(why)
                    return
            except (sqlite3.Error, QueueError) as error:
                self.log.warning("no heartbeat: %s", error)
            except Exception:
                self.log.exception("no heartbeat")

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self.join()

    def _is_due(self) -> bool:
        activity, now = self.activity(), time.monotonic()
        if activity == self._last_activity and now - self._beaten_at < HEARTBEAT_SECONDS:
            return False
        self._beaten_at, self._last_activity = now, activity
        return True

    def _beat(self) -> str:
        """Say that the worker lives; why the queue is lost where it is."""
        if why := self.queue_watch.check():
            return why
        self.look()
        self.store.record_heartbeat(self.current_state())
        if self.host:
            count_hook_seconds(self.store, self.host)
        return ""

    def _publish_plugin_states(self) -> None:
        """Tell how the plugins stand when that has changed."""
        states = plugin_states(self.host) if self.host else None
        if states is None or states == self._published_plugins:
            return
        try:
            self.store.publish_plugin_states(self.current_state().id, states)
            self._published_plugins = states
        except (sqlite3.Error, QueueError) as error:
            self.log.warning("the plugins are not shown: %s", error)


def process_memory() -> Mapping[str, int]:
    """Resident memory of this process in bytes, as ``{"rss": bytes}``."""
    with open("/proc/self/statm") as file:
        return {"rss": int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")}
