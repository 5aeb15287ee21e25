"""Engine.run: the story of one job, top to bottom.

``Engine(registry).run(request)`` is the whole library: a frozen request goes in, pictures with
their infotext come out. It knows no web, no queue and no files but those of the models.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from generator.hooks import Watch, unwatched
from generator.request import Generation, GenerationRequest

if TYPE_CHECKING:
    from generator.models.registry import Registry


class Engine:
    """Draws the jobs of one device, one at a time; owns the weights in memory.

    ``device`` is a torch device ("cpu", "cuda:0"); ``half`` computes in fp16 on CUDA (the CPU
    always computes in fp32). ``styles_files`` are read afresh for each job that names a style.
    """

    def __init__(
        self,
        registry: "Registry",
        device: str = "cpu",
        *,
        half: bool = True,
        styles_files: Sequence[Path] = (),
    ) -> None:
        self.registry = registry
        self.device = device

    @property
    def loaded(self) -> tuple[str, ...]:
        """Titles of the checkpoints in memory."""
        return ()

    def unload(self) -> None:
        """Drop all weights; the next job loads them again."""

    def run(self, request: GenerationRequest, watch: Watch = unwatched) -> Generation:
        """Draw ``request.picture_count`` pictures, fewer when ``watch`` interrupts.

        Raises the errors of :mod:`generator.errors`.
        """
        raise NotImplementedError
