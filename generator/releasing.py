"""Shows every picture to the listener before it leaves the engine."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from generator.hooks import Listener, Redraw, Stage
from generator.request import Extras, Generation, GenerationRequest, Picture

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(eq=False)
class Releaser:
    """The way out of one job: asks the listener about picture after picture.

    :attr:`facts` holds under each key what was told, with the stage of the picture and its number
    in that stage. Every method raises what the listener raises.
    """

    listener: Listener
    caller: str = ""  # "" is the owner
    facts: dict[str, list[Any]] = field(default_factory=dict)
    seen: Counter[Stage] = field(default_factory=Counter)

    def drawn(self, found: Generation, request: GenerationRequest, draw: Redraw) -> Generation:
        """What one request without a script came to."""
        pictures = tuple(self._picture(picture, request, draw) for picture in found.pictures)
        asides = tuple(
            replace(each, image=self._one(each.image, Stage.ASIDE, request))
            for each in found.asides
        )
        maps = self._all(found.maps, Stage.MAP, request)
        return replace(found, pictures=pictures, maps=maps, asides=asides)

    def finished(self, found: Generation, request: GenerationRequest) -> Generation:
        """What the whole job came to: a script's sheets are let out too, and the facts told."""
        sheets = self._all(found.grids, Stage.SHEET, request)
        return replace(found, grids=sheets, facts={**found.facts, **self.facts})

    def enlarged(self, extras: Extras) -> Extras:
        """Pictures of the Extras tab."""
        images = self._all(extras.images, Stage.EXTRAS, None)
        return replace(extras, images=images, facts=self.facts)

    def _picture(self, picture: Picture, request: GenerationRequest, draw: Redraw) -> Picture:
        number = self.seen[Stage.PICTURE]
        image = self.listener.after_decode(picture.image, number, request, draw)
        return replace(picture, image=self._one(image, Stage.PICTURE, request))

    def _all(
        self, images: "Iterable[Image]", stage: Stage, request: GenerationRequest | None
    ) -> "tuple[Image, ...]":
        return tuple(self._one(image, stage, request) for image in images)

    def _one(self, image: "Image", stage: Stage, request: GenerationRequest | None) -> "Image":
        released = self.listener.release(image, stage, request, self.caller)
        number = self.seen[stage]
        self.seen[stage] += 1
        for key, told in released.facts.items():
            self.facts.setdefault(key, []).append({"stage": str(stage), "number": number, **told})
        return released.image
