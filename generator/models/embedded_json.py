"""JSON objects that trainers keep as texts in a file's metadata."""

import json
import re
from itertools import accumulate

from generator.models.header import refuse_constant

MOST_PARTS = 100_000  # brackets and commas of an object that is told as one
DEEPEST = 64  # brackets within each other in it


def parse_embedded(value: str) -> object:
    """The object in a text, or the text where it holds none that can stand in an answer."""
    if not value.startswith("{") or sum(map(value.count, "{[,")) > MOST_PARTS:
        return value
    try:
        content = json.loads(value, parse_constant=refuse_constant)
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return value
    return content if _nesting_depth(value) <= DEEPEST else value


def _nesting_depth(text: str) -> int:
    """How deep brackets stand within each other, at most; those in strings count too."""
    steps = ((char in "{[") - (char in "}]") for char in re.sub(r"[^\[\]{}]", "", text))
    return max(accumulate(steps), default=0)
