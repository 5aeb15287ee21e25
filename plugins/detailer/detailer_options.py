"""Options of the detailer. No torch."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NAME = "detailer"
FACE = "face"
MAX_BOXES = 16


class DetailerOptions(BaseModel):
    """The fields of ``alwayson_scripts.detailer``, and of the panel."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = False
    label: Annotated[str, Field(min_length=1, max_length=60)] = FACE
    strength: Annotated[float, Field(ge=0, le=1)] = 0.4  # denoising strength
    padding: Annotated[int, Field(ge=0, le=256)] = 32  # pixels around what was found
    blur: Annotated[int, Field(ge=0, le=64)] = 4  # sigma of the mask's edge, pixels
    grow: Annotated[int, Field(ge=0, le=128)] = 4  # pixels that the mask is larger than the find
    least_score: Annotated[float, Field(ge=0, le=1)] = 0.3
    most: Annotated[int, Field(ge=1, le=MAX_BOXES)] = 8  # finds, the largest first
    prompt: Annotated[str, Field(max_length=2000)] = ""  # "" is the picture's own
    negative_prompt: Annotated[str, Field(max_length=2000)] = ""
    restore_faces: bool = False  # of each find, once it is painted again
