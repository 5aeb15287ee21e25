"""BeautifulPrompt beside the networks: writes prompts when asked, or before every drawing."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plugins import hook
from plugins.api import Home
from plugins.beautiful_prompt.expander import expand_by_table
from plugins.beautiful_prompt.prompt_request import (
    EMBEDDED,
    PromptRequest,
    find_models,
    read_settings,
)

WRITE = "write"


def never_stop(share: float, text: str) -> bool:
    """Nobody looks, and somebody waits."""
    return True


class Plugin:
    """The writer in memory, if one was asked for."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.models: Any = None  # of language.py: transformers is read when it is first needed

    @hook
    def task(self, verb: str, body: Any, tell: Callable[[float, str], bool]) -> Any:
        """``{"prompts", "original", "model", "seed", "negative_prompt", "interrupted"}``."""
        if verb != WRITE:
            raise ValueError(f"BeautifulPrompt cannot do {verb!r}.")
        return self.write_prompts(PromptRequest.model_validate(body), tell)

    @hook
    def expand_prompt(self, prompt: str) -> str | None:
        """A fuller prompt before every drawing, where the option asks for it."""
        options = self.home.options()
        if not options.get("expand_every_prompt") or not prompt.strip():
            return None
        request = PromptRequest(prompt=prompt, model=str(options.get("model", "")), count=1, seed=0)
        fuller: str = self.write_prompts(request, never_stop)["prompts"][0]
        return fuller

    def write_prompts(
        self, request: PromptRequest, tell: Callable[[float, str], bool]
    ) -> dict[str, Any]:
        """Prompts by the model that the wish names. Raises ``ValueError`` where there is none."""
        folder = self.find_folder(request.model)
        seed = secrets.randbelow(2**32) if request.seed < 0 else request.seed
        answer = {"original": request.prompt, "seed": seed, "negative_prompt": ""}
        if folder is None:
            prompts = expand_by_table(request.prompt, request.count, seed)
            return {**answer, "model": EMBEDDED, "prompts": prompts, "interrupted": False}
        settings = read_settings(folder).with_request(request)
        from plugins.beautiful_prompt import language  # transformers: seconds

        self.models = self.models or language.PromptModelCache()
        model = self.models.load(folder, self.device())
        prompts = language.write_prompts(model, request.prompt, settings, request.count, seed, tell)
        model_facts = {"model": folder.name, "negative_prompt": settings.negative_prompt}
        return {
            **answer,
            **model_facts,
            "prompts": prompts,
            "interrupted": len(prompts) < request.count,
        }

    def find_folder(self, name: str) -> Path | None:
        """The folder of a model, None for the embedded one. Raises ``ValueError``."""
        known = {path.name: path for path in find_models(self.home.models)}
        if name == EMBEDDED or (not name and not known):
            return None
        if not name:
            return next(iter(known.values()))
        if name not in known:
            there = ", ".join([*known, EMBEDDED])
            raise ValueError(f"There is no prompt model {name!r}; there are {there}.")
        return known[name]

    def device(self) -> str:
        """A torch device."""
        import torch  # the worker has it

        chosen = self.home.options().get("device", "auto")
        return "cuda:0" if chosen == "auto" and torch.cuda.is_available() else "cpu"
