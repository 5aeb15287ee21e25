"""The censor on the way out of a worker."""

from collections.abc import Mapping
from typing import Any

from PIL.Image import Image

from generator.hooks import Release, Stage
from plugins import hook
from plugins.errors import Withheld
from plugins.nouns import Home
from plugins.nsfw_censor.censor import Action, Rules, judged, shown_instead
from plugins.nsfw_censor.network import load_network

OWNER = "owner"  # how the setting "callers" names who has no name
FACT = "nsfw_censor"  # key of the answer's info


class Plugin:
    """The classifier in memory, and the rules as they are now."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.network = load_network()

    @hook(trylast=True)
    def release(self, image: Image, stage: Stage, caller: str) -> Release | None:
        """Judge what the other plugins left of the picture. A failure here fails the job."""
        rules = rules_for(caller, self.home.options())
        if rules is None:
            return None
        (verdict,) = judged(self.network, [image], rules)
        if not verdict.withheld:
            return None
        if rules.action is Action.REJECT and stage is not Stage.PREVIEW:
            raise Withheld("The NSFW censor withholds this picture, and with it the request.")
        action = Action.BLACK if rules.action is Action.REJECT else rules.action
        told = {"action": str(action), "score": round(verdict.score or 0.0, 3)}
        return Release(shown_instead(image, action), {FACT: told})


def rules_for(caller: str, settings: Mapping[str, Any]) -> Rules | None:
    """The rules for a caller, None where nothing is withheld from it.

    Raises ``ValueError`` for settings that cannot be meant, which fails the job.
    """
    own = settings.get("callers", {}).get(caller or OWNER, {})
    merged = {**settings, **own}
    if merged.get("off"):
        return None
    usual = Rules()
    return Rules(
        classes=tuple(merged.get("classes", usual.classes)),
        threshold=float(merged.get("threshold", usual.threshold)),
        action=Action(merged.get("action", usual.action)),
    )
