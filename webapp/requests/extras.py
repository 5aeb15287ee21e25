"""Bodies of the extras routes, and their translation to ``ExtrasRequest`` (contract 1.11, 5.9)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from generator.request import ExtrasRequest
from webapp.errors import Refused
from webapp.requests.coercion import Bool, Float, Int, Str, to_list
from webapp.requests.context import RequestContext
from webapp.requests.model_choice import resolve_upscaler
from webapp.requests.ranges import check_range

BY_FACTOR, TO_SIZE = 0, 1
MAX_PICTURES = 100
RANGES: Mapping[str, tuple[float, float]] = {
    "gfpgan_visibility": (0, 1),
    "codeformer_visibility": (0, 1),
    "codeformer_weight": (0, 1),
    "extras_upscaler_2_visibility": (0, 1),
    "upscaling_resize": (0.01, 64),
    "upscaling_resize_w": (1, 16384),
    "upscaling_resize_h": (1, 16384),
}


def to_mode(value: object) -> int:
    """0 or 1, which pydantic v1 takes in no other spelling."""
    if value not in (BY_FACTOR, TO_SIZE) or isinstance(value, bool | str):
        raise PydanticCustomError(
            "value_error.const",
            "unexpected value; permitted: 0, 1",
            {"given": value, "permitted": [0, 1]},
        )
    return TO_SIZE if value == TO_SIZE else BY_FACTOR


Mode = Annotated[int, BeforeValidator(to_mode), WithJsonSchema({"type": "integer", "enum": [0, 1]})]


class ExtrasFields(BaseModel):
    """How to enlarge. Unknown fields are ignored, as AUTOMATIC1111 does."""

    model_config = ConfigDict(extra="ignore")

    resize_mode: Mode = BY_FACTOR
    show_extras_results: Bool = True
    gfpgan_visibility: Float = 0
    codeformer_visibility: Float = 0
    codeformer_weight: Float = 0
    upscaling_resize: Float = 2
    upscaling_resize_w: Int = 512
    upscaling_resize_h: Int = 512
    upscaling_crop: Bool = True
    upscaler_1: Str = "None"
    upscaler_2: Str = "None"
    extras_upscaler_2_visibility: Float = 0
    upscale_first: Bool = False


class ExtrasSingle(ExtrasFields):
    """One picture."""

    model_config = ConfigDict(title="ExtrasSingleImageRequest", extra="ignore")

    image: Str = ""


class NamedPicture(BaseModel):
    """A picture of a batch; the name is the caller's."""

    model_config = ConfigDict(title="FileData", extra="ignore")

    data: Str
    name: Str


class ExtrasBatch(ExtrasFields):
    """Several pictures."""

    model_config = ConfigDict(title="ExtrasBatchImagesRequest", extra="ignore")

    imageList: Annotated[list[NamedPicture], BeforeValidator(to_list)]


class PngInfoBody(BaseModel):
    """A picture whose text is to be read."""

    model_config = ConfigDict(title="PNGInfoRequest", extra="ignore")

    image: Str


def to_extras(body: ExtrasFields, images: Sequence[str], context: RequestContext) -> ExtrasRequest:
    """The frozen request of a body whose ``images`` were checked.

    Raises ``Refused`` naming the field for numbers out of range and unknown upscalers.
    """
    for name, (least, greatest) in RANGES.items():
        check_range(name, getattr(body, name), least, greatest)
    if body.resize_mode == TO_SIZE and (body.upscaler_1 or "None") == "None":
        context.add_remark("upscaler_1: None enlarges nothing; the picture keeps its size.")
    return ExtrasRequest(
        images=tuple(images),
        factor=body.upscaling_resize,
        size=target_size(body) if body.resize_mode == TO_SIZE else None,
        crop=body.upscaling_crop,
        upscaler=resolve_upscaler("upscaler_1", body.upscaler_1 or "None", context),
        second_upscaler=resolve_upscaler("upscaler_2", body.upscaler_2 or "None", context),
        second_visibility=body.extras_upscaler_2_visibility,
        gfpgan_visibility=body.gfpgan_visibility,
        codeformer_visibility=body.codeformer_visibility,
        codeformer_weight=body.codeformer_weight,
        tile=int(str(context.options["ESRGAN_tile"])),
        tile_overlap=int(str(context.options["ESRGAN_tile_overlap"])),
        user_name=context.user_name,
        remarks=tuple(context.remarks),
    )


def target_size(body: ExtrasFields) -> tuple[int, int]:
    """The size to cover."""
    return body.upscaling_resize_w, body.upscaling_resize_h


def read_batch_pictures(body: ExtrasBatch, picture: Callable[[str, str], str]) -> list[str]:
    """The checked pictures of a batch. Raises ``Refused`` naming the one at fault."""
    if len(body.imageList) > MAX_PICTURES:
        raise Refused(
            f"imageList: {len(body.imageList)} pictures; at most {MAX_PICTURES}.",
            "too_many",
            count=len(body.imageList),
            most=MAX_PICTURES,
            what="pictures",
        )
    return [
        picture(f"imageList.{number}.data", entry.data)
        for number, entry in enumerate(body.imageList)
    ]
