"""A child process that is kept alive: started, reaped, restarted after growing pauses."""

import logging
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from webapp.process_tree import COLD_START_VARIABLE, kill_tree
from webapp.processes.hang_watch import HangAction, HangWatch
from webapp.worker.progress_mark import NO_LIMIT

WINDOW_SECONDS = 60.0  # seconds over which deaths count
RESTART_PAUSES = (0.0, 0.5, 1.0, 2.0)  # seconds before it is started again, by deaths in the window
MANY_DEATHS = 5  # deaths in the window that are worth an error, and a long pause
LONG_PAUSE = 30.0
DEATHS_BEFORE_COLD_START = 2  # deaths of a worker without a job
KILL_TIMEOUT = 10.0  # seconds after SIGKILL: it hangs in the kernel, as on a dead mount


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """One process that has ended by itself. ``how`` completes "the process ..."."""

    pid: int
    how: str
    code: int  # negative: the signal that killed it
    planned: bool = False  # it was told to end, as there was nothing to do


class ManagedProcess:
    """A command that should always run. ``device`` is set for workers.

    ``stdin_data`` is written to its standard input at each start.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: logging.Logger,
        *,
        device: str = "",
        pass_fds: Sequence[int] = (),
        stdin_data: bytes = b"",
        hang_watch: HangWatch | None = None,
        start_seconds: float = NO_LIMIT,
    ) -> None:
        """``start_seconds``: in these the first sign of progress must come (``hang_watch``)."""
        self.name = name
        self.command = tuple(command)
        self.environment = dict(environment)
        self.log = log
        self.device = device
        self.pass_fds = tuple(pass_fds)
        self.stdin_data = stdin_data
        self.hang_watch = hang_watch
        self.start_seconds = start_seconds
        self.is_wanted = True  # else it is not started, and not started again
        self.death_count = 0
        self._deaths: deque[float] = deque(maxlen=MANY_DEATHS)
        self._process: subprocess.Popen[bytes] | None = None
        self._due_at = 0.0
        self._kill_reason = ""  # why we ended it
        self._left_behind = False  # it cannot be killed
        self._idle_deaths = 0
        self._retiring = False

    @property
    def is_alive(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id, None between two lives."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it now, in this process group; later where the system has no room for it."""
        self._kill_reason, self._left_behind, self._retiring = "", False, False
        if self.hang_watch is not None:
            self.hang_watch.begin(self.start_seconds)
        try:
            self._process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment, **self._cold_start_environment()},
                pass_fds=self.pass_fds,
                stdin=subprocess.PIPE if self.stdin_data else subprocess.DEVNULL,
            )
            if self._process.stdin is not None:
                with suppress(BrokenPipeError), self._process.stdin as channel:
                    channel.write(self.stdin_data)  # if it died at once, it is started again
        except OSError as error:
            self._due_at = time.monotonic() + LONG_PAUSE
            self.log.error("%s cannot be started: %s", self.name, error)

    def start_if_due(self) -> None:
        """Start it, where it is wanted, once its pause is over."""
        if self.is_wanted and self._process is None and time.monotonic() >= self._due_at:
            self.start()

    def reap(self) -> ProcessExit | None:
        """How the process died if it has since the last look; it is due to start at once."""
        if self._process is None or (self._process.poll() is None and not self._left_behind):
            return None
        process, self._process = self._process, None
        self.death_count += not self._retiring
        self._due_at = time.monotonic()
        code = process.poll()
        if code is None:  # left behind
            code = -signal.SIGKILL
        return ProcessExit(
            process.pid, self._kill_reason or describe_exit(code), code, planned=self._retiring
        )

    def end_if_hung(self, ran: float) -> None:
        """End the process where it makes no progress; ``ran`` is the seconds since the last look.

        It is reaped, and started again, as one that died.
        """
        if self.hang_watch is None or self._process is None:
            return
        action, pid = self.hang_watch.check(ran), self._process.pid
        if action is HangAction.ASK:
            self._kill_reason = (
                f"made no progress for {self.hang_watch.stalled_seconds:.0f} seconds and was ended"
            )
            self.log.error(
                "%s makes no progress for %.0f seconds (%.0f are allowed for what it does); it "
                "is ended and started again.",
                self.name, self.hang_watch.stalled_seconds, self.hang_watch.allowed,
            )  # fmt: skip
            self.signal(signal.SIGTERM)
        elif action is HangAction.KILL:
            kill_tree(pid)
        elif action is HangAction.LEAVE:
            self.log.error("%s (process %d) cannot be killed and is left behind", self.name, pid)
            self._left_behind = True

    def schedule_restart(self, death: ProcessExit, caused_by_job: bool) -> None:
        """Schedule the restart: at once where a job was the cause, else after a growing pause.

        A job that kills workers must not make all others wait; it is given up after a few deaths
        (``max_delivery`` of the queue).
        """
        if caused_by_job:
            self.log.warning("%s %s with a job; it is started again at once", self.name, death.how)
            return
        self._idle_deaths += death.code != os.EX_TEMPFAIL  # that one ended by itself
        now = time.monotonic()
        self._deaths.append(now)
        recent = sum(now - moment < WINDOW_SECONDS for moment in self._deaths)
        pause = (
            LONG_PAUSE
            if recent >= MANY_DEATHS
            else RESTART_PAUSES[min(recent, len(RESTART_PAUSES)) - 1]
        )
        self._due_at = now + pause
        self._log_restart(death.how, recent, pause)

    def _cold_start_environment(self) -> Mapping[str, str]:
        """Loading a checkpoint ahead may be what it dies of; jobs may fare better without."""
        return (
            {COLD_START_VARIABLE: "1"}
            if self.device and self._idle_deaths >= DEATHS_BEFORE_COLD_START
            else {}
        )

    def wake(self) -> None:
        """Have it run; one that is still ending is started again when it has."""
        self.is_wanted = True
        self.start_if_due()

    def retire(self) -> None:
        """Have it end after the job that it may be working on, and stay away."""
        self.is_wanted, self._retiring = False, self._process is not None
        self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if it runs."""
        if self._process is not None:
            self._process.send_signal(number)  # does nothing once the process is reaped

    def kill(self) -> int | None:
        """End it by force if it still runs; the id of the process that was there."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.poll() is None:
            self.log.error("%s did not end in time and is killed", self.name)
            kill_tree(process.pid)
            try:
                process.wait(KILL_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.log.error("process %d cannot be killed and is left behind", process.pid)
        return process.pid

    def _log_restart(self, how: str, recent: int, pause: float) -> None:
        if recent >= MANY_DEATHS:
            self.log.error(
                "%s %s, %d times within a minute; its messages above say why. Next try in %.0f s.",
                self.name, how, recent, pause,
            )  # fmt: skip
        else:
            self.log.warning("%s %s; it is started again", self.name, how)


def describe_exit(code: int) -> str:
    """How a process ended, from its exit code, negative where a signal killed it."""
    if code >= 0:
        return f"ended with {code}"
    known = {each.value: each.name for each in signal.Signals}
    why = " (the system does so when memory runs out)" if code == -signal.SIGKILL else ""
    return f"was killed by {known.get(-code, f'signal {-code}')}{why}"
