"""The censor's ``release`` hook in the worker."""

import logging
import math
from collections.abc import Mapping
from typing import Any

from PIL.Image import Image

from generator.hooks import Release, Stage
from plugins import hook
from plugins.api import Home
from plugins.errors import Withheld
from plugins.nsfw_censor.audit import count_withheld
from plugins.nsfw_censor.censor import Action, CensorRules, replacement_of
from plugins.nsfw_censor.detectors import DetectorSet, judge_picture

OWNER = "owner"  # how the setting "callers" names who has no name
FACT = "nsfw_censor"  # key of the answer's info
LOG = logging.getLogger("easel.worker.plugins.nsfw_censor")


class Plugin:
    """The detectors in memory, and the rules as they are now."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.detectors = DetectorSet(home.models)

    @hook(trylast=True)
    def release(self, image: Image, stage: Stage, caller: str) -> Release | None:
        """Judge what the other plugins left of the picture. A failure here fails the job."""
        rules = rules_for(caller, self.home.options())
        if rules is None:
            return None
        verdict = judge_picture(self.detectors, image, rules)
        if not verdict.withheld:
            return None
        action = rules.action
        if action is Action.REJECT and stage is Stage.PREVIEW:
            action = Action.BLACK  # the finished picture is judged by itself
        LOG.info("withheld: %s, %s, %s %.3f", stage, action, verdict.detector, verdict.score)
        count_withheld(self.home.storage, str(stage), str(action), caller)
        if action is Action.REJECT:
            raise Withheld("The NSFW censor withholds this picture, and with it the request.")
        score = round(verdict.score, 3) if math.isfinite(verdict.score) else None
        facts = {"action": str(action), "score": score}
        return Release(
            replacement_of(image, action), {FACT: facts | _detector_fact(rules, verdict.detector)}
        )


def _detector_fact(rules: CensorRules, detector: str) -> dict[str, Any]:
    return {"detector": detector} if len(rules.detectors) > 1 else {}


def rules_for(caller: str, settings: Mapping[str, Any]) -> CensorRules | None:
    """The rules for a caller, None where nothing is withheld from it.

    Raises ``ValueError`` for settings that cannot be meant, which fails the job.
    """
    callers = settings.get("callers", {})
    # A user who is called "owner" is not the owner.
    own = {} if caller == OWNER else callers.get(caller or OWNER, {})
    merged = {**settings, **own}
    if merged.get("off") is True:
        return None
    usual = CensorRules()
    return CensorRules(
        classes=tuple(merged.get("classes", usual.classes)),
        threshold=float(merged.get("threshold", usual.threshold)),
        action=Action(merged.get("action", usual.action)),
        detectors=tuple(merged.get("detectors", usual.detectors)),
        nudenet_threshold=float(merged.get("nudenet_threshold", usual.nudenet_threshold)),
    )
