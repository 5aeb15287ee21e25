"""The body of ``POST /v1/images/edits``: pictures, and a mask transparent where they are edited."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import ConfigDict, WithJsonSchema

from generator.models.registry import Registry
from webapp.errors import Fault, InvalidFields, Refused
from webapp.http.form_data import FormData
from webapp.http.request_images import PictureReader, PictureShape
from webapp.requests.coercion import Bool, Int, Str, Strings
from webapp.requests.img2img import Img2Img
from webapp.requests.openai_images import (
    ImagesRequest,
    OpenAiFields,
    build_request,
    check_fields,
    chosen_sides,
    read_size,
)
from webapp.requests.ranges import SIDE_RANGE, SIDE_STEP

MAX_IMAGES = 16  # pictures to edit; OpenAI's limit
MAX_AUTO_PIXELS = 1024 * 1024  # width x height of what is drawn where nobody names a size
CROP = 1  # resize_mode: cut to the size asked for, never stretched
JSON_FIELDS = frozenset(
    {"alwayson_scripts", "override_settings", "script_args", "styles", "comments"}
)
"""Fields whose text in a form may be JSON."""

PICTURES = "images"  # what JSON bodies call ``image``
FILE_SCHEMA = {"type": "string", "format": "binary"}
Files = Annotated[Strings, WithJsonSchema({"type": "array", "items": FILE_SCHEMA})]
File = Annotated[Str, WithJsonSchema(FILE_SCHEMA)]


class ImageEdit(OpenAiFields, Img2Img):
    """What ``POST /v1/images/edits`` takes; pictures are base64 once the form was read."""

    model_config = ConfigDict(title="ImageEdit", extra="allow")

    image: Files
    mask: File | None = None
    resize_mode: Int | None = CROP
    inpaint_full_res: Bool | None = False


def read_form_fields(form: FormData, encode: Callable[[bytes], str]) -> dict[str, object]:
    """The fields of a form, its files in base64. Raises ``InvalidFields`` for other files."""
    files: dict[str, list[str]] = {}
    while form.files:  # each is freed once it is encoded
        name, each = form.files.popitem()
        files[name] = [encode(each.pop(0)) for _ in range(len(each))]
    unknown = sorted(set(files) - {"image", "mask"})
    if unknown:
        raise InvalidFields([Fault(("body", unknown[0]), "no file is taken here", "value_error")])
    fields = with_picture_list(dict(form.fields))
    if "image" in files:
        fields["image"] = files["image"]
    masks = files.get("mask", [])
    if len(masks) > 1:
        raise InvalidFields([Fault(("body", "mask"), "one mask is taken", "value_error")])
    return fields | ({"mask": masks[0]} if masks else {})


def read_json_fields(body: object) -> object:
    """A JSON body with its pictures as texts: base64, ``data:`` URIs, or addresses."""
    if not isinstance(body, dict):
        return body
    fields = {("image" if name == PICTURES else name): value for name, value in body.items()}
    if "mask" in fields:
        fields["mask"] = picture_text(fields["mask"])
    return with_picture_list(fields)


def with_picture_list(fields: dict[str, object]) -> dict[str, object]:
    """``fields`` with ``image`` as a list, also where it is one picture."""
    pictures = fields.get("image")
    if pictures is not None:
        listed = pictures if isinstance(pictures, list) else [pictures]
        fields["image"] = [picture_text(each) for each in listed]
    return fields


def picture_text(value: object) -> object:
    """The text of a picture that may stand in OpenAI's ``{"image_url": …}``."""
    return value["image_url"] if isinstance(value, Mapping) and "image_url" in value else value


def translate_edit(body: ImageEdit, models: Registry, read_picture: PictureReader) -> ImagesRequest:
    """An edit as an img2img request. Raises ``Refused`` naming the field."""
    check_fields(body)
    if not 1 <= len(body.image) <= MAX_IMAGES:
        raise Refused(f"image: {len(body.image)} pictures; from 1 to {MAX_IMAGES} are taken.")
    images = [read_picture("image", text) for text in body.image]
    first = read_picture.describe(images[0])
    mask = choose_mask(body, images, first, read_picture)
    more = {
        "init_images": images,
        "n_iter": body.n or 1,
        "batch_size": len(images),
        "mask": mask,
        "inpainting_mask_invert": 1,  # AUTOMATIC1111 repaints what is opaque
        "resize_mode": body.resize_mode,
        "inpaint_full_res": body.inpaint_full_res,
    }
    wanted = build_request(body, Img2Img, models, choose_sides(body, first.size), more)
    return wanted if len(images) == 1 else with_remark_on_several(wanted, len(images))


def choose_mask(
    body: ImageEdit, images: list[str], first: PictureShape, read_picture: PictureReader
) -> str | None:
    """The mask in base64: the body's, else a picture that is transparent itself, else None.

    Raises ``Refused`` for one of another size, one that leaves nothing to edit, and one for several
    pictures.
    """
    if not body.mask:
        return images[0] if len(images) == 1 and first.is_transparent else None
    if len(images) > 1:
        raise Refused(f"mask: it is for one image, and {len(images)} came; edit them one by one.")
    mask = read_picture("mask", body.mask)
    shape = read_picture.describe(mask)
    if shape.size != first.size:
        raise Refused(
            f"mask: it has {format_size(shape.size)} pixels and the image "
            f"{format_size(first.size)}; send one of the image's size."
        )
    if not shape.is_transparent:
        raise Refused(
            "mask: nothing in it is transparent; the transparent parts (alpha 0) are edited. "
            "Send a PNG with an alpha channel."
        )
    return mask


def choose_sides(body: ImageEdit, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height to draw: as asked, else the picture's own, made smaller if it is large."""
    named = read_size(body)
    if named or body.model_fields_set & {"width", "height"}:
        return named or chosen_sides(body, min(size))
    ratio = min(1.0, (MAX_AUTO_PIXELS / (size[0] * size[1])) ** 0.5, SIDE_RANGE[1] / max(size))
    width, height = (max(int(side * ratio) // SIDE_STEP * SIDE_STEP, SIDE_STEP) for side in size)
    return width, height


def format_size(size: tuple[int, int]) -> str:
    """Width and height as OpenAI writes them."""
    return f"{size[0]}x{size[1]}"


def with_remark_on_several(wanted: ImagesRequest, count: int) -> ImagesRequest:
    """The request with a sentence on what becomes of several pictures."""
    sentence = f"image: {count} pictures: each is edited by itself, and none looks at another."
    return replace(wanted, remarks=(*wanted.remarks, sentence))
