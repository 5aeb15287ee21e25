"""The censor's options."""

from collections.abc import Sequence

from plugins import hook
from plugins.nouns import Setting

ACTIONS = ("black", "blur", "reject")


@hook
def settings() -> Sequence[Setting]:
    """Whatever the action, files are written and answers given without what was withheld."""
    return (
        Setting("action", "black", "What is shown instead; reject fails the request.", ACTIONS),
        Setting("threshold", 0.7, "Least probability that is withheld.", least=0.01, most=1.0),
        Setting("classes", ["hentai", "porn"], "Classes whose probabilities are added up."),
        Setting(
            "callers",
            {},
            'Other rules for some callers: {"ann": {"threshold": 0.4}, "owner": {"off": true}}.',
        ),
    )
