"""Dynamic prompts: one request with choices becomes several without. Grammar: dynamicprompts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import cycle, islice, product
from typing import Any

from dynamicprompts.wildcards import WildcardManager
from pyparsing import ParseBaseException

from generator.errors import BadRequest
from generator.request import Generation, GenerationRequest, Seeds
from generator.scripts.script_draw import ScriptDraw
from plugins import hook
from plugins.api import Home
from plugins.dynamic_prompts.bounded import all_prompts, random_prompts
from plugins.dynamic_prompts.modes import COMBINATORIAL, FOLDER, SCRIPT, TEMPLATE_MARKS
from plugins.dynamic_prompts.sheet import draw_sheet
from plugins.dynamic_prompts.wildcard_files import load_wildcards

NOTE = "Template"  # keys of the infotext, as users of AUTOMATIC1111's extension know them
NEGATIVE_NOTE = "Negative Template"
FIELDS = ("prompt", "negative_prompt")
MAX_CHOICES = 1000
MAX_WILDCARD_MARKS = 400  # marks; a wildcard has two
TEMPLATE_ERRORS = (
    ParseBaseException, ValueError, RecursionError, StopIteration, RuntimeError, LookupError,
    TypeError, NotImplementedError, OverflowError, OSError,
)  # fmt: skip
"""What the grammar raises for templates and wildcards that make no sense."""

MAX_DEPTH = 100  # opening braces; the grammar's time grows with their nesting


class Plugin:
    """Reads the wildcards of the data directory afresh for each request."""

    def __init__(self, home: Home) -> None:
        self.home = home

    @hook
    def split(self, request: GenerationRequest) -> Sequence[GenerationRequest] | None:
        """A request a picture, or a combination. Raises ``BadRequest`` for a bad template."""
        both = request.prompt + request.negative_prompt
        if not any(sign in both for sign in TEMPLATE_MARKS):
            return None
        options = self.home.options()
        if options.get("mode") == COMBINATORIAL:
            most = int(options.get("most", 100))
            pairs = all_pairs(request, self.wildcards(), most) * request.picture_count
        else:
            pairs = random_pairs(request, self.wildcards())
        return single_requests(request, pairs, successive_seeds(request.seeds, len(pairs)))

    @hook
    def tools(self) -> Mapping[str, Mapping[str, Any]]:
        """The script of the script selector."""
        return {"scripts": {SCRIPT: self.every_combination}}

    def every_combination(
        self, request: GenerationRequest, arguments: tuple[Any, ...], draw: ScriptDraw
    ) -> Generation:
        """One picture a combination, and all of them on a sheet. Raises ``BadRequest``."""
        most, other_seeds, legend = arguments
        pairs = all_pairs(request, self.wildcards(), most)
        seeds = (
            successive_seeds(request.seeds, len(pairs))
            if other_seeds
            else [request.seeds] * len(pairs)
        )
        return draw_sheet(single_requests(request, pairs, seeds), draw, legend=legend)

    def wildcards(self) -> WildcardManager:
        """Those of the data directory as they are now."""
        return load_wildcards(self.home.data_dir / FOLDER)


def single_requests(
    request: GenerationRequest, pairs: Sequence[tuple[str, str]], seeds: Sequence[Seeds]
) -> list[GenerationRequest]:
    """A request of one picture for each pair of prompts; its infotext keeps the templates."""
    notes = dict(request.notes)
    for note, template in ((NOTE, request.prompt), (NEGATIVE_NOTE, request.negative_prompt)):
        if any(sign in template for sign in TEMPLATE_MARKS):
            notes[note] = template
    alone = replace(request, notes=notes, batches=1, batch_size=1, script=None)
    return [
        replace(alone, prompt=prompt, negative_prompt=negative, seeds=own)
        for (prompt, negative), own in zip(pairs, seeds, strict=True)
    ]


def random_pairs(request: GenerationRequest, wildcards: WildcardManager) -> list[tuple[str, str]]:
    """Prompts and negative prompts, one of each a picture, by the pictures' own seeds."""
    count = request.picture_count
    seeds = [request.seeds.seed + number for number in range(count)]

    def sample(text: str) -> list[str]:
        return random_prompts(text, wildcards, seeds)

    prompts, negatives = (expand_template(name, getattr(request, name), sample) for name in FIELDS)
    return list(islice(zip(cycle(prompts), cycle(negatives), strict=False), count))


def all_pairs(
    request: GenerationRequest, wildcards: WildcardManager, most: int
) -> list[tuple[str, str]]:
    """Every combination of both prompts, up to ``most``."""

    def sample(text: str) -> list[str]:
        return all_prompts(text, wildcards, most)

    prompts, negatives = (expand_template(name, getattr(request, name), sample) for name in FIELDS)
    return list(islice(product(prompts, negatives), most))


def expand_template(field: str, text: str, sample: Callable[[str], list[str]]) -> list[str]:
    """The prompts of a template; a text without choices is its own. Raises ``BadRequest``."""
    if not any(sign in text for sign in TEMPLATE_MARKS):
        return [text]
    for mark, most in (("{", MAX_DEPTH), ("|", MAX_CHOICES), ("__", MAX_WILDCARD_MARKS)):
        if text.count(mark) > most:
            raise BadRequest(
                f"The template has {text.count(mark):,} {mark!r}; at most {most:,}.",
                field,
                "too_many",
                count=text.count(mark),
                most=most,
                what=mark,
            )
    try:
        return sample(text) or [text]
    except TEMPLATE_ERRORS as error:
        raise BadRequest(
            f"The template cannot be read: {str(error)[:200]}", field, "invalid_value"
        ) from error


def successive_seeds(seeds: Seeds, count: int) -> list[Seeds]:
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
