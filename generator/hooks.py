"""What a listener of a running job may be told, and may ask for."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from generator.request import Progress, Stop

if TYPE_CHECKING:
    from PIL.Image import Image


class Watch(Protocol):
    """Follows one job from the inside. Called by the engine, in its thread, before each step.

    ``preview`` draws a small picture of the current latent; a watch that wants none never calls
    it, so previews cost nothing unseen. The return value stops the job; a watch that raises
    fails it.
    """

    def __call__(self, progress: Progress, preview: Callable[[], "Image"] | None) -> Stop: ...


def unwatched(progress: Progress, preview: Callable[[], "Image"] | None) -> Stop:
    """A watch for scripts: looks at nothing, stops nothing."""
    return Stop.NO
