"""Extras: upscales pictures and mends faces without diffusion (contract section 5.9)."""

from PIL import Image

from generator.errors import BadRequest
from generator.faces.face_restorers import FaceRestorers
from generator.faces.job_faces import JobFaces
from generator.faces.restorer_files import CODEFORMER, GFPGAN
from generator.pictures.base64_images import bytes_of, decode, open_header
from generator.pictures.embedded_text import PARAMETERS, read_infotext
from generator.pictures.infotext import quote_value
from generator.pictures.upscalers import TileOptions, Upscalers
from generator.request import Extras, ExtrasRequest

NONE = "None"
POSTPROCESSING = "postprocessing"  # the chunk that tells what was done
MOST_PIXELS = 8192 * 8192
MAX_TOTAL_PIXELS = 4 * MOST_PIXELS  # of a batch
LONGEST_SIDE = 16384  # pixels


def enlarge_all(
    request: ExtrasRequest, upscalers: Upscalers, face_restorers: FaceRestorers
) -> Extras:
    """Each picture of ``request`` as large as asked for, then its faces mended.

    A picture keeps its own text chunks and gets ``postprocessing``. Raises :class:`BadRequest`
    for what cannot be read or would be too large, and what :meth:`Upscalers.enlarge` raises.
    """
    menders = _menders_of(request, face_restorers)
    notes = notes_of(request, menders) if request.images else {}
    notes_text = ", ".join(f"{key}: {quote_value(value)}" for key, value in notes.items())
    images: list[Image.Image] = []
    for number, text in enumerate(request.images):
        _check_total_pixels(images)
        file = open_header(bytes_of(text, "image"))
        image = decode(file)
        text_chunks = texts_of(file)
        image = _mend_faces(_enlarge(image, request, upscalers), number, menders)
        image.info.clear()
        image.info.update({**text_chunks, POSTPROCESSING: notes_text})
        images.append(image)
    remarks = dict.fromkeys(remark for faces, _ in menders for remark in faces.remarks)
    return Extras(tuple(images), notes, tuple(remarks))


def _menders_of(request: ExtrasRequest, restorers: FaceRestorers) -> list[tuple[JobFaces, float]]:
    """The restorers that are asked for, in AUTOMATIC1111's order, each with its visibility."""
    fidelity = request.codeformer_weight
    both = (
        (JobFaces(restorers, GFPGAN, "gfpgan_visibility"), request.gfpgan_visibility),
        (
            JobFaces(restorers, CODEFORMER, "codeformer_visibility", fidelity),
            request.codeformer_visibility,
        ),
    )
    return [(faces, visibility) for faces, visibility in both if visibility > 0]


def _mend_faces(
    image: Image.Image, number: int, menders: list[tuple[JobFaces, float]]
) -> Image.Image:
    for faces, visibility in menders:
        mended = faces.restore(image, number)
        if mended is not image:
            image = Image.blend(image, mended, visibility) if visibility < 1 else mended
    return image


def _check_total_pixels(images: list[Image.Image]) -> None:
    if sum(image.width * image.height for image in images) > MAX_TOTAL_PIXELS:
        raise BadRequest(
            f"The first {len(images)} pictures came to more than {MAX_TOTAL_PIXELS} pixels; "
            "send fewer at a time.",
            "imageList",
            "picture_too_large",
            most=MAX_TOTAL_PIXELS,
        )


def notes_of(request: ExtrasRequest, menders: list[tuple[JobFaces, float]]) -> dict[str, object]:
    """What is done to a picture, by AUTOMATIC1111's keys and in their order."""
    notes = {} if request.upscaler == NONE else _upscaling_notes(request)
    for faces, visibility in menders:
        if faces.name is not None:
            notes[f"{faces.wanted} visibility"] = visibility
            if faces.wanted == CODEFORMER:
                notes["CodeFormer weight"] = request.codeformer_weight
    return notes


def _upscaling_notes(request: ExtrasRequest) -> dict[str, object]:
    notes: dict[str, object] = {}
    if request.size is None:
        notes["Postprocess upscale by"] = request.factor
    else:
        size = f"{request.size[0]}x{request.size[1]}"
        notes["Postprocess upscale to"] = size
        if request.crop:
            notes["Postprocess crop to"] = size
    notes["Postprocess upscaler"] = request.upscaler
    if _uses_second_upscaler(request):
        notes["Postprocess upscaler 2"] = request.second_upscaler
    return notes


def texts_of(image: Image.Image) -> dict[str, str]:
    """The text chunks of a picture; a JPEG's or WebP's infotext as ``parameters``."""
    texts = {str(key): text for key, text in image.info.items() if isinstance(text, str)}
    infotext = read_infotext(image)
    return texts | ({PARAMETERS: infotext} if infotext else {})


def _uses_second_upscaler(request: ExtrasRequest) -> bool:
    return request.second_upscaler != NONE and request.second_visibility > 0


def _enlarge(image: Image.Image, request: ExtrasRequest, upscalers: Upscalers) -> Image.Image:
    image = image if image.mode == "RGBA" else image.convert("RGB")
    if request.upscaler == NONE:
        return image
    factor = _scale_factor(image, request)
    tiling = TileOptions(request.tile, request.tile_overlap)
    covered = request.size if request.crop else None
    larger = upscalers.enlarge(image, request.upscaler, factor, tiling, covered)
    if _uses_second_upscaler(request):
        other = upscalers.enlarge(image, request.second_upscaler, factor, tiling, covered)
        other = other.convert(larger.mode)
        larger = Image.blend(larger, other, request.second_visibility)
    return _crop(larger, request.size) if request.size and request.crop else larger


def _scale_factor(image: Image.Image, request: ExtrasRequest) -> float:
    """How many times larger; raises where the result would not fit."""
    factor = request.factor
    if request.size is not None:
        factor = max(request.size[0] / image.width, request.size[1] / image.height)
    width, height = image.width * factor, image.height * factor
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise BadRequest(
            f"{image.width} x {image.height} pixels times {factor:g} are more than {MOST_PIXELS} "
            f"in all or {LONGEST_SIDE} a side; ask for less.",
            "upscaling_resize",
            "too_many_pixels",
            width=round(image.width * factor),
            height=round(image.height * factor),
            most=MOST_PIXELS,
        )
    return factor


def _crop(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of ``image``, which covers ``size``."""
    left, top = image.width // 2 - size[0] // 2, image.height // 2 - size[1] // 2
    return image.crop((left, top, left + size[0], top + size[1]))
