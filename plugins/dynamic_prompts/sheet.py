"""A contact sheet of a template's pictures, each labelled with the words that differ."""

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from generator.pictures.grid import grid
from generator.pictures.legend import Label, with_legend
from generator.request import Generation, GenerationRequest, Picture
from generator.scripts.drawing import Draw, joined
from generator.scripts.sheets import check_size, facts_of_singles


def on_a_sheet(requests: Sequence[GenerationRequest], draw: Draw, *, legend: bool) -> Generation:
    """Draw requests of one picture each, and show them together; one alone has no sheet.

    Raises :class:`generator.errors.BadRequest` where that is too much.
    """
    draw.expect(requests)
    check_size(requests)
    drawn: list[Generation] = []
    for request in requests:
        drawn.append(draw(request))
        if drawn[-1].stopped:
            break
    whole = joined([part for part in drawn if part.pictures] or drawn)
    if len(whole.pictures) < 2:
        return whole
    sheet = grid(cells(requests, whole.pictures) if legend else [p.image for p in whole.pictures])
    return replace(whole, grids=(sheet,), facts=facts_of_singles(requests, whole))


def cells(requests: Sequence[GenerationRequest], pictures: Sequence[Picture]) -> list[Image.Image]:
    """The pictures, each below the part of its prompts that tells it from the others."""
    positive = differing([request.prompt for request in requests])
    negative = differing([request.negative_prompt for request in requests])
    both = zip(pictures, positive, negative, strict=False)  # an interrupt leaves some undrawn
    return [
        with_legend(
            picture.image, picture.image.size, [[*map(Label, filter(None, words))]], [[Label()]]
        )
        for picture, *words in both
    ]


def differing(texts: Sequence[str]) -> list[str]:
    """Each text without the words that all of them begin and end with."""
    split = [text.split() for text in texts]
    start = shared(split)
    tails = [words[start:][::-1] for words in split]
    end = shared(tails)
    return [" ".join(words[end:][::-1]).strip(" ,") for words in tails]


def shared(texts: Sequence[Sequence[str]]) -> int:
    """How many words all texts begin with."""
    alike = 0
    for words in zip(*texts, strict=False):
        if len(set(words)) > 1:
            break
        alike += 1
    return alike
