"""Interface of the engine's listener: what it may observe and change in a job. No torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from generator.request import Generation, GenerationRequest, Progress, Stop

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from generator.models.families.family import Family


class Watch(Protocol):
    """Progress callback of one job. Called by the engine, in its thread, before each step.

    ``preview`` draws a small picture of the current latent; it costs nothing unless it is called.
    The return value stops the job; an exception fails it.
    """

    def __call__(self, progress: Progress, preview: Callable[[], "Image"] | None) -> Stop: ...


@runtime_checkable
class PictureWatch(Protocol):
    """A watch that also takes each picture of a request without a script as soon as it is drawn.

    The engine looks for it in the watch that it is given. What it takes has passed
    :meth:`Listener.release` as a preview; :meth:`Listener.after_decode` may still change it.
    """

    def take_picture(self, number: int, image: "Image") -> None:
        """The picture of this number in the job, from 0. An exception fails the job."""
        ...


@runtime_checkable
class DeviceWatch(Protocol):
    """A watch that is also told what share of the device the job has, among those beside it."""

    def hold_device(self, weight: float) -> None:
        """From now on: 0 while others have it; its rows while calls are shared; else 1.

        Called in any thread, some microseconds before it holds; raises nothing.
        """
        ...


def ignore_progress(progress: Progress, preview: Callable[[], "Image"] | None) -> Stop:
    """A watch that ignores the progress and never stops the job."""
    return Stop.NO


class Ended(Exception):
    """Ends a job through whatever draws; code in between must not catch it."""


class Stage(StrEnum):
    """What a picture that is about to leave the engine is."""

    PICTURE = "picture"
    PREVIEW = "preview"
    MAP = "map"  # of ControlNet, masks
    ASIDE = "aside"  # saved beside: before the larger pass, before colour correction
    SHEET = "sheet"  # a script's
    EXTRAS = "extras"


@dataclass(frozen=True, slots=True)
class Release:
    """What leaves in place of a picture, and what the answer's ``info`` tells about it."""

    image: "Image"
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Tools:
    """Samplers, schedules, upscalers, scripts, preprocessors and families of plugins, by name.

    Built-in names take precedence. A sampler is called as the built-in ones are:
    ``(denoise, x (B,4,h,w), sigmas (n+1,), draw) -> Tensor``. A schedule gives falling levels that
    end with 0: ``(steps, sigma_min, sigma_max) -> Tensor``. An upscaler: ``(image, scale) ->
    Image``. A script: ``(request, arguments, draw) -> Generation``, its arguments by position,
    under its title in lower case. A preprocessor of ControlNet: ``(image, dials) -> Image``. A
    family of checkpoints is asked before the built-in ones.
    """

    samplers: Mapping[str, Callable[..., "Tensor"]] = field(default_factory=dict)
    schedules: Mapping[str, Callable[[int, float, float], "Tensor"]] = field(default_factory=dict)
    upscalers: Mapping[str, Callable[["Image", float], "Image"]] = field(default_factory=dict)
    scripts: Mapping[str, Callable[..., Generation]] = field(default_factory=dict)
    preprocessors: Mapping[str, Callable[..., "Image"]] = field(default_factory=dict)
    families: Mapping[str, "Family"] = field(default_factory=dict)


class Redraw(Protocol):
    """What a listener is given to work on a finished picture with."""

    def __call__(self, request: GenerationRequest) -> Generation:
        """Draw a request inside the running one; what it remarks is remarked of the whole job."""
        ...

    def remark(self, text: str) -> None:
        """Tell the caller a sentence, in the answer's ``info.comments``."""
        ...


class Listener(Protocol):
    """Hears of every job of an engine, and may change what it hears of. Plugins are behind it.

    Whatever it raises fails the job.
    """

    @property
    def follows_sampling(self) -> bool:
        """Whether :meth:`before_sampling` and :meth:`at_step` want to be called."""
        ...

    @property
    def tools(self) -> Tools:
        """What it brings to draw with; asked at each job."""
        ...

    def before_generate(self, request: GenerationRequest) -> GenerationRequest:
        """The request to draw in place of this one, scripts and prompt untouched so far."""
        ...

    def split(self, request: GenerationRequest) -> Sequence[GenerationRequest]:
        """Requests to draw in turn in place of this one, which has no script. At least one."""
        ...

    def before_sampling(
        self, latent: "Tensor", sigmas: "Tensor", request: GenerationRequest
    ) -> "Tensor":
        """The latent (B,4,h,w) to begin with; noise levels (n+1,) fall to 0."""
        ...

    def at_step(
        self, estimate: "Tensor", progress: Progress, request: GenerationRequest
    ) -> "Tensor":
        """The x0 (B,4,h,w) that guidance found, or another."""
        ...

    def after_decode(
        self, image: "Image", number: int, request: GenerationRequest, draw: Redraw
    ) -> "Image":
        """The picture of this number, or another; ``draw`` runs a request inside this one."""
        ...

    def release(
        self, image: "Image", stage: Stage, request: GenerationRequest | None, caller: str
    ) -> Release:
        """The last word on a picture that leaves. The request is None where nothing was drawn.

        ``caller`` is the name of whom it goes to, "" for the owner.
        """
        ...


class NullListener:
    """A listener that changes nothing; used where there are no plugins."""

    @property
    def follows_sampling(self) -> bool:
        """Nobody wants to be called."""
        return False

    @property
    def tools(self) -> Tools:
        """None."""
        return Tools()

    def before_generate(self, request: GenerationRequest) -> GenerationRequest:
        """As it is."""
        return request

    def split(self, request: GenerationRequest) -> Sequence[GenerationRequest]:
        """It alone."""
        return (request,)

    def before_sampling(
        self, latent: "Tensor", sigmas: "Tensor", request: GenerationRequest
    ) -> "Tensor":
        """As it is."""
        return latent

    def at_step(
        self, estimate: "Tensor", progress: Progress, request: GenerationRequest
    ) -> "Tensor":
        """As it is."""
        return estimate

    def after_decode(
        self, image: "Image", number: int, request: GenerationRequest, draw: Redraw
    ) -> "Image":
        """As it is."""
        return image

    def release(
        self, image: "Image", stage: Stage, request: GenerationRequest | None, caller: str
    ) -> Release:
        """As it is."""
        return Release(image)
