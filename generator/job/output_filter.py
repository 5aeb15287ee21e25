"""Passes every picture through the listener's filter before it leaves the engine."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from generator.hooks import Listener, Redraw, Stage
from generator.request import Extras, Generation, GenerationRequest, Picture

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(eq=False, slots=True)
class NestedRedraw:
    """Draws further requests inside a running job (:class:`generator.hooks.Redraw`).

    Collects the comments of those drawings.
    """

    run: Callable[[GenerationRequest], Generation]
    remarks: dict[str, None] = field(default_factory=dict)

    def __call__(self, request: GenerationRequest) -> Generation:
        """What the request comes to."""
        generation = self.run(request)
        self.remarks |= dict.fromkeys(generation.comments)
        return generation

    def remark(self, text: str) -> None:
        """Once, however often it is said."""
        self.remarks[text] = None


@dataclass(eq=False)
class OutputFilter:
    """Filters the pictures of one job through the listener.

    :attr:`facts` collects, under each key, what the listener reported, with the picture's stage and
    its number in that stage. Every method raises what the listener raises.
    """

    listener: Listener
    caller: str = ""  # "" is the owner
    facts: dict[str, list[Any]] = field(default_factory=dict)
    counts: Counter[Stage] = field(default_factory=Counter)
    _released: "dict[int, Image]" = field(default_factory=dict)  # by id; held, or ids come again

    def filter_drawn(
        self,
        generation: Generation,
        request: GenerationRequest,
        run: Callable[[GenerationRequest], Generation],
    ) -> Generation:
        """Filter the pictures, maps and extra images of a request without a script.

        ``run`` draws a further request inside the job.
        """
        redraw = NestedRedraw(run)
        pictures = tuple(
            self._filter_picture(picture, request, redraw) for picture in generation.pictures
        )
        asides = tuple(
            replace(each, image=self.filter_image(each.image, Stage.ASIDE, request))
            for each in generation.asides
        )
        maps = self._filter_images(generation.maps, Stage.MAP, request)
        comments = tuple(dict.fromkeys((*generation.comments, *redraw.remarks)))
        return replace(generation, pictures=pictures, maps=maps, asides=asides, comments=comments)

    def filter_finished(self, generation: Generation, request: GenerationRequest) -> Generation:
        """Filter what is left of a whole job, a script's sheets and composed pictures; add the
        facts.
        """
        return replace(
            generation,
            pictures=tuple(self._filter_composed(each, request) for each in generation.pictures),
            unshown=tuple(self._filter_composed(each, request) for each in generation.unshown),
            grids=self._filter_images(generation.grids, Stage.SHEET, request),
            unshown_grids=self._filter_images(generation.unshown_grids, Stage.SHEET, request),
            facts=self.merge_facts(generation.facts),
        )

    def merge_facts(self, facts: Mapping[str, object]) -> dict[str, object]:
        """What was told before, and what was told here; lists of one key become one."""
        merged: dict[str, object] = {**facts, **self.facts}
        for key, entries in self.facts.items():
            before = facts.get(key)
            if isinstance(before, list):
                merged[key] = [*before, *entries]
        return merged

    def filter_extras(self, extras: Extras) -> Extras:
        """Pictures of the Extras tab."""
        images = self._filter_images(extras.images, Stage.EXTRAS, None)
        return replace(extras, images=images, facts=self.facts)

    def _filter_picture(
        self, picture: Picture, request: GenerationRequest, draw: Redraw
    ) -> Picture:
        number = self.counts[Stage.PICTURE]
        image = self.listener.after_decode(picture.image, number, request, draw)
        return replace(picture, image=self.filter_image(image, Stage.PICTURE, request))

    def _filter_composed(self, picture: Picture, request: GenerationRequest) -> Picture:
        """A script's picture: let out already, or pasted together of what was and of originals."""
        if id(picture.image) in self._released:
            return picture
        return replace(picture, image=self.filter_image(picture.image, Stage.PICTURE, request))

    def _filter_images(
        self, images: "Iterable[Image]", stage: Stage, request: GenerationRequest | None
    ) -> "tuple[Image, ...]":
        return tuple(self.filter_image(image, stage, request) for image in images)

    def filter_image(
        self, image: "Image", stage: Stage, request: GenerationRequest | None
    ) -> "Image":
        """Filter one picture; the picture that leaves in its place."""
        released = self.listener.release(image, stage, request, self.caller)
        number = self.counts[stage]
        self.counts[stage] += 1
        for key, entry in released.facts.items():
            self.facts.setdefault(key, []).append({"stage": str(stage), "number": number, **entry})
        self._released[id(released.image)] = released.image
        return released.image
