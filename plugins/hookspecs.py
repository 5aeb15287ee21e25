"""Specifications of all hooks: when each is called, arguments, result, effect of a failure.

Hooks that get a value and may give another are called as a chain: each plugin gets what the one
before it gave, None leaves it as it is. The others are asked in turn and their lists are joined.
A plugin takes the arguments it wants, by name. docs/plugins.md shows one example of each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import pluggy

from generator.hooks import Redraw, Release, Stage
from plugins.api import (
    ROOM,
    Box,
    Home,
    Metric,
    ModelFolder,
    Part,
    Preprocessor,
    Route,
    Script,
    Setting,
    Side,
)

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from generator.models.families.family import Family
    from generator.request import GenerationRequest, Progress

spec: Final = pluggy.HookspecMarker(ROOM)


@dataclass(frozen=True, slots=True)
class HookTerms:
    """Terms of a hook: process, time budget, and whether its failure ends the job."""

    side: Side
    budget: float  # seconds a call may take; a plugin over it three times is disabled
    closed: bool = False  # a failure ends the job; otherwise the job goes on without the plugin
    chain: str = ""  # the argument that is handed on, "" where answers are collected


class WebHooks:
    """Hooks of ``web.py``."""

    @spec
    def web_start(self, home: Home) -> None:
        """The web process begins, or has reloaded its plugins."""

    @spec
    def web_stop(self) -> None:
        """The plugin is about to be dropped: it was disabled, is reloaded, or the process ends."""

    @spec
    def routes(self) -> Sequence[Route] | None:
        """Routes below ``/plugins/<name>``. An answer may be a ``Task`` for the plugin's worker."""

    @spec
    def parts(self) -> Sequence[Part] | None:
        """Tabs, panels under the prompt, buttons on pictures."""

    @spec
    def settings(self) -> Sequence[Setting] | None:
        """Options of the plugin, with their defaults; ``home.options()`` has what was set."""

    @spec
    def model_folders(self) -> Sequence[ModelFolder] | None:
        """Kinds of models that the plugin keeps under ``models/``."""

    @spec
    def metrics(self) -> Sequence[Metric] | None:
        """Numbers for ``/metrics``."""

    @spec
    def scripts(self) -> Sequence[Script] | None:
        """Scripts of the script selector, with their arguments; ``tools`` has what they do."""

    @spec
    def preprocessors(self) -> Sequence[Preprocessor] | None:
        """Preprocessors for ControlNet, with their numbers; ``tools`` has what they do."""

    @spec
    def families(self) -> "Sequence[Family] | None":
        """Families of checkpoints that may be chosen; ``tools`` brings the same to the worker."""

    @spec
    def choices(self) -> Mapping[str, Sequence[str]] | None:
        """Names that ``worker.py`` brings, by kind: "samplers", "schedules", "upscalers"."""


class WorkerHooks:
    """Hooks of ``worker.py``."""

    @spec
    def worker_start(self, home: Home) -> None:
        """A worker begins, or has reloaded its plugins."""

    @spec
    def worker_stop(self) -> None:
        """The plugin is about to be dropped: it was disabled, is reloaded, or the process ends."""

    @spec
    def tools(self) -> Mapping[str, Mapping[str, Any]] | None:
        """What the hooks of ``web.py`` name: kind -> name -> function, or ``Family``."""

    @spec
    def task(self, verb: str, body: Any, tell: Callable[[float, str], bool]) -> Any:
        """Work that a route of the same plugin asked for; the outcome is its JSON answer.

        ``tell(share, text)`` shows how far it is, and is False when it should stop.
        """

    @spec
    def expand_prompt(
        self, prompt: str, negative_prompt: str, request: "GenerationRequest"
    ) -> str | None:
        """Another prompt, before styles, scripts and grammar; the infotext tells the new one."""

    @spec
    def before_generate(self, request: "GenerationRequest") -> "GenerationRequest | None":
        """Another request, before anything is loaded. Its prompt is expanded already."""

    @spec
    def split(self, request: "GenerationRequest") -> "Sequence[GenerationRequest] | None":
        """Requests to draw in turn in place of one without a script; the first answer counts."""

    @spec
    def before_sampling(
        self, latent: "Tensor", sigmas: "Tensor", request: "GenerationRequest"
    ) -> "Tensor | None":
        """Another latent (B,4,h,w) to begin with, noise added; sigmas (n+1,) fall to 0."""

    @spec
    def at_step(
        self, estimate: "Tensor", progress: "Progress", request: "GenerationRequest"
    ) -> "Tensor | None":
        """Another x0 (B,4,h,w) after guidance, at each call of the network by the sampler."""

    @spec
    def after_decode(
        self,
        image: "Image",
        number: int,
        request: "GenerationRequest",
        draw: Redraw,
    ) -> "Image | None":
        """Another picture. ``draw`` runs a request inside this one; ``draw.remark(text)`` is said
        in the answer's ``info.comments``.
        """

    @spec
    def find_boxes(self, image: "Image", label: str) -> Sequence[Box] | None:
        """Where ``label`` ("face", or what this plugin knows) is seen in a picture."""

    @spec
    def release(
        self, image: "Image", stage: Stage, request: "GenerationRequest | None", caller: str
    ) -> Release | None:
        """The last word on each picture that leaves: answers, files, previews, maps, sheets.

        ``caller`` is "" for the owner; ``request`` is None where nothing was drawn.
        """

    @spec
    def after_save(self, paths: Sequence[Path], request: "GenerationRequest") -> None:
        """A job is done, its pictures are on the disk: every file, none where nothing is saved."""

    @spec
    def job_failed(self, error: Exception, request: "GenerationRequest") -> None:
        """A job ended in an error, which goes to the caller whatever happens here."""


WEB, WORKER = Side.WEB, Side.WORKER
HOOKS: Final[Mapping[str, HookTerms]] = MappingProxyType(
    {
        "web_start": HookTerms(WEB, 1.0),
        "web_stop": HookTerms(WEB, 1.0),
        "routes": HookTerms(WEB, 0.1),
        "parts": HookTerms(WEB, 0.1),
        "settings": HookTerms(WEB, 0.1),
        "model_folders": HookTerms(WEB, 0.1),
        "metrics": HookTerms(WEB, 0.1),
        "scripts": HookTerms(WEB, 0.1),
        "preprocessors": HookTerms(WEB, 0.1),
        "families": HookTerms(WEB, 0.1),
        "choices": HookTerms(WEB, 0.1),
        "worker_start": HookTerms(WORKER, 5.0),
        "worker_stop": HookTerms(WORKER, 1.0),
        "tools": HookTerms(WORKER, 0.5),
        "task": HookTerms(WORKER, 3600.0, closed=True),
        "expand_prompt": HookTerms(WORKER, 30.0, chain="prompt"),
        "before_generate": HookTerms(WORKER, 1.0, chain="request"),
        "split": HookTerms(WORKER, 5.0),
        "before_sampling": HookTerms(WORKER, 1.0, chain="latent"),
        "at_step": HookTerms(WORKER, 0.25, chain="estimate"),
        "after_decode": HookTerms(WORKER, 120.0, chain="image"),
        "find_boxes": HookTerms(WORKER, 10.0),
        "release": HookTerms(WORKER, 2.0, closed=True),
        "after_save": HookTerms(WORKER, 2.0),
        "job_failed": HookTerms(WORKER, 1.0),
    }
)
"""Each hook's terms. A test holds that this table and the two classes name the same hooks."""


ROUTE_TERMS: Final = HookTerms(WEB, 5.0, closed=True)
"""The terms of a route's function: quick, for it holds one of the web process's threads."""


METRIC_TERMS: Final = HookTerms(WEB, 0.1)
"""The terms of a number for ``/metrics``."""

TOOL_TERMS: Final = HookTerms(WORKER, 3600.0, closed=True)
"""The terms of what ``tools`` brings: it is the job's own work, and its failure the job's."""


def hookspecs_of(side: Side) -> type:
    """The class that names the hooks of one process."""
    return WebHooks if side is Side.WEB else WorkerHooks
