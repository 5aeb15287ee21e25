"""Adapter between the engine's listener interface and the plugins of a worker."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from generator.hooks import Redraw, Release, Stage, Tools
from generator.models.families.family import Family
from generator.request import Generation, GenerationRequest, Progress
from generator.scripts.script_draw import join_generations
from plugins.hookspecs import TOOL_TERMS

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from plugins.host import Host

SCRIPTS = "scripts"
FAMILIES = "families"
KINDS = ("samplers", "schedules", "upscalers", SCRIPTS, "preprocessors")
"""What the hook ``tools`` may bring to draw with. A script's title counts in any case."""

ORIGINAL_NOTE = "Original prompt"
"""Key of the infotext under which a prompt stands that a plugin put another in place of."""


def run_script(script: Callable[..., Any], *arguments: Any) -> Generation:
    """Run a script; several generations are joined. Raises ``TypeError`` for another result."""
    result = script(*arguments)
    if isinstance(result, list | tuple) and result:
        result = join_generations(result)
    if not isinstance(result, Generation):
        raise TypeError(f"a script gives what draw gave, or a list of it, not {result!r:.80}")
    return result


def require_family(family: object) -> Family:
    """A family that a plugin brings. Raises ``TypeError`` for one that cannot be told by a file."""
    if not isinstance(family, Family) or family.recognises is None:
        raise TypeError(f"a family is a Family with recognises, not {family!r:.80}")
    return family


class PluginListener:
    """A :class:`generator.hooks.Listener` that asks the plugins of a host."""

    def __init__(
        self, host: "Host", turn: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        """``turn``: in what :meth:`release` calls plugins; the engine has its own already."""
        self.host = host
        self.turn = turn

    @property
    def follows_sampling(self) -> bool:
        """Asked once a job: hooks at each step cost something."""
        return self.host.implements("before_sampling") or self.host.implements("at_step")

    @property
    def tools(self) -> Tools:
        """What plugins bring to draw with; a failure of theirs is told by their name."""
        kinds: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        families: dict[str, Family] = {}
        for plugin, plugin_tools in self.host.ask("tools"):
            for kind in KINDS:
                for name, function in plugin_tools.get(kind, {}).items():
                    key = name.lower() if kind == SCRIPTS else name
                    kinds[kind].setdefault(key, self._wrap_tool(plugin, kind, name, function))
            for name, family in plugin_tools.get(FAMILIES, {}).items():
                check = partial(require_family, family)
                checked = self.host.run(plugin, f"{FAMILIES} {name}", check, TOOL_TERMS)
                families.setdefault(name, checked)
        return Tools(**kinds, families=families)

    def _wrap_tool(
        self, plugin: str, kind: str, name: str, function: Callable[..., Any]
    ) -> Callable[..., Any]:
        what = f"{kind} {name}"
        make = partial(run_script, function) if kind == SCRIPTS else function
        return lambda *given: self.host.run(plugin, what, lambda: make(*given), TOOL_TERMS)

    def before_generate(self, request: GenerationRequest) -> GenerationRequest:
        """Prompts expanded, then the whole request shown. Raises ``HookFailed``."""
        self.host.check_required()
        prompt = self.host.chain(
            "expand_prompt",
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            request=request,
        )
        if prompt != request.prompt:
            notes = {**request.notes, ORIGINAL_NOTE: request.prompt}
            request = replace(request, prompt=prompt, notes=notes)
        changed: GenerationRequest = self.host.chain("before_generate", request=request)
        return changed

    def split(self, request: GenerationRequest) -> Sequence[GenerationRequest]:
        """The requests of the first plugin that gives some, else this one alone."""
        for _, requests in self.host.ask("split", request=request):
            if requests:
                return tuple(requests)
        return (request,)

    def before_sampling(
        self, latent: "Tensor", sigmas: "Tensor", request: GenerationRequest
    ) -> "Tensor":
        """The latent as the last plugin gave it."""
        changed: Tensor = self.host.chain(
            "before_sampling", latent=latent, sigmas=sigmas, request=request
        )
        return changed

    def at_step(
        self, estimate: "Tensor", progress: Progress, request: GenerationRequest
    ) -> "Tensor":
        """The estimate as the last plugin gave it."""
        changed: Tensor = self.host.chain(
            "at_step", estimate=estimate, progress=progress, request=request
        )
        return changed

    def after_decode(
        self, image: "Image", number: int, request: GenerationRequest, draw: Redraw
    ) -> "Image":
        """The picture as the last plugin gave it."""
        changed: Image = self.host.chain(
            "after_decode", image=image, number=number, request=request, draw=draw
        )
        return changed

    def release(
        self, image: "Image", stage: Stage, request: GenerationRequest | None, caller: str
    ) -> Release:
        """The picture as the last plugin let it out. Raises ``HookFailed``, ``Withheld``."""
        self.host.check_required()
        with self.turn() if self.host.implements("release") else nullcontext():
            return self.host.chain_release(image, stage, request, caller)
