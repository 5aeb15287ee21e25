"""Options of dynamic prompts, and their script."""

from collections.abc import Sequence

from plugins import hook
from plugins.api import Input, Script, Setting
from plugins.dynamic_prompts.modes import MAX_COMBINATIONS, MAX_ON_A_SHEET, MODES, RANDOM, SCRIPT


@hook
def settings() -> Sequence[Setting]:
    """Wildcards are text files, a choice a line, in the data directory's folder "wildcards"."""
    return (
        Setting("mode", RANDOM, "One choice a picture, or every combination.", MODES),
        Setting("most", 100, "Most combinations of one request.", least=1, most=MAX_COMBINATIONS),
    )


@hook
def scripts() -> Sequence[Script]:
    """Every combination of a template on one sheet, whatever the option ``mode`` says."""
    form = (
        Input("most", "Combinations at most", "number", 16, least=1, most=MAX_ON_A_SHEET),
        Input("other_seeds", "Another seed for each", "switch", False),
        Input("legend", "Write above each what it is", "switch", True),
    )
    return (Script(SCRIPT, form),)
