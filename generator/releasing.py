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
class Inside:
    """Draws further requests inside a running job (:class:`generator.hooks.Redraw`).

    Collects the comments of those drawings.
    """

    run: Callable[[GenerationRequest], Generation]
    remarks: dict[str, None] = field(default_factory=dict)

    def __call__(self, request: GenerationRequest) -> Generation:
        """What the request comes to."""
        found = self.run(request)
        self.remarks |= dict.fromkeys(found.comments)
        return found

    def remark(self, text: str) -> None:
        """Once, however often it is said."""
        self.remarks[text] = None


@dataclass(eq=False)
class Releaser:
    """Filters the pictures of one job through the listener.

    :attr:`facts` collects, under each key, what the listener reported, with the picture's stage and
    its number in that stage. Every method raises what the listener raises.
    """

    listener: Listener
    caller: str = ""  # "" is the owner
    facts: dict[str, list[Any]] = field(default_factory=dict)
    seen: Counter[Stage] = field(default_factory=Counter)
    _let_out: "dict[int, Image]" = field(default_factory=dict)  # by id; held, or ids come again

    def drawn(
        self,
        found: Generation,
        request: GenerationRequest,
        run: Callable[[GenerationRequest], Generation],
    ) -> Generation:
        """Filter the pictures, maps and extra images of a request without a script.

        ``run`` draws a further request inside the job.
        """
        inside = Inside(run)
        pictures = tuple(self._picture(picture, request, inside) for picture in found.pictures)
        asides = tuple(
            replace(each, image=self.let_out(each.image, Stage.ASIDE, request))
            for each in found.asides
        )
        maps = self._all(found.maps, Stage.MAP, request)
        comments = tuple(dict.fromkeys((*found.comments, *inside.remarks)))
        return replace(found, pictures=pictures, maps=maps, asides=asides, comments=comments)

    def finished(self, found: Generation, request: GenerationRequest) -> Generation:
        """Filter what is left of a whole job, a script's sheets and composed pictures; add the facts."""
        return replace(
            found,
            pictures=tuple(self._composed(each, request) for each in found.pictures),
            unshown=tuple(self._composed(each, request) for each in found.unshown),
            grids=self._all(found.grids, Stage.SHEET, request),
            unshown_grids=self._all(found.unshown_grids, Stage.SHEET, request),
            facts=self.told_with(found.facts),
        )

    def told_with(self, facts: Mapping[str, object]) -> dict[str, object]:
        """What was told before, and what was told here; lists of one key become one."""
        told: dict[str, object] = {**facts, **self.facts}
        for key, own in self.facts.items():
            before = facts.get(key)
            if isinstance(before, list):
                told[key] = [*before, *own]
        return told

    def enlarged(self, extras: Extras) -> Extras:
        """Pictures of the Extras tab."""
        images = self._all(extras.images, Stage.EXTRAS, None)
        return replace(extras, images=images, facts=self.facts)

    def _picture(self, picture: Picture, request: GenerationRequest, draw: Redraw) -> Picture:
        number = self.seen[Stage.PICTURE]
        image = self.listener.after_decode(picture.image, number, request, draw)
        return replace(picture, image=self.let_out(image, Stage.PICTURE, request))

    def _composed(self, picture: Picture, request: GenerationRequest) -> Picture:
        """A script's picture: let out already, or pasted together of what was and of originals."""
        if id(picture.image) in self._let_out:
            return picture
        return replace(picture, image=self.let_out(picture.image, Stage.PICTURE, request))

    def _all(
        self, images: "Iterable[Image]", stage: Stage, request: GenerationRequest | None
    ) -> "tuple[Image, ...]":
        return tuple(self.let_out(image, stage, request) for image in images)

    def let_out(self, image: "Image", stage: Stage, request: GenerationRequest | None) -> "Image":
        """Filter one picture; the picture that leaves in its place."""
        released = self.listener.release(image, stage, request, self.caller)
        number = self.seen[stage]
        self.seen[stage] += 1
        for key, told in released.facts.items():
            self.facts.setdefault(key, []).append({"stage": str(stage), "number": number, **told})
        self._let_out[id(released.image)] = released.image
        return released.image
