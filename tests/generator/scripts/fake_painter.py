"""Paints flat pictures of what scripts ask for, without an engine."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from generator.hooks import Watch, ignore_progress
from generator.request import (
    Generation,
    GenerationRequest,
    Picture,
    Progress,
    ScriptCall,
    Seeds,
    Stop,
)
from generator.scripts.catalogue import SCRIPTS
from generator.scripts.run import run as run_script


@dataclass
class FakePainter:
    """Remembers every request, tells one step of each, and stops where its watch says so."""

    requests: list[GenerationRequest] = field(default_factory=list)

    def __call__(self, request: GenerationRequest, watch: Watch) -> Generation:
        self.requests.append(request)
        stop = watch(Progress("scripts", 0, request.batches, 0, request.sampling.steps), None)
        count = 0 if stop is Stop.INTERRUPT else request.picture_count
        pictures = tuple(self.picture(request, number) for number in range(count))
        return Generation(
            pictures=pictures,
            checkpoint_name=request.checkpoint,
            checkpoint_hash=None,
            vae_name=None,
            vae_hash=None,
            clip_skip=1,
            extra_parameters=dict(request.notes),
            job_timestamp="",
            seconds=1.0,
            network_seconds=0.5,
            stopped=stop is Stop.INTERRUPT,
        )

    @staticmethod
    def picture(request: GenerationRequest, number: int) -> Picture:
        seed = request.seeds.seed + number
        colour = (seed * 37 % 256, seed * 91 % 256, len(request.prompt) * 11 % 256)
        return Picture(
            image=Image.new("RGB", (request.width, request.height), colour),
            seed=seed,
            variation_seed=request.seeds.variation_seed + number,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            infotext=f"{request.prompt}\nSteps: {request.sampling.steps}, Seed: {seed}, Version: v",
        )


def fake_upscale(image: Image.Image, name: str | int, scale: float) -> tuple[Image.Image, str]:
    """An upscaler; "None" leaves the size."""
    factor = 1.0 if name == "None" else scale
    return image.resize((int(image.width * factor), int(image.height * factor))), str(name)


def run_with_painter(
    request: GenerationRequest, painter: FakePainter, watch: Watch = ignore_progress
) -> Generation:
    """What the request's script makes of the painter."""
    return run_script(request, painter, watch, fake_upscale)


def script_request(
    title: str, arguments: Sequence[object], prompt: str = "a cat", **changes: object
) -> GenerationRequest:
    """A request of 64 x 64 pixels with a script."""
    facts: dict[str, object] = {
        "seeds": Seeds(7, 3),
        "width": 64,
        "height": 64,
        "script": ScriptCall(title, tuple(arguments)),
        **changes,
    }
    return GenerationRequest(prompt, **facts)  # type: ignore[arg-type]


def default_arguments(title: str, route: str = "txt2img", **changes: object) -> list[object]:
    """A script's default arguments, some changed by place: ``a0=...``."""
    entry = next(each for each in SCRIPTS[route] if each.title == title)
    values = [argument.default for argument in entry.arguments]
    for name, value in changes.items():
        values[int(name[1:])] = value
    return [() if value is None else value for value in values]
