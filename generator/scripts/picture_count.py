"""How many pictures a script's texts ask for, by arithmetic: nothing of them is built. No torch.

The web process asks before a request waits in the queue, the worker before it builds the drawings.
What those come to is counted by :mod:`generator.scripts.workload`.
"""

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import Any

from generator.errors import BadRequest
from generator.prompt.limits import check_prompt
from generator.request import GenerationRequest
from generator.scripts.axes import AXES, IMG2IMG, TXT2IMG
from generator.scripts.catalogue import ALTERNATIVE, PROMPT_MATRIX, PROMPTS_FROM_FILE, XYZ_PLOT
from generator.scripts.prompt_matrix import count_parts
from generator.scripts.script_draw import check_count

LONGEST_TEXT = 500_000  # characters of a text argument


def check_script(request: GenerationRequest) -> None:
    """Refuse a script that asks for too much. Raises :class:`BadRequest` with the figures."""
    script = request.script
    if script is None:
        return
    for value in script.arguments:
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise BadRequest(
                f"A text of {len(value):,} characters; at most {LONGEST_TEXT:,}.",
                "script_args",
                "too_long",
                length=len(value),
                most=LONGEST_TEXT,
            )
    if script.title == ALTERNATIVE:
        _, _, _, prompt, negative, _, steps, *_ = script.arguments
        check_prompt(prompt, steps, "script_args")
        check_prompt(negative, steps, "script_args", negative=True)
    count = COUNTS.get(script.title)
    if count is not None:
        check_count(count(request, script.arguments))


def _count_matrix(request: GenerationRequest, arguments: tuple[Any, ...]) -> int:
    text = request.prompt if arguments[2] == "positive" else request.negative_prompt
    return 1 << count_parts(text)


def _count_lines(request: GenerationRequest, arguments: tuple[Any, ...]) -> int:
    return sum(1 for line in arguments[3].splitlines() if line.strip())


def _count_cells(request: GenerationRequest, arguments: tuple[Any, ...]) -> int:
    axes = {axis.label: axis for axis in AXES[IMG2IMG if request.origin else TXT2IMG]}
    by_text = arguments[-1]
    sides = [arguments[start : start + 3] for start in (0, 3, 6)]
    cells = prod(axes[label].count(text, some, by_text=by_text) for label, text, some in sides)
    return cells * request.picture_count


Count = Callable[[GenerationRequest, tuple[Any, ...]], int]
COUNTS: Mapping[str, Count] = MappingProxyType(
    {
        PROMPT_MATRIX: _count_matrix,
        PROMPTS_FROM_FILE: _count_lines,
        XYZ_PLOT: _count_cells,
    }
)
