"""The response of an extras job in AUTOMATIC1111's form. No Flask, no torch."""

import base64
import html
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from generator.pictures.picture_files import encode_with_chunks, fits
from generator.request import Extras
from webapp.errors import json_answer
from webapp.queues.contracts.frame import Answer

if TYPE_CHECKING:
    from PIL.Image import Image

    from webapp.queues.job_codec import QueuedExtras


def compose_extras(job: "QueuedExtras", extras: Extras) -> Answer:
    """``{"html_info", "image"}`` or ``{"html_info", "images"}`` (contract section 1.11)."""
    images = [encode_image(image, job) for image in extras.images]
    remarks = (
        *job.request.remarks, *extras.remarks, *png_remarks(extras.images, job.answer_format),
    )  # fmt: skip
    body = {"html_info": html_info(extras.notes, remarks), **extras.facts}
    return json_answer(200, body | ({"image": images[0]} if job.single else {"images": images}))


def encode_image(image: "Image", job: "QueuedExtras") -> str:
    """A picture with its text chunks, as base64."""
    texts = {str(key): text for key, text in image.info.items() if isinstance(text, str)}
    data = encode_with_chunks(image, job.answer_format, texts, job.answer_quality)
    return base64.b64encode(data).decode("ascii")


def png_remarks(images: Sequence["Image"], format: str) -> Iterator[str]:
    """A sentence where a picture is a PNG because it is too large for the format asked for."""
    sides = [max(image.size) for image in images if not fits(image.size, format)]
    if sides:
        yield f"{max(sides)} pixels a side are more than {format} holds: sent as PNG."


def html_info(notes: Mapping[str, object], remarks: Sequence[str] = ()) -> str:
    """What was done, as the paragraph that pages show; a further one for each remark."""
    texts = (", ".join(f"{key}: {value}" for key, value in notes.items()), *remarks)
    return "".join(f"<p>{html.escape(text)}</p>" for text in texts)
