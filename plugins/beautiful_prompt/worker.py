"""BeautifulPrompt beside the networks: writes prompts when asked, or before every drawing."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plugins import hook
from plugins.beautiful_prompt.expander import expand
from plugins.beautiful_prompt.wishes import EMBEDDED, Wish, installed, manner_of
from plugins.nouns import Home

WRITE = "write"


def patient(share: float, text: str) -> bool:
    """Nobody looks, and somebody waits."""
    return True


class Plugin:
    """The writer in memory, if one was asked for."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.shelf: Any = None  # of language.py: transformers is read when it is first needed

    @hook
    def task(self, verb: str, body: Any, tell: Callable[[float, str], bool]) -> Any:
        """``{"prompts", "original", "model", "seed", "negative_prompt", "interrupted"}``."""
        if verb != WRITE:
            raise ValueError(f"BeautifulPrompt cannot do {verb!r}.")
        return self.written(Wish.model_validate(body), tell)

    @hook
    def expand_prompt(self, prompt: str) -> str | None:
        """A fuller prompt before every drawing, where the option asks for it."""
        options = self.home.options()
        if not options.get("expand_every_prompt") or not prompt.strip():
            return None
        wish = Wish(prompt=prompt, model=str(options.get("model", "")), count=1, seed=0)
        found: str = self.written(wish, patient)["prompts"][0]
        return found

    def written(self, wish: Wish, tell: Callable[[float, str], bool]) -> dict[str, Any]:
        """Prompts by the model that the wish names. Raises ``ValueError`` where there is none."""
        folder = self.folder_of(wish.model)
        seed = secrets.randbelow(2**32) if wish.seed < 0 else wish.seed
        answer = {"original": wish.prompt, "seed": seed, "negative_prompt": ""}
        if folder is None:
            prompts = expand(wish.prompt, wish.count, seed)
            return {**answer, "model": EMBEDDED, "prompts": prompts, "interrupted": False}
        manner = manner_of(folder).asked(wish)
        from plugins.beautiful_prompt import language  # transformers: seconds

        self.shelf = self.shelf or language.Shelf()
        writer = self.shelf.take(folder, self.device())
        prompts = language.write_prompts(writer, wish.prompt, manner, wish.count, seed, tell)
        told = {"model": folder.name, "negative_prompt": manner.negative_prompt}
        return {**answer, **told, "prompts": prompts, "interrupted": len(prompts) < wish.count}

    def folder_of(self, name: str) -> Path | None:
        """The folder of a model, None for the embedded one. Raises ``ValueError``."""
        known = {path.name: path for path in installed(self.home.models)}
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
