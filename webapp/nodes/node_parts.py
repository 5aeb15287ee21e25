"""What a web process remembers beside its queue: alone, or together with others of its service.

Several web processes need a queue in Redis or Valkey; what they have in common lies there, too.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from webapp.access.login_throttle import LoginThrottle
from webapp.access.revoked_logins import RevokedLogins
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.task_registry import TaskRegistry, Tasks

if TYPE_CHECKING:
    from webapp.nodes.feed import Feed
    from webapp.nodes.tables import RedisTable
    from webapp.nodes.turns import RedisTurns
    from webapp.queues.redis.store import RedisStore

ENDED_LOGINS_FILE = "ended_logins"  # below .easel


@dataclass(frozen=True, slots=True)
class NodeParts:
    """The parts of one web process; the optional ones are None where it is the only one."""

    tasks: Tasks
    login_throttle: LoginThrottle
    share_throttle: LoginThrottle
    revoked_logins: RevokedLogins
    feed: "Feed | None" = None
    turns: "RedisTurns | None" = None
    table: "Callable[[str], RedisTable] | None" = None  # by its name
    close: Callable[[], None] = lambda: None

    @property
    def are_several(self) -> bool:
        """Whether there may be other web processes, also of other machines."""
        return self.turns is not None

    def alone(self, name: str) -> Callable[[], AbstractContextManager[object]]:
        """A block that no two web processes are in at once."""
        return nullcontext if self.turns is None else partial(self.turns.wait_for, name)

    def start(self) -> None:
        """Hear the others, once all who want to are there."""
        if self.feed is not None:
            self.feed.start()


def create_node_parts(store: QueueStore, easel_dir: Path, *, shared: bool) -> NodeParts:
    """Those that go with a queue: ``shared`` where it lies on a server."""
    if shared:
        from webapp.queues.redis.store import RedisStore  # its client takes 0.1 s to import

        if isinstance(store, RedisStore):
            return _shared_parts(store, easel_dir)
    revoked = RevokedLogins(easel_dir / ENDED_LOGINS_FILE)
    return NodeParts(TaskRegistry(), LoginThrottle(), LoginThrottle(), revoked)


def _shared_parts(store: "RedisStore", easel_dir: Path) -> NodeParts:
    from webapp.nodes.feed import Feed
    from webapp.nodes.logins import SharedRevokedLogins, shared_throttle
    from webapp.nodes.tables import RedisTable
    from webapp.nodes.tasks import SharedTasks
    from webapp.nodes.turns import RedisTurns

    server = store.server
    feed, turns = Feed(server, store.notifier), RedisTurns(server)

    def close() -> None:
        feed.close()
        turns.close()

    return NodeParts(
        SharedTasks(server),
        shared_throttle(server, "login"),
        shared_throttle(server, "share"),
        SharedRevokedLogins(easel_dir / ENDED_LOGINS_FILE, server),
        feed,
        turns,
        partial(RedisTable, server),
        close,
    )
