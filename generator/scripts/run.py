"""Runs the script that a request names."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from generator.errors import BadRequest
from generator.hooks import Tools, Watch
from generator.request import Generation, GenerationRequest
from generator.scripts import (
    alternative,
    from_file,
    loopback,
    matrix,
    outpainting,
    plot,
    poor_mans_outpainting,
    sd_upscale,
)
from generator.scripts.counting import check_script
from generator.scripts.drawing import Draw, Enlarge, Runner, RunOnce
from generator.workload import NO_LIMIT, check_workload, megapixel_steps

RUNNERS: Mapping[str, Runner] = MappingProxyType(
    {
        "prompt matrix": matrix.run,
        "prompts from file or textbox": from_file.run,
        "x/y/z plot": plot.run,
        "loopback": loopback.run,
        "outpainting mk2": outpainting.run,
        "poor man's outpainting": poor_mans_outpainting.run,
        "sd upscale": sd_upscale.run,
        "img2img alternative test": alternative.run,
    }
)


def run(
    request: GenerationRequest,
    once: RunOnce,
    watch: Watch,
    enlarge: Enlarge | None = None,
    find: Callable[[str], str] | None = None,
    check: Callable[[GenerationRequest], None] | None = None,
    tools: Tools | None = None,
    most: float = NO_LIMIT,
) -> Generation:
    """Draw ``request`` as its script tells; ``once`` draws a request without one.

    ``enlarge`` is what sd upscale enlarges with; ``find`` makes a checkpoint's whole name of a part
    of it; ``check`` raises where a model that a request names is not here; ``tools`` are what
    plugins bring, scripts among them; ``most`` megapixel-steps may be drawn.

    The arguments are those that ``catalogue.check`` let in. Raises :class:`BadRequest` for a
    script that is not there, and what the script and the drawing raise.
    """
    script = request.script
    if script is None:
        check_workload(megapixel_steps(request), most)
        return once(request, watch)
    brought = tools or Tools()
    check_script(request)
    runner = RUNNERS.get(script.title) or brought.scripts.get(script.title)
    if runner is None:
        raise BadRequest(
            f"The script {script.title!r} is not there; its plugin may have been turned off.",
            "script_name",
        )
    draw = Draw(once, watch, enlarge, find, check, brought, most=most)
    return runner(request, script.arguments, draw)
