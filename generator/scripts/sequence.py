"""Several requests in place of one, drawn one after the other."""

from collections.abc import Sequence

from generator.request import Generation, GenerationRequest
from generator.scripts.script_draw import ScriptDraw, join_generations


def run(requests: Sequence[GenerationRequest], draw: ScriptDraw) -> Generation:
    """Everything that the requests come to, up to an interrupt. None of them may have a script.

    Raises :class:`generator.errors.BadRequest` where that is too much, and what drawing raises.
    """
    draw.expect(requests)
    generations: list[Generation] = []
    for request in requests:
        generations.append(draw(request))
        if generations[-1].stopped:
            break
    return join_generations(generations)
