"""What scripts draw with, and how their drawings become one generation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from generator.errors import BadRequest
from generator.hooks import Tools, Watch
from generator.request import Aside, Generation, GenerationRequest, Progress, Stop
from generator.sampling.plugin_samplers import resolve_plugin_names
from generator.workload import NO_LIMIT, check_workload, megapixel_steps

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PICTURES = 1000
RunOnce = Callable[[GenerationRequest, Watch], Generation]
Enlarge = Callable[["Image", str | int, float], tuple["Image", str]]
"""A picture, an upscaler's name or its number in the list, a factor: the larger one, the name."""


@dataclass(slots=True, eq=False)
class ScriptDraw:
    """``draw(request) -> Generation`` for scripts; reports the progress of all their drawings."""

    run: RunOnce
    watch: Watch
    enlarge: "Enlarge | None" = None
    find_checkpoint: Callable[[str], str] | None = None  # a checkpoint's whole name
    check_models: Callable[[GenerationRequest], None] | None = (
        None  # raises where a model is not here
    )
    tools: Tools = field(default_factory=Tools)  # what plugins bring to draw with
    total: int = 1  # batches of all drawings, as far as is known
    done: int = 0
    max_steps: float = NO_LIMIT  # megapixel-steps of all drawings together
    started_steps: float = 0.0  # ... of those that were begun

    def __call__(self, request: GenerationRequest) -> Generation:
        """Draw one request without a script."""
        self.started_steps += megapixel_steps(request)
        check_workload(self.started_steps, self.max_steps, "The script")
        passes = request.batches * (2 if request.hires else 1)
        generation = self.run(replace(request, script=None), self._report)
        self.done += passes
        return generation

    def resolve_request_names(self, request: GenerationRequest) -> GenerationRequest:
        """``request`` with the whole names of its checkpoint, samplers and schedules.

        Raises :class:`generator.errors.ModelNotFound` and :class:`BadRequest`.
        """
        request = resolve_plugin_names(request, self.tools, "script_args")
        if self.find_checkpoint is None or not request.checkpoint:
            return request
        return replace(request, checkpoint=self.find_checkpoint(request.checkpoint))

    def expect(self, requests: Sequence[GenerationRequest]) -> None:
        """Tell what is going to be drawn. Raises :class:`BadRequest` where that is too much."""
        check_count(sum(request.picture_count for request in requests))
        check_workload(sum(map(megapixel_steps, requests)), self.max_steps, "The script")
        self.total = sum(r.batches * (2 if r.hires else 1) for r in requests)

    def _report(self, progress: Progress, preview: "Callable[[], Image] | None") -> Stop:
        batches = max(self.total, self.done + progress.batches)
        return self.watch(
            replace(progress, batch=self.done + progress.batch, batches=batches), preview
        )


def check_count(pictures: int) -> None:
    """Refuse too many pictures. Raises :class:`BadRequest`."""
    if pictures > MOST_PICTURES:
        raise BadRequest(
            f"The script asks for {pictures:,} pictures; at most {MOST_PICTURES:,} a request.",
            "script_args",
            "too_many",
            count=pictures,
            most=MOST_PICTURES,
            what="pictures",
        )


Runner = Callable[[GenerationRequest, tuple[object, ...], ScriptDraw], Generation]


def join_generations(parts: Sequence[Generation], **changes: object) -> Generation:
    """Drawings in order as one: the first one's models, everybody's pictures and remarks.

    Where ``changes`` bring other pictures, what stood beside the drawn ones is left out.
    """
    extra: dict[str, object] = {}
    extra_images: list[Aside] = []
    count = 0
    for part in parts:
        extra |= part.extra_parameters
        extra_images += [replace(each, picture=each.picture + count) for each in part.asides]
        count += len(part.pictures)
    own = "pictures" not in changes
    generation = replace(
        parts[0],
        pictures=tuple(picture for part in parts for picture in part.pictures),
        extra_parameters=extra,
        seconds=sum(part.seconds for part in parts),
        network_seconds=sum(part.network_seconds for part in parts),
        comments=tuple(dict.fromkeys(text for part in parts for text in part.comments)),
        stopped=any(part.stopped for part in parts),
        maps=tuple(image for part in parts for image in part.maps) if own else (),
        asides=tuple(extra_images) if own else (),
    )
    return replace(generation, **changes)  # type: ignore[arg-type]


def add_sheets(generation: Generation, request: GenerationRequest, *sheets: "Image") -> Generation:
    """A generation with the sheets of its pictures, which ``return_grid`` keeps out of the answer.

    They are saved all the same, where grids are.
    """
    if request.options.return_grid:
        return replace(generation, grids=sheets)
    return replace(generation, unshown_grids=sheets)


def derive_seed(seed: int, place: int) -> int:
    """A seed that nobody chose, the same whenever the job is drawn again; 32 bits."""
    return int.from_bytes(sha256(f"{seed}:{place}".encode()).digest()[:4], "big")
