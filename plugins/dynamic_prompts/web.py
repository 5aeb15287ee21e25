"""Options of dynamic prompts."""

from collections.abc import Sequence

from plugins import hook
from plugins.dynamic_prompts.modes import MODES, MOST, RANDOM
from plugins.nouns import Setting


@hook
def settings() -> Sequence[Setting]:
    """Wildcards are text files, a choice a line, in the data directory's folder "wildcards"."""
    return (
        Setting("mode", RANDOM, "One choice a picture, or every combination.", MODES),
        Setting("most", 100, "Most combinations of one request.", least=1, most=MOST),
    )
