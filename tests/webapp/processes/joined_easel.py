"""``easel worker`` around an engine that pretends: ``python joined_easel.py FLAGS``.

All but the engine is real: how it joins, its queue, its registry of models. The engine looks for
the request's checkpoint in the registry, and takes 50 ms a step.
"""

import os
import sys
from dataclasses import replace
from typing import Any

from generator.hooks import Watch
from generator.models.registry import Registry
from generator.request import Generation, GenerationRequest
from tests.webapp.processes.fake_easel import LEASE, FakeEngine
from webapp.queues.redis import server
from webapp.settings.data_dir import open_store
from webapp.worker import main


class JoinedEngine(FakeEngine):
    """Draws with what its own registry has."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.loaded_checkpoints: tuple[str, ...] = ()

    def run(self, request: GenerationRequest, watch: Watch) -> Generation:
        """One grey picture. Raises ``ModelNotFound``."""
        self.loaded_checkpoints = (self.registry.find_checkpoint(request.checkpoint).title,)
        return super().run(request, watch)


def open_with_short_leases(*of: Any) -> Any:
    """The queue, with leases of so many seconds."""
    store: Any = open_store(*of)
    store.terms = replace(store.terms, seconds=float(os.environ[LEASE]))
    store._lease_expiry.__init__(store.terms.seconds)
    return store


if __name__ == "__main__":
    server.ANSWER_SECONDS = 2.0  # until a server that cannot be reached is told
    main.use_threads = lambda threads: None
    main.engine_of = lambda config, registry, *_: JoinedEngine(registry)  # type: ignore[assignment]
    main.open_store = open_with_short_leases
    sys.exit(main.main(sys.argv[1:]))
