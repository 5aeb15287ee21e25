"""BeautifulPrompt's routes, tab and options."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from plugins import hook
from plugins.api import Ask, Home, ModelFolder, Part, Reply, Route, Setting, Slot, Task
from plugins.beautiful_prompt.prompt_request import (
    EMBEDDED,
    FOLDER,
    PromptRequest,
    find_models,
    read_settings,
)

EXPAND_OPTION = "expand_every_prompt"


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
            Setting(EXPAND_OPTION, False, "Expand every prompt before it is drawn."),
            Setting("model", "", f"The model for that; empty is the first one, else {EMBEDDED}."),
            Setting("device", "auto", "Where language models compute.", ("auto", "cpu")),
        )

    def model_list(self, ask: Ask) -> Reply:
        """Every model with how it is asked; the embedded one is always the last."""
        models = [_to_json(folder) for folder in find_models(self.home.models)]
        own = {"name": EMBEDDED, "embedded": True, "fault": "", "defaults": {}}
        return Reply({"models": [*models, own]})

    def generate_prompt(self, ask: Ask) -> Reply | Task:
        """A wish for the worker; the names of the vendor's clients are understood too."""
        body = ask.body if isinstance(ask.body, dict) else dict(ask.query)
        try:
            request = PromptRequest.model_validate(
                {FIELD_ALIASES.get(name, name): body[name] for name in body}
            )
        except ValidationError as error:
            faults = [{"loc": each["loc"], "msg": each["msg"]} for each in error.errors()]
            return Reply({"detail": faults}, status=422)
        return Task("write", request.model_dump())


FIELD_ALIASES = {"raw_prompt": "prompt", "text": "prompt", "model_name": "model", "num": "count"}


def _to_json(folder: Any) -> dict[str, Any]:
    try:
        defaults, fault = read_settings(folder).model_dump(), ""
    except ValueError as error:
        defaults, fault = {}, str(error)
    return {"name": folder.name, "embedded": False, "fault": fault, "defaults": defaults}
