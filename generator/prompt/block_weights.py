"""Reads the weights by block of a LoRA tag: ``<lora:name:1:lbw=1,0,...>`` or ``lbw=OUTALL``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from generator.errors import BadRequest
from generator.models.families.catalog import BUILT_IN
from generator.models.families.family import Family
from generator.models.families.lora_blocks import ALL_BLOCKS, NAMES
from generator.prompt.grammar import LORA_KINDS, ExtraNetworkTag

KEY = "lbw"
MAX_BLOCK_WEIGHT = 1_000.0
SHOWN = 160  # characters of a tag in a sentence


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """A list of numbers or a name; what its places mean depends on the family."""

    numbers: tuple[float, ...] = ()
    name: str = ""
    tag: str = field(default="", compare=False)  # as written, for messages

    def by_block(self, family: Family) -> Mapping[str, float]:
        """The weight of each of :data:`ALL_BLOCKS`; 0 for those that the list leaves out.

        Raises :class:`BadRequest` for a list of another length than the family's.
        """
        blocks = family.lora_blocks
        if self.name:
            chosen = blocks.named[self.name]
        elif len(self.numbers) in blocks.lists:
            chosen = dict(zip(blocks.lists[len(self.numbers)], self.numbers, strict=True))
        else:
            raise BadRequest(
                f"{self.tag}: {KEY} has {len(self.numbers)} numbers; for {family.label} it "
                f"takes {_list_counts(blocks.lists)}, or a name: {', '.join(NAMES)}",
                "prompt",
                "invalid_value",
                value=self.tag,
            )
        return {block: chosen.get(block, 0.0) for block in ALL_BLOCKS}


def read_block_weights(tag: ExtraNetworkTag, field: str = "prompt") -> BlockWeights | None:
    """The weights of a tag; None where it gives none.

    Raises :class:`BadRequest` naming the tag for a name or a length that is known to no family,
    and for what is no number.
    """
    text = tag.named_arguments.get(KEY) if tag.kind in LORA_KINDS else None
    if text is None:
        return None
    written = f"<{':'.join((tag.kind, *tag.arguments))}>"
    shown = written if len(written) <= SHOWN else f"{written[:SHOWN]}..."
    if text.strip().upper() in NAMES:
        return BlockWeights(name=text.strip().upper(), tag=shown)
    words = [word.strip() for word in text.split(",")]
    counts = {count for family in BUILT_IN for count in family.lora_blocks.lists}
    if len(words) not in counts:
        what = f"has {len(words)} numbers" if len(words) > 1 else f"is {words[0][:20]!r}"
        raise BadRequest(
            f"{shown}: {KEY} {what}; {_what_is_taken()}", field, "invalid_value", value=shown
        )
    numbers = tuple(map(_read_number, words))
    for word, number in zip(words, numbers, strict=True):
        if number is None or not abs(number) <= MAX_BLOCK_WEIGHT:
            raise BadRequest(
                f"{shown}: {KEY} has {word[:20]!r} among its {len(words)} numbers; each is a "
                f"number from -{MAX_BLOCK_WEIGHT:g} to {MAX_BLOCK_WEIGHT:g}",
                field,
                "out_of_range",
                value=word,
                least=-MAX_BLOCK_WEIGHT,
                most=MAX_BLOCK_WEIGHT,
            )
    return BlockWeights(tuple(number for number in numbers if number is not None), tag=shown)


def _read_number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _what_is_taken() -> str:
    families: dict[str, list[str]] = {}
    for family in BUILT_IN:
        if family.lends_adapters:  # takes those of another
            continue
        families.setdefault(_list_counts(family.lora_blocks.lists), []).append(family.label)
    counts = "; ".join(f"{count} for {', '.join(labels)}" for count, labels in families.items())
    return f"it takes {counts}; or a name: {', '.join(NAMES)}"


def _list_counts(counts: Iterable[int]) -> str:
    *most, last = sorted(counts)
    return f"{', '.join(map(str, most))} or {last}" if most else str(last)
