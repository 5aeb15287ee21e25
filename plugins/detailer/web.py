"""The detailer's panel under the prompt."""

from collections.abc import Sequence

from plugins import hook
from plugins.detailer.wishes import FACE
from plugins.nouns import Input, Part, Slot


@hook
def parts() -> Sequence[Part]:
    """A form that Easel draws."""
    form = (
        Input("enabled", "Paint details again", "switch", False),
        Input("label", "What", "text", FACE),
        Input("strength", "Denoising strength", "number", 0.4, least=0, most=1, step=0.05),
        Input("padding", "Padding, pixels", "number", 32, least=0, most=256, step=4),
        Input("prompt", "Prompt for the details", "text", ""),
    )
    return (Part(Slot.PANEL, "Detailer", form=form),)
