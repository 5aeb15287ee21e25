"""Several requests in place of one, drawn one after the other."""

from collections.abc import Sequence

from generator.request import Generation, GenerationRequest
from generator.scripts.drawing import Draw, joined


def run(requests: Sequence[GenerationRequest], draw: Draw) -> Generation:
    """Everything that the requests come to, up to an interrupt. None of them may have a script.

    Raises :class:`generator.errors.BadRequest` where that is too much, and what drawing raises.
    """
    draw.expect(requests)
    drawn: list[Generation] = []
    for request in requests:
        drawn.append(draw(request))
        if drawn[-1].stopped:
            break
    return joined(drawn)
