"""A checkpoint's default settings, as bodies and answers tell them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from generator.model_tools.checkpoint_defaults import LONGEST_NAME, MOST_CLIP_SKIP
from webapp.requests.ranges import RANGES, SIDE_RANGE

Side = Annotated[int, Field(ge=SIDE_RANGE[0], le=SIDE_RANGE[1])]
Steps = Annotated[int, Field(ge=RANGES["steps"][0], le=RANGES["steps"][1])]
Guidance = Annotated[float, Field(ge=RANGES["cfg_scale"][0], le=RANGES["cfg_scale"][1])]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
ClipSkip = Annotated[int, Field(ge=1, le=MOST_CLIP_SKIP)]


class DefaultsEntry(TypedDict):
    """Settings that a checkpoint draws best with, null where it has none."""

    width: int | None
    height: int | None
    steps: int | None
    cfg_scale: float | None
    sampler_name: str | None
    scheduler: str | None
    clip_skip: int | None


class DefaultsBody(BaseModel):
    """The same, written; what is left out is none."""

    model_config = ConfigDict(extra="forbid")

    width: Side | None = None
    height: Side | None = None
    steps: Steps | None = None
    cfg_scale: Guidance | None = None
    sampler_name: Name | None = None
    scheduler: Name | None = None
    clip_skip: ClipSkip | None = None
