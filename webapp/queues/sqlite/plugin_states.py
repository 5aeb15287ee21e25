"""How plugins stand in each worker, in the table ``standings``."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence

from webapp.queues.contracts.heartbeats import WORKER_TTL_SECONDS
from webapp.queues.sqlite.part import StorePart
from webapp.queues.worker_id import WorkerId

SELECT_PLUGIN_STATES = """
SELECT standings.worker, plugins FROM standings JOIN workers USING (worker)
WHERE seen_at > ? ORDER BY standings.worker
"""


class SqlitePluginStates(StorePart):
    """See the contract of ``PluginStates``."""

    def publish_plugin_states(self, worker: WorkerId, plugins: Mapping[str, Sequence[str]]) -> None:
        """Say how a worker's plugins stand: name -> state, fault, last error."""
        states = json.dumps({name: list(facts) for name, facts in plugins.items()})
        with self.database.write_transaction() as db:
            db.execute("INSERT OR REPLACE INTO standings VALUES (?, ?)", (str(worker), states))

    def plugin_states(self) -> Mapping[WorkerId, Mapping[str, Sequence[str]]]:
        """What each worker that lives has said of its plugins."""
        with self.database.read_connection() as db:
            records = db.execute(
                SELECT_PLUGIN_STATES, (time.time() - WORKER_TTL_SECONDS,)
            ).fetchall()
        return {WorkerId.parse(row["worker"]): json.loads(row["plugins"]) for row in records}

    def delete_lost_plugin_states(self, db: sqlite3.Connection) -> None:
        """Drop states of workers that are gone, in a transaction of the caller's."""
        db.execute("DELETE FROM standings WHERE worker NOT IN (SELECT worker FROM workers)")
