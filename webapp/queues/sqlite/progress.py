"""Progress and previews of running jobs, in the table ``sightings``."""

import json
import sqlite3
import time
from dataclasses import asdict

from generator.request import Progress
from webapp.queues.contracts.progress import JobProgress
from webapp.queues.sqlite.part import StorePart

UPSERT_PROGRESS = """
INSERT INTO sightings (job, progress, started_at, updated_at, preview_id, preview)
SELECT :job, :progress, :now, :now, :preview IS NOT NULL, :preview
WHERE EXISTS (SELECT 1 FROM frames WHERE id = :job)
ON CONFLICT (job) DO UPDATE SET
    progress = :progress,
    updated_at = :now,
    preview_id = preview_id + (:preview IS NOT NULL),
    preview = COALESCE(:preview, preview)
"""


class SqliteProgress(StorePart):
    """See the contract of ``ProgressBoard``."""

    def publish_progress(self, job: str, progress: Progress, preview: bytes | None) -> None:
        """Show how far a job is; the last preview stays when none is given.

        A job that is no longer in the queue is not shown.
        """
        facts = {"job": job, "progress": json.dumps(asdict(progress)), "now": time.time()}
        with self.database.write_transaction() as db:
            db.execute(UPSERT_PROGRESS, facts | {"preview": preview})

    def read_progress(self, job: str) -> JobProgress | None:
        """A running job's progress; None before its first step and after its answer."""
        with self.database.read_connection() as db:
            row = db.execute("SELECT * FROM sightings WHERE job = ?", (job,)).fetchone()
        if row is None:
            return None
        return JobProgress(
            Progress(**json.loads(row["progress"])),
            row["started_at"],
            row["updated_at"],
            row["preview"],
            row["preview_id"],
        )

    def delete_old_progress(self, db: sqlite3.Connection, moment: float) -> None:
        """Drop what is older than ``moment`` (unix seconds), in a transaction of the caller's."""
        db.execute("DELETE FROM sightings WHERE updated_at < ?", (moment,))
