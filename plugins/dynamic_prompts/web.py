"""Options of dynamic prompts, and their script."""

from collections.abc import Sequence

from plugins import hook
from plugins.dynamic_prompts.modes import MODES, MOST, MOST_ON_A_SHEET, RANDOM, SCRIPT
from plugins.nouns import Input, Script, Setting


@hook
def settings() -> Sequence[Setting]:
    """Wildcards are text files, a choice a line, in the data directory's folder "wildcards"."""
    return (
        Setting("mode", RANDOM, "One choice a picture, or every combination.", MODES),
        Setting("most", 100, "Most combinations of one request.", least=1, most=MOST),
    )


@hook
def scripts() -> Sequence[Script]:
    """Every combination of a template on one sheet, whatever the option ``mode`` says."""
    form = (
        Input("most", "Combinations at most", "number", 16, least=1, most=MOST_ON_A_SHEET),
        Input("other_seeds", "Another seed for each", "switch", False),
        Input("legend", "Write above each what it is", "switch", True),
    )
    return (Script(SCRIPT, form),)
