"""Flags that give a figure to a caller or a role: ``WHO=FIGURE``."""

import re
from collections.abc import Sequence

PAIR = re.compile(r"([^=\s]{1,64})=([0-9]{1,7}(?:\.[0-9]{1,6})?)")
GPU_SHARES = (0.01, 100.0)
"""The least and the greatest weight of a caller."""

MAX_COUNT = 9_999_999


def read_figures(
    flag: str, texts: Sequence[str], least: float, most: float
) -> tuple[tuple[str, float], ...]:
    """Names with their figures, the last of each name. Raises ``ValueError``, which says why."""
    figures: dict[str, float] = {}
    for text in texts:
        match = PAIR.fullmatch(text.strip())
        if match is None:
            raise ValueError(
                f"{flag} takes WHO=NUMBER with the name of a user or token or a role (owner, "
                f"user, generate), not {text!r}."
            )
        name, figure = match[1], float(match[2])
        if not least <= figure <= most:
            raise ValueError(f"{flag} takes {least:g} to {most:g} for {name}, not {match[2]}.")
        figures[name] = figure
    return tuple(figures.items())


def read_counts(flag: str, texts: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """As :func:`read_figures`, whole numbers from 1."""
    figures = read_figures(flag, texts, 1, MAX_COUNT)
    if broken := [name for name, figure in figures if not figure.is_integer()]:
        raise ValueError(f"{flag} takes a whole number for {broken[0]}.")
    return tuple((name, int(figure)) for name, figure in figures)
