"""Prompt matrix: every combination of the parts between ``|``, on one sheet."""

from dataclasses import replace
from typing import Any

from PIL import Image

from generator.errors import BadRequest
from generator.pictures.grid import compose_grid
from generator.pictures.legend import Label, add_legend
from generator.request import Generation, GenerationRequest
from generator.scripts.script_draw import ScriptDraw, join_generations
from generator.scripts.sheets import facts_of_singles

MOST_PARTS = 9  # 512 pictures


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: ScriptDraw) -> Generation:
    """Draw the combinations, the n-th with the parts that are bits of n."""
    at_start, other_seeds, which, joint, margin = arguments
    text = request.prompt if which == "positive" else request.negative_prompt
    count_parts(text)
    constant, *parts = (part.strip() for part in text.split("|"))
    glue = ", " if joint == "comma" else " "
    prompts = [
        glue.join([*chosen, constant] if at_start else [constant, *chosen])
        for chosen in combinations(parts)
    ]
    requests = [
        _combination_request(request, which, prompt, number, number if other_seeds else 0)
        for number, prompt in enumerate(prompts)
    ]
    draw.expect(requests)
    generations = []
    for wanted in requests:
        generations.append(draw(wanted))
        if generations[-1].stopped:
            break
    generation = join_generations([part for part in generations if part.pictures] or generations)
    return replace(
        generation,
        grids=_make_sheet(generation, parts, margin),
        facts=facts_of_singles(requests, generation),
    )


def count_parts(text: str) -> int:
    """The parts of a prompt matrix that come and go. Raises :class:`BadRequest` for too many."""
    parts = text.count("|")
    if parts > MOST_PARTS:
        raise BadRequest(
            f"Prompt matrix: {parts:,} parts after | are {_count_text(parts)} pictures; at most "
            f"{MOST_PARTS} parts, which are {1 << MOST_PARTS}.",
            "script_args",
        )
    return parts


def _count_text(parts: int) -> str:
    return f"{1 << parts:,}" if parts < 40 else f"2 to the power of {parts:,}"


def combinations(parts: list[str]) -> list[list[str]]:
    """All subsets of the parts, the n-th holding those whose bit is set in n."""
    return [
        [part for bit, part in enumerate(parts) if number >> bit & 1]
        for number in range(1 << len(parts))
    ]


def _combination_request(
    request: GenerationRequest, which: str, prompt: str, number: int, seed: int
) -> GenerationRequest:
    seeds = request.seeds
    alone = replace(
        request,
        batch_size=1,
        batches=1,
        seeds=replace(seeds, seed=seeds.seed + seed, variation_seed=seeds.variation_seed + number),
    )
    if which == "positive":
        return replace(alone, prompt=prompt)
    return replace(alone, negative_prompt=prompt)


def _make_sheet(generation: Generation, parts: list[str], margin: int) -> tuple[Any, ...]:
    """The combinations with their legend; what an interrupt left undrawn is black."""
    images = [picture.image for picture in generation.pictures]
    across = (len(parts) + 1) // 2
    if not images:
        return ()
    images += [Image.new("RGB", images[0].size)] * ((1 << len(parts)) - len(images))
    sheet = compose_grid(images, rows=1 << (len(parts) - across))
    columns, rows = (
        [
            [Label(part, bool(number >> bit & 1)) for bit, part in enumerate(some)] or [Label()]
            for number in range(1 << len(some))
        ]
        for some in (parts[:across], parts[across:])
    )
    return (add_legend(sheet, images[0].size, columns, rows, margin),)
