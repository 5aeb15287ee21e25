"""A contact sheet of a template's pictures, each labelled with the words that differ."""

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from generator.pictures.grid import compose_grid
from generator.pictures.legend import Label, add_legend
from generator.request import Generation, GenerationRequest, Picture
from generator.scripts.script_draw import ScriptDraw, join_generations
from generator.scripts.sheets import check_sheet_size, facts_of_singles


def draw_sheet(
    requests: Sequence[GenerationRequest], draw: ScriptDraw, *, legend: bool
) -> Generation:
    """Draw requests of one picture each, and show them together; one alone has no sheet.

    Raises :class:`generator.errors.BadRequest` where that is too much.
    """
    draw.expect(requests)
    check_sheet_size(requests)
    generations: list[Generation] = []
    for request in requests:
        generations.append(draw(request))
        if generations[-1].stopped:
            break
    generation = join_generations([part for part in generations if part.pictures] or generations)
    if len(generation.pictures) < 2:
        return generation
    sheet = compose_grid(
        sheet_cells(requests, generation.pictures)
        if legend
        else [p.image for p in generation.pictures]
    )
    return replace(generation, grids=(sheet,), facts=facts_of_singles(requests, generation))


def sheet_cells(
    requests: Sequence[GenerationRequest], pictures: Sequence[Picture]
) -> list[Image.Image]:
    """The pictures, each below the part of its prompts that tells it from the others."""
    positive = strip_common_words([request.prompt for request in requests])
    negative = strip_common_words([request.negative_prompt for request in requests])
    both = zip(pictures, positive, negative, strict=False)  # an interrupt leaves some undrawn
    return [
        add_legend(
            picture.image, picture.image.size, [[*map(Label, filter(None, words))]], [[Label()]]
        )
        for picture, *words in both
    ]


def strip_common_words(texts: Sequence[str]) -> list[str]:
    """Each text without the words that all of them begin and end with."""
    split = [text.split() for text in texts]
    start = common_prefix_length(split)
    tails = [words[start:][::-1] for words in split]
    end = common_prefix_length(tails)
    return [" ".join(words[end:][::-1]).strip(" ,") for words in tails]


def common_prefix_length(texts: Sequence[Sequence[str]]) -> int:
    """How many words all texts begin with."""
    alike = 0
    for words in zip(*texts, strict=False):
        if len(set(words)) > 1:
            break
        alike += 1
    return alike
