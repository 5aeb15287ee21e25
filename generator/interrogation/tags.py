"""Tags and their scores as a prompt (contract section 5.14)."""

import re
from collections.abc import Mapping

from generator.interrogation.requests import TagRules

SPECIAL_CHARACTERS = re.compile(r"([\\()])")
RATING_PREFIX = "rating:"  # how decent a picture is; no word of a prompt


def tags_to_prompt(scores: Mapping[str, float], rules: TagRules) -> str:
    """The tags at or over the threshold, joined by commas. Scores are 0..1."""
    left_out = {normalize_tag(tag) for tag in rules.left_out}
    chosen = [
        (tag, score)
        for tag, score in scores.items()
        if score >= rules.threshold
        and not tag.startswith(RATING_PREFIX)
        and normalize_tag(tag) not in left_out
    ]
    if rules.alphabetic:
        chosen.sort()
    else:
        chosen.sort(key=lambda pair: -pair[1])
    return ", ".join(format_tag(tag, score, rules) for tag, score in chosen)


def format_tag(tag: str, score: float, rules: TagRules) -> str:
    """One tag."""
    text = tag.replace("_", " ") if rules.spaces else tag
    text = SPECIAL_CHARACTERS.sub(r"\\\1", text) if rules.escaped else text
    return f"({text}:{score:.3f})" if rules.with_scores else text


def normalize_tag(tag: str) -> str:
    """A tag as it is compared."""
    return tag.strip().replace(" ", "_").lower()
