"""Tags and their scores as a prompt (contract section 5.14)."""

import re
from collections.abc import Mapping

from generator.describing.questions import TagRules

SPECIAL = re.compile(r"([\\()])")
RATING = "rating:"  # how decent a picture is; no word of a prompt


def worded(scores: Mapping[str, float], rules: TagRules) -> str:
    """The tags at or over the threshold, joined by commas. Scores are 0..1."""
    left_out = {plain(tag) for tag in rules.left_out}
    chosen = [
        (tag, score)
        for tag, score in scores.items()
        if score >= rules.threshold and not tag.startswith(RATING) and plain(tag) not in left_out
    ]
    if rules.alphabetic:
        chosen.sort()
    else:
        chosen.sort(key=lambda pair: -pair[1])
    return ", ".join(written(tag, score, rules) for tag, score in chosen)


def written(tag: str, score: float, rules: TagRules) -> str:
    """One tag."""
    text = tag.replace("_", " ") if rules.spaces else tag
    text = SPECIAL.sub(r"\\\1", text) if rules.escaped else text
    return f"({text}:{score:.3f})" if rules.with_scores else text


def plain(tag: str) -> str:
    """A tag as it is compared."""
    return tag.strip().replace(" ", "_").lower()
