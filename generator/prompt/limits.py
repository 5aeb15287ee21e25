"""Limits on a prompt, checked by counting before anything is encoded or expanded.

A caller is told the figure and what was found. The engine judges every prompt before it loads
anything; the web process judges those of a request before it waits in the queue.
"""

from generator.errors import BadRequest
from generator.prompt.block_weights import read_block_weights
from generator.prompt.edit_syntax import Alternation, Edit, Text, boundaries, parse_edits
from generator.prompt.grammar import (
    Timing,
    parse_attention,
    parse_extra_networks,
    split_and,
    split_at_breaks,
)
from generator.request import GenerationRequest

PROMPTS = ("prompt", "negative_prompt")
MAX_CHARACTERS = 40_000  # characters, styles included
MOST_STYLES = 200
MOST_CHUNKS = 100  # of 75 tokens; BREAK ends one
MOST_ENCODED = 4_000  # of all variants of a text
MOST_PARTS = 32  # sides of AND; each is a row of the U-Net's batch
MOST_BRACKETS = 1_000  # opening ones
MOST_CHOICES = 1_000  # "|"
MOST_TAGS = 2_000
MOST_NETWORKS = 64  # different ones that tags name
MAX_WEIGHT = 1_000.0  # weight of words; far less already draws noise
MOST_PIECES = 500_000  # pieces of text that editing and alternation put together
MAX_VARIANT_CHARACTERS = 4_000_000  # characters of all variants together


def check_request(request: GenerationRequest) -> None:
    """Judge the prompts of a request as they stand. Raises :class:`BadRequest` naming the field."""
    steps = request.sampling.steps
    _check_count(len(request.styles), MOST_STYLES, "styles", "styles")
    check_prompt(request.prompt, steps, "prompt")
    check_prompt(request.negative_prompt, steps, "negative_prompt", negative=True)
    fix = request.hires
    if fix is not None:
        check_prompt(fix.prompt or "", fix.steps or steps, "hr_prompt")
        negative = fix.negative_prompt or ""
        check_prompt(negative, fix.steps or steps, "hr_negative_prompt", negative=True)
    for name, panel in request.panels.items():  # what plugins draw inside the job
        for key in PROMPTS:
            text = panel.get(key)
            if isinstance(text, str):
                place = f"alwayson_scripts.{name}.{key}"
                check_prompt(text, steps, place, negative=key != PROMPTS[0])


def check_prompt(text: str, steps: int, field: str, *, negative: bool = False) -> None:
    """Judge one prompt, drawn with so many steps. Raises :class:`BadRequest` naming ``field``.

    A negative prompt has neither AND nor tags (contract section 2.1).
    """
    _check_count(len(text), MAX_CHARACTERS, "characters", field)
    _check_count(text.count("(") + text.count("["), MOST_BRACKETS, "opening brackets", field)
    _check_count(text.count("|"), MOST_CHOICES, "choices between |", field)
    bare, tags = (text, ()) if negative else parse_extra_networks(text)
    _check_count(len(tags), MOST_TAGS, "tags", field)
    networks = {(tag.kind, *tag.positional_arguments[:1]) for tag in tags}
    _check_count(len(networks), MOST_NETWORKS, "different networks in tags", field)
    for tag in tags:
        read_block_weights(tag, field)
    _check_count(len(split_at_breaks(bare)), MOST_CHUNKS, "chunks between BREAK", field)
    if negative:
        _check_part(bare, steps, field)
        return
    parts = split_and(bare)
    _check_count(len(parts), MOST_PARTS, "parts between AND", field)
    for part in parts:
        check_weight(part.weight, part.text, field)
        _check_part(part.text, steps, field)


def check_weight(weight: float, text: str, field: str = "prompt") -> None:
    """Refuse a weight that would leave no number of a picture whole."""
    if not abs(weight) <= MAX_WEIGHT:  # NaN too
        raise BadRequest(
            f"the weight of {text.strip()[:40]!r} is {weight:.3g}; at most {MAX_WEIGHT:g}.",
            field,
            "out_of_range",
            value=weight,
            least=-MAX_WEIGHT,
            most=MAX_WEIGHT,
        )


def check_chunks(variants: int, chunks: int) -> None:
    """Refuse more chunks of 75 tokens than are encoded, of one text or of all its variants."""
    _check_count(chunks, MOST_CHUNKS, "chunks of 75 tokens", "prompt")
    _check_count(variants * chunks, MOST_ENCODED, "chunks of 75 tokens in all its edits", "prompt")


def _check_part(text: str, steps: int, field: str) -> None:
    for segment in parse_attention(text):
        check_weight(segment.weight, segment.text, field)
    tree = parse_edits(text, Timing(steps).boundary)
    if tree is None:
        return
    variants = len({steps, *boundaries(tree, steps)})
    _check_count(_count_pieces(tree) * variants, MOST_PIECES, "pieces of text in edits", field)
    _check_count(len(text) * variants, MAX_VARIANT_CHARACTERS, "characters in all its edits", field)


def _count_pieces(text: Text) -> int:
    count = len(text)
    for node in text:
        if isinstance(node, Edit):
            count += _count_pieces(node.before) + _count_pieces(node.after)
        elif isinstance(node, Alternation):
            count += sum(map(_count_pieces, node.options))
    return count


def _check_count(count: int, most: int, what: str, field: str) -> None:
    if count > most:
        if what == "characters":
            raise BadRequest(
                f"{count:,} {what}; at most {most:,}.", field, "too_long", length=count, most=most
            )
        text = f"{count:,} {what}; at most {most:,}."
        raise BadRequest(text, field, "too_many", count=count, most=most, what=what)
