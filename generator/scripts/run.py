"""Runs the script that a request names."""

from collections.abc import Mapping
from types import MappingProxyType

from generator.errors import BadRequest
from generator.hooks import Watch
from generator.request import Generation, GenerationRequest
from generator.scripts import from_file, matrix, plot
from generator.scripts.drawing import Draw, Runner, RunOnce

RUNNERS: Mapping[str, Runner] = MappingProxyType(
    {
        "prompt matrix": matrix.run,
        "prompts from file or textbox": from_file.run,
        "x/y/z plot": plot.run,
    }
)


def run(request: GenerationRequest, once: RunOnce, watch: Watch) -> Generation:
    """Draw ``request`` as its script tells; ``once`` draws a request without one.

    The arguments are those that ``catalogue.check`` let in. Raises :class:`BadRequest` for a
    script that is not there, and what the script and the drawing raise.
    """
    script = request.script
    if script is None:
        return once(request, watch)
    runner = RUNNERS.get(script.title)
    if runner is None:
        raise BadRequest(f"The script {script.title!r} is not there yet.", "script_name")
    return runner(request, script.arguments, Draw(once, watch))
