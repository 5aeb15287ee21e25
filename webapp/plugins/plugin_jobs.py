"""Runs tasks of plugins' routes in the worker. No Flask."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from generator.errors import BadRequest
from generator.request import Progress, Stop
from plugins.errors import HookFailed
from plugins.host import Host
from webapp.errors import Refused, json_answer
from webapp.queues.contracts.counters import Counters
from webapp.queues.contracts.frame import Answer

if TYPE_CHECKING:
    from generator.hooks import Watch
    from webapp.queues.job_codec import QueuedPluginTask

REPORTED_FIELDS = ("state", "fault", "last_error", "seconds", "hooks", "strikes")
"""What a worker tells of each plugin, in this order; of :class:`plugins.host.PluginStatus`."""

PROGRESS_STEPS = 1000
"""Steps of a task's progress: it tells a share between 0 and 1."""


def run_task(host: Host | None, task: "QueuedPluginTask", watch: "Watch") -> Answer:
    """Run a plugin's task and return its result as JSON.

    Raises ``Refused`` where the plugin is not on here, or says with a ``ValueError`` that it cannot
    do what was asked; ``HookFailed`` for every other failure.
    """

    def tell(share: float, text: str = "") -> bool:
        step = round(min(max(share, 0.0), 1.0) * PROGRESS_STEPS)
        progress = Progress(task.plugin, 0, 1, step, PROGRESS_STEPS, text or None)
        return watch(progress, None) is Stop.NO

    if host is None or not host.has(task.plugin, "task"):
        raise Refused(f"The plugin {task.plugin!r} is not on in the worker.")
    try:
        result = host.ask_one(task.plugin, "task", verb=task.verb, body=task.body, tell=tell)
    except HookFailed as error:
        if isinstance(error.__cause__, ValueError):
            raise BadRequest(str(error.__cause__)) from error
        raise
    return json_answer(200, result)


def count_hook_seconds(counters: Counters, host: Host) -> None:
    """Add what hooks of this process took to the store's sums."""
    for (plugin, hook), seconds in host.take_seconds().items():
        facts = {"side": str(host.side), "plugin": plugin, "hook": hook}
        counters.add_to_counter("plugin_seconds", facts, seconds)


def plugin_states(host: Host) -> Mapping[str, Sequence[str]]:
    """States of a worker's plugins: name -> the texts of :data:`REPORTED_FIELDS`."""
    return {
        each.name: (
            each.state,
            each.fault,
            each.last_error,
            f"{each.seconds:.4f}",
            " ".join(each.hooks),
            str(each.strikes),
        )
        for each in host.standings
    }
