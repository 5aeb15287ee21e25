"""Bodies of ``POST /v1/images/…``: OpenAI's fields, and AUTOMATIC1111's beside them."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from generator.models.kinds import ModelKind
from generator.models.registry import Registry
from webapp.errors import Fault, InvalidFields, Refused
from webapp.requests.coercion import Bool, Int, Str
from webapp.requests.fields import GenerationBody
from webapp.requests.model_choice import find_exact_checkpoint
from webapp.requests.ranges import SIDE_RANGE, SIDE_STEP, check_range
from webapp.requests.txt2img import Txt2Img

AUTO = "auto"
DEFAULT_STEPS = 20  # OpenAI's clients name none, and AUTOMATIC1111's API would take 50
PICTURES = (1, 10)  # n
COMPRESSION = (0, 100)  # output_compression
SIZE = re.compile(r"(\d{1,9})x(\d{1,9})", re.ASCII)
LINKED_MODELS = "dall-e"
"""How names of OpenAI's models begin that answer with addresses where nobody says otherwise."""

FORMATS: Mapping[str, str] = MappingProxyType({"png": "png", "jpeg": "jpg", "webp": "webp"})
"""``output_format``, and our name of it."""

IGNORED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "quality": (AUTO,),
        "style": (),
        "background": (AUTO, "opaque"),
        "moderation": (AUTO,),
        "input_fidelity": (),
        "complexity": (),
        "user": (),
        "safety_identifier": (),
    }
)
"""Fields that nothing here honours, with the values that ask for nothing."""

TAKEN: Mapping[str, str] = MappingProxyType(
    {
        "n_iter": "n says how many pictures are drawn",
        "batch_size": "n says how many pictures are drawn",
        "send_images": "response_format says what is answered",
        "include_init_images": "the answer repeats no pictures",
        "init_images": "image is the picture to edit",
        "image_cfg_scale": "it has no meaning for the checkpoints here",
        "inpainting_mask_invert": "what is transparent in the mask is edited",
        "override_settings_restore_afterwards": "POST /sdapi/v1/options changes options",
    }
)
"""Fields of AUTOMATIC1111 that cannot stand beside OpenAI's, and why."""


@dataclass(frozen=True, slots=True)
class ImagesRequest:
    """A body of OpenAI's as AUTOMATIC1111 would have it, and how it is answered."""

    body: GenerationBody
    linked: bool  # by addresses of saved pictures, or by the pictures in base64
    format: str  # png | jpg | webp
    quality: int  # of JPEG and WebP, 1..100
    remarks: tuple[str, ...]  # what is not done as asked


class OpenAiFields(BaseModel):
    """What OpenAI's clients send with both requests. Unknown fields are told, and ignored."""

    model_config = ConfigDict(extra="allow")

    prompt: Str | None
    model: Str | None = None
    n: Int | None = 1
    size: Str | None = AUTO
    response_format: Str | None = None
    output_format: Str | None = "png"
    output_compression: Int | None = 100
    stream: Bool | None = False
    partial_images: Int | None = 0
    quality: Str | None = None
    style: Str | None = None
    background: Str | None = None
    moderation: Str | None = None
    input_fidelity: Str | None = None
    complexity: Str | None = None
    user: Str | None = None
    safety_identifier: Str | None = None
    steps: Int | None = DEFAULT_STEPS


class ImageGeneration(OpenAiFields, Txt2Img):
    """What ``POST /v1/images/generations`` takes."""

    model_config = ConfigDict(title="ImageGeneration", extra="allow")


def translate_generation(
    body: ImageGeneration, models: Registry, preferred_side: int
) -> ImagesRequest:
    """A generation as a txt2img request; ``preferred_side`` in pixels is for ``size: "auto"``.

    Raises ``Refused`` naming the field.
    """
    check_fields(body)
    sides = read_size(body) or chosen_sides(body, preferred_side)
    return build_request(body, Txt2Img, models, sides, {"n_iter": body.n or 1})


def check_fields(body: OpenAiFields) -> None:
    """Refuse what OpenAI's fields cannot be here. Raises ``Refused`` and ``InvalidFields``."""
    for name in sorted(body.model_fields_set & set(TAKEN)):
        raise Refused(f"{name}: {TAKEN[name]}; leave it out.")
    if body.prompt is None:
        raise InvalidFields([Fault(("body", "prompt"), "field required", "value_error.missing")])
    if body.stream:
        raise Refused("stream: answers are not streamed here; leave it out, or send false.")
    if body.partial_images:
        raise Refused("partial_images: answers are not streamed here; leave it out, or send 0.")
    check_range("n", body.n, *PICTURES)
    check_range("output_compression", body.output_compression, *COMPRESSION)
    check_choice("response_format", body.response_format, ("b64_json", "url"))
    check_choice("output_format", body.output_format, FORMATS)


def check_choice(name: str, value: str | None, choices: Collection[str]) -> None:
    """Refuse a word that is none of the choices."""
    if value is not None and value not in choices:
        raise Refused(f"{name}: {value[:80]!r} is none of {', '.join(choices)}.")


def read_size(body: OpenAiFields) -> tuple[int, int] | None:
    """Width and height in pixels; None for ``auto``. Raises ``Refused``."""
    if body.size in (None, AUTO):
        return None
    found = SIZE.fullmatch(body.size or "")
    if found is None:
        raise Refused(f'size: {(body.size or "")[:80]!r} is not WIDTHxHEIGHT, or "auto".')
    if body.model_fields_set & {"width", "height"}:
        raise Refused("size: the body has width or height besides; send one of both.")
    width, height = int(found[1]), int(found[2])
    for side in (width, height):
        check_range("size", side, *SIDE_RANGE)
    return width, height


def chosen_sides(body: GenerationBody, side: int) -> tuple[int, int]:
    """Width and height of AUTOMATIC1111's fields; ``side`` for each that is not given."""
    given = body.model_fields_set
    width = body.width if "width" in given else None
    height = body.height if "height" in given else None
    return side if width is None else width, side if height is None else height


def build_request(
    body: OpenAiFields,
    form: type[GenerationBody],
    models: Registry,
    sides: tuple[int, int],
    more: Mapping[str, object],
) -> ImagesRequest:
    """The request in AUTOMATIC1111's ``form`` of a checked body; ``more`` are fields of it."""
    linked, format = is_linked(body), FORMATS[body.output_format or "png"]
    quality = max(100 if body.output_compression is None else body.output_compression, 1)
    given = {name: getattr(body, name) for name in body.model_fields_set & set(form.model_fields)}
    settings = dict(given.get("override_settings") or {})
    model, remark = choose_model(body.model, models)
    if model:
        settings["sd_model_checkpoint"] = model
    if linked:
        settings |= saving_settings(format, quality)
    fields = {
        **given,
        **more,
        "steps": body.steps,
        "width": sides[0],
        "height": sides[1],
        "override_settings": settings,
        "save_images": linked or bool(given.get("save_images")),
    }
    remarks = (*([remark] if remark else ()), *describe_size(body, sides), *describe_ignored(body))
    return ImagesRequest(form.model_validate(fields), linked, format, quality, remarks)


def saving_settings(format: str, quality: int) -> dict[str, object]:
    """The options by which the saved pictures are those that the answer names."""
    return {
        "samples_save": True,
        "grid_save": True,
        "samples_format": format,
        "grid_format": format,
        "jpeg_quality": quality,
    }


def is_linked(body: OpenAiFields) -> bool:
    """Whether the answer names addresses: as asked, else as OpenAI's model of that name does."""
    if body.response_format is None:
        return (body.model or "").startswith(LINKED_MODELS)
    return body.response_format == "url"


def choose_model(name: str | None, models: Registry) -> tuple[str, str]:
    """The checkpoint to draw with, "" for the default one, and what to tell of the choice.

    One that is there and cannot be used is refused when the request is translated.
    """
    if not name:
        return "", ""
    if find_exact_checkpoint(models, name) or models.why_rejected(ModelKind.CHECKPOINT, name):
        return name, ""
    return "", f"model: {name[:80]!r} is not here; drawn with the default checkpoint."


def describe_size(body: OpenAiFields, sides: tuple[int, int]) -> list[str]:
    """A sentence where the size that is asked for is not the one that is drawn."""
    drawn = [side // SIDE_STEP * SIDE_STEP for side in sides]
    if body.size in (None, AUTO) or drawn == [*sides]:
        return []
    told = "x".join(map(str, drawn))
    return [f"size: {body.size} is drawn as {told}; sides are multiples of {SIDE_STEP}."]


def describe_ignored(body: OpenAiFields) -> list[str]:
    """A sentence for each field that is taken and not honoured."""
    sentences = [
        f"{name}: it has no meaning here; it was ignored."
        for name, idle in IGNORED.items()
        if getattr(body, name) not in (None, *idle)
    ]
    if body.output_compression not in (None, 100) and body.output_format in (None, "png"):
        sentences.append("output_compression: PNG is never lossy; it was ignored.")
    unknown = (repr(name[:80]) for name in sorted(body.model_extra or ()))
    return sentences + [f"{name}: there is no such field; it was ignored." for name in unknown]
