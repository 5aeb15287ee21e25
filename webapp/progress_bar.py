"""A bar on a terminal for commands that run without a server."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tqdm import tqdm

from generator.request import Progress, Stop

if TYPE_CHECKING:
    from PIL import Image


class ProgressBar:
    """Shows progress on a terminal, and nothing elsewhere. A ``Watch``."""

    def __init__(self, unit: str = "step", title: str = "Drawing") -> None:
        # "disable=None" is tqdm's word for "where standard error is no terminal".
        self._bar: tqdm[None] = tqdm(disable=None, unit=unit, leave=False)
        self._title = title

    def __call__(self, progress: Progress, preview: "Callable[[], Image.Image] | None") -> Stop:
        self._bar.total = progress.batches * progress.steps
        self._bar.set_description(progress.textinfo or self._title, refresh=False)
        self._bar.n = progress.batch * progress.steps + progress.step
        self._bar.refresh()
        return Stop.NO

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bar.close()
