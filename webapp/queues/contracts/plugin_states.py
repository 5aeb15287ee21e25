"""How plugins stand in each worker."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from webapp.queues.worker_id import WorkerId


class PluginStates(Protocol):
    """States of plugins by worker."""

    def publish_plugin_states(self, worker: WorkerId, plugins: Mapping[str, Sequence[str]]) -> None:
        """Say how a worker's plugins stand: name ->
        ``webapp.plugins.plugin_jobs.REPORTED_FIELDS``.
        """

    def plugin_states(self) -> Mapping[WorkerId, Mapping[str, Sequence[str]]]:
        """What each worker that lives has said of its plugins."""
