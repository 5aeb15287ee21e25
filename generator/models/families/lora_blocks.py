"""The blocks of a family's U-Net as LoRA tags weight them (``lbw=``).

Blocks are LDM's, IN00 to IN11, M00 and OUT00 to OUT11; BASE are the text encoders. Lists and names
are those of the extension "LoRA Block Weight" for AUTOMATIC1111.
"""

from collections.abc import Mapping
from dataclasses import dataclass

BASE, MIDDLE = "BASE", "M00"
WHOLE, HALF = "ALL", "ALL0.5"


def _inputs(*numbers: int) -> tuple[str, ...]:
    return tuple(f"IN{number:02}" for number in numbers)


def _outputs(*numbers: int) -> tuple[str, ...]:
    return tuple(f"OUT{number:02}" for number in numbers)


def _all_blocks(levels: int) -> tuple[str, ...]:
    """BASE and every block of a U-Net of so many levels of three."""
    numbers = range(3 * levels)
    return (BASE, *_inputs(*numbers), MIDDLE, *_outputs(*numbers))


ALL_BLOCKS = _all_blocks(4)


@dataclass(frozen=True, slots=True)
class LoraBlocks:
    """What the numbers of a list are for, and the blocks with attention from the edge inwards."""

    shallow_inputs: tuple[str, ...]
    deep_inputs: tuple[str, ...]
    deep_outputs: tuple[str, ...]
    shallow_outputs: tuple[str, ...]
    whole_lists: tuple[tuple[str, ...], ...]  # those that name blocks without attention too

    @property
    def lists(self) -> Mapping[int, tuple[str, ...]]:
        """By its length, the blocks of each list that is known here."""
        attention = (
            *(BASE, *self.shallow_inputs, *self.deep_inputs, MIDDLE),
            *(*self.deep_outputs, *self.shallow_outputs),
        )
        return {len(blocks): blocks for blocks in (attention, *self.whole_lists)}

    @property
    def named(self) -> Mapping[str, Mapping[str, float]]:
        """By name, the weight of each block; of those left out it is 0."""
        inputs = (*self.shallow_inputs, *self.deep_inputs)
        outputs = (*self.deep_outputs, *self.shallow_outputs)
        chosen = {
            "NONE": (),
            WHOLE: ALL_BLOCKS,
            "INS": (BASE, *self.shallow_inputs),
            "IND": (BASE, *self.deep_inputs),
            "INALL": (BASE, *inputs),
            "MIDD": (BASE, *self.deep_inputs, MIDDLE, *self.deep_outputs),
            "OUTD": (BASE, *self.deep_outputs),
            "OUTS": (BASE, *self.shallow_outputs),
            "OUTALL": (BASE, *outputs),
        }
        weights = {name: dict.fromkeys(blocks, 1.0) for name, blocks in chosen.items()}
        return weights | {HALF: dict.fromkeys(ALL_BLOCKS, 0.5)}


SD_BLOCKS = LoraBlocks(
    shallow_inputs=_inputs(1, 2, 4),
    deep_inputs=_inputs(5, 7, 8),
    deep_outputs=_outputs(3, 4, 5, 6),
    shallow_outputs=_outputs(7, 8, 9, 10, 11),
    whole_lists=(ALL_BLOCKS,),
)
SDXL_BLOCKS = LoraBlocks(
    shallow_inputs=_inputs(4, 5),
    deep_inputs=_inputs(7, 8),
    deep_outputs=_outputs(0, 1, 2),
    shallow_outputs=_outputs(3, 4, 5),
    whole_lists=(_all_blocks(3), ALL_BLOCKS),
)
NAMES = tuple(SD_BLOCKS.named)
