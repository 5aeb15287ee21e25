"""Training progress: a clock that does not count suspended time, and the log."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

_LONGEST = 30.0  # seconds: a step that took longer was stopped, and the time is not counted


@dataclass(frozen=True)
class TrainingProgress:
    """How far the training has come over all its runs."""

    steps: int = 0
    samples: int = 0
    seconds: float = 0.0


class Clock:
    """Seconds spent training: what passes while the process is stopped does not count."""

    def __init__(self) -> None:
        self.seconds, self.last = 0.0, time.time()

    def tick(self) -> float:
        """Count the time since the last tick, at most that of a slow step; all seconds so far."""
        now = time.time()
        self.seconds += min(now - self.last, _LONGEST)
        self.last = now
        return self.seconds


class Log:
    """One worker's figures: averaged over twenty seconds, one JSON line each."""

    def __init__(self, path: Path, before: TrainingProgress) -> None:
        self.path, self.before, self.clock = path, before, Clock()
        self.steps, self.samples = 0, 0
        self.sums: dict[str, float] = {}
        self.count = 0
        self.spoken = self.saved = time.time()

    def note(self, figures: dict[str, float], samples: int, step: int, *, aloud: bool) -> None:
        """Count a step of ``samples`` samples; ``aloud`` also writes the figures down."""
        self.clock.tick()
        self.steps, self.samples = step, self.samples + samples
        self.count += 1
        for key, value in figures.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        if aloud and time.time() - self.spoken > 20:
            self._speak()

    def _speak(self) -> None:
        means = {key: round(value / self.count, 5) for key, value in self.sums.items()}
        line = {**asdict(self.progress()), **means}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.sums, self.count, self.spoken = {}, 0, time.time()

    def is_due(self, seconds: float) -> bool:
        """Whether it is time to save; asking starts the wait anew when it is."""
        due = time.time() - self.saved > seconds
        if due:
            self.saved = time.time()
        return due

    def progress(self) -> TrainingProgress:
        seconds = self.before.seconds + self.clock.seconds
        return TrainingProgress(
            self.before.steps + self.steps, self.before.samples + self.samples, round(seconds, 1)
        )
