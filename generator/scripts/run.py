"""Runs the script that a request names."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from generator.errors import BadRequest
from generator.hooks import Tools, Watch
from generator.request import Generation, GenerationRequest
from generator.scripts import (
    img2img_alternative,
    loopback,
    outpainting,
    poor_mans_outpainting,
    prompt_matrix,
    prompts_from_file,
    sd_upscale,
    xyz_plot,
)
from generator.scripts.picture_count import check_script
from generator.scripts.script_draw import Enlarge, Runner, RunOnce, ScriptDraw
from generator.workload import NO_LIMIT, check_workload, megapixel_steps

RUNNERS: Mapping[str, Runner] = MappingProxyType(
    {
        "prompt matrix": prompt_matrix.run,
        "prompts from file or textbox": prompts_from_file.run,
        "x/y/z plot": xyz_plot.run,
        "loopback": loopback.run,
        "outpainting mk2": outpainting.run,
        "poor man's outpainting": poor_mans_outpainting.run,
        "sd upscale": sd_upscale.run,
        "img2img alternative test": img2img_alternative.run,
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
    plugin_tools = tools or Tools()
    check_script(request)
    runner = RUNNERS.get(script.title) or plugin_tools.scripts.get(script.title)
    if runner is None:
        raise BadRequest(
            f"The script {script.title!r} is not there; its plugin may have been turned off.",
            "script_name",
        )
    draw = ScriptDraw(once, watch, enlarge, find, check, plugin_tools, max_steps=most)
    return runner(request, script.arguments, draw)
