"""The detailer's panel under the prompt."""

from collections.abc import Sequence

from plugins import hook
from plugins.api import Input, Part, Slot
from plugins.detailer.detailer_options import FACE, MAX_BOXES


@hook
def parts() -> Sequence[Part]:
    """A form that Easel draws."""
    form = (
        Input("enabled", "Paint details again", "switch", False),
        Input("label", "What", "text", FACE),
        Input("strength", "Denoising strength", "number", 0.4, least=0, most=1, step=0.05),
        Input("padding", "Padding, pixels", "number", 32, least=0, most=256, step=4),
        Input("prompt", "Prompt for the details", "text", ""),
        Input("negative_prompt", "Negative prompt for the details", "text", ""),
        Input("restore_faces", "Restore faces in the details", "switch", False),
        Input("grow", "Mask larger by, pixels", "number", 4, least=0, most=128),
        Input("blur", "Mask blur, pixels", "number", 4, least=0, most=64),
        Input("least_score", "Least certainty", "number", 0.3, least=0, most=1, step=0.05),
        Input("most", "At most", "number", 8, least=1, most=MAX_BOXES),
    )
    return (Part(Slot.PANEL, "Detailer", form=form),)
