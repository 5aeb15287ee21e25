"""Dynamic prompts: one request with choices becomes several without. Grammar: dynamicprompts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, islice, product

from dynamicprompts.generators import CombinatorialPromptGenerator, RandomPromptGenerator
from dynamicprompts.wildcards import WildcardManager
from pyparsing import ParseBaseException

from generator.errors import BadRequest
from generator.request import GenerationRequest, Seeds
from plugins import hook
from plugins.dynamic_prompts.modes import EVERY, FOLDER, SIGNS
from plugins.nouns import Home

NOTE = "Template"  # keys of the infotext, as users of AUTOMATIC1111's extension know them
NEGATIVE_NOTE = "Negative Template"
FIELDS = ("prompt", "negative_prompt")
DEEPEST = 100  # opening braces; the grammar's time grows with their nesting


class Plugin:
    """Reads the wildcards of the data directory afresh for each request."""

    def __init__(self, home: Home) -> None:
        self.home = home

    @hook
    def split(self, request: GenerationRequest) -> Sequence[GenerationRequest] | None:
        """A request a picture, or a combination. Raises ``BadRequest`` for a bad template."""
        both = request.prompt + request.negative_prompt
        if not any(sign in both for sign in SIGNS):
            return None
        options = self.home.options()
        wildcards = WildcardManager(self.home.data_dir / FOLDER)
        if options.get("mode") == EVERY:
            most = int(options.get("most", 100))
            pairs = combinations(request, wildcards, most)
        else:
            pairs = chosen(request, wildcards)
        notes = {**request.notes, NOTE: request.prompt}
        if any(sign in request.negative_prompt for sign in SIGNS):
            notes[NEGATIVE_NOTE] = request.negative_prompt
        seeds = seeds_from(request.seeds, len(pairs))
        alone = replace(request, notes=notes, batches=1, batch_size=1)
        return [
            replace(alone, prompt=prompt, negative_prompt=negative, seeds=own)
            for (prompt, negative), own in zip(pairs, seeds, strict=True)
        ]


def chosen(request: GenerationRequest, wildcards: WildcardManager) -> list[tuple[str, str]]:
    """Prompts and negative prompts, one of each a picture, by the pictures' own seeds."""
    count = request.picture_count
    seeds = [request.seeds.seed + number for number in range(count)]
    generator = RandomPromptGenerator(wildcard_manager=wildcards)

    def read(text: str) -> list[str]:
        return generator.generate(text, count, seeds=seeds)

    prompts, negatives = (read_template(name, getattr(request, name), read) for name in FIELDS)
    return list(islice(zip(cycle(prompts), cycle(negatives), strict=False), count))


def combinations(
    request: GenerationRequest, wildcards: WildcardManager, most: int
) -> list[tuple[str, str]]:
    """Every combination, up to ``most``, all of them as often as pictures are asked for."""
    generator = CombinatorialPromptGenerator(wildcard_manager=wildcards)

    def read(text: str) -> list[str]:
        return list(generator.generate(text, most))

    prompts, negatives = (read_template(name, getattr(request, name), read) for name in FIELDS)
    pairs = list(islice(product(prompts, negatives), most))
    return pairs * request.picture_count


def read_template(field: str, text: str, read: Callable[[str], list[str]]) -> list[str]:
    """The prompts of a template; a text without choices is its own. Raises ``BadRequest``."""
    if not any(sign in text for sign in SIGNS):
        return [text]
    if text.count("{") > DEEPEST:
        raise BadRequest(f"The template has more than {DEEPEST} choices.", field)
    try:
        return read(text) or [text]
    except (ParseBaseException, ValueError, RecursionError, StopIteration) as error:
        raise BadRequest(f"The template cannot be read: {error}", field) from error


def seeds_from(seeds: Seeds, count: int) -> list[Seeds]:
    """Seeds of ``count`` pictures in turn, as one request would have given them."""
    fixed = bool(seeds.variation_strength)
    return [
        replace(
            seeds,
            seed=seeds.seed if fixed else seeds.seed + number,
            variation_seed=seeds.variation_seed + number,
        )
        for number in range(count)
    ]
