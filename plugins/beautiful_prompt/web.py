"""BeautifulPrompt's routes, tab and options."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from plugins import hook
from plugins.beautiful_prompt.wishes import EMBEDDED, FOLDER, Wish, installed, manner_of
from plugins.nouns import (
    Ask,
    Home,
    ModelFolder,
    Part,
    Reply,
    Route,
    Setting,
    Slot,
    Task,
)

AUTOMATIC = "expand_every_prompt"


class Plugin:
    """Answers at once what the disk tells; the writing is the worker's."""

    def __init__(self, home: Home) -> None:
        self.home = home

    @hook
    def routes(self) -> Sequence[Route]:
        """For scripts and for the tab."""
        return (
            Route("/model_list", self.model_list),
            Route("/generate_prompt", self.generate_prompt, methods=("GET", "POST")),
        )

    @hook
    def parts(self) -> Sequence[Part]:
        """The tab."""
        return (Part(Slot.TAB, "BeautifulPrompt", module="tab.js", icon="sparkle"),)

    @hook
    def model_folders(self) -> Sequence[ModelFolder]:
        """Language models, a folder each."""
        return (ModelFolder("beautifulprompt", FOLDER, folders=True),)

    @hook
    def settings(self) -> Sequence[Setting]:
        """How prompts are written when nobody looks."""
        return (
            Setting(AUTOMATIC, False, "Expand every prompt before it is drawn."),
            Setting("model", "", f"The model for that; empty is the first one, else {EMBEDDED}."),
            Setting("device", "auto", "Where language models compute.", ("auto", "cpu")),
        )

    def model_list(self, ask: Ask) -> Reply:
        """Every model with how it is asked; the embedded one is always the last."""
        found = [_told(folder) for folder in installed(self.home.models)]
        own = {"name": EMBEDDED, "embedded": True, "fault": "", "defaults": {}}
        return Reply({"models": [*found, own]})

    def generate_prompt(self, ask: Ask) -> Reply | Task:
        """A wish for the worker; the names of the vendor's clients are understood too."""
        body = ask.body if isinstance(ask.body, dict) else dict(ask.query)
        try:
            wish = Wish.model_validate({RENAMED.get(name, name): body[name] for name in body})
        except ValidationError as error:
            faults = [{"loc": each["loc"], "msg": each["msg"]} for each in error.errors()]
            return Reply({"detail": faults}, status=422)
        return Task("write", wish.model_dump())


RENAMED = {"raw_prompt": "prompt", "text": "prompt", "model_name": "model", "num": "count"}


def _told(folder: Any) -> dict[str, Any]:
    try:
        manner, fault = manner_of(folder).model_dump(), ""
    except ValueError as error:
        manner, fault = {}, str(error)
    return {"name": folder.name, "embedded": False, "fault": fault, "defaults": manner}
