"""The jobs that a worker runs side by side, each in a thread of its own."""

import threading
from collections.abc import Callable
from contextvars import copy_context

from webapp.queues.contracts.frame import Lease
from webapp.queues.joint_jobs import JOIN_TAG


class JointJobs:
    """Starts jobs and knows which run. ``serve`` draws and answers one; it raises nothing."""

    def __init__(self, serve: Callable[[Lease], None]) -> None:
        self.serve = serve
        self._changed = threading.Condition()
        self._running: dict[str, str] = {}  # tags by the leases' tokens

    @property
    def count(self) -> int:
        """How many run."""
        return len(self._running)

    @property
    def tag(self) -> str | None:
        """The tag that those who run share; None where none runs."""
        with self._changed:
            return next(iter(self._running.values()), None)

    def start(self, lease: Lease) -> None:
        """Run a job in a new thread."""
        with self._changed:
            self._running[lease.token] = lease.frame.tags.get(JOIN_TAG, "")
        name = f"job-{lease.frame.id}"
        run = copy_context().run
        threading.Thread(target=run, args=(self._run, lease), name=name, daemon=True).start()

    def wait_for_end(self, timeout: float) -> None:
        """Wait until one that runs now has ended, so many seconds at most."""
        with self._changed:
            before = set(self._running)
            self._changed.wait_for(lambda: bool(before - self._running.keys()), timeout)

    def wait_for_all(self) -> None:
        """Wait until none runs."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running)

    def _run(self, lease: Lease) -> None:
        try:
            self.serve(lease)
        finally:
            with self._changed:
                del self._running[lease.token]
                self._changed.notify_all()
