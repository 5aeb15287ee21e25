"""Least and greatest values of the numbers in a body. NULL passes where AUTOMATIC1111 lets it."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from webapp.errors import Fault, InvalidFields, Refused
from webapp.requests.fields import GenerationBody

DEFAULT_SIZE = 512  # pixels, where a body says nothing
SIDE_RANGE = (8, 4096)  # pixels
SIDE_STEP = 8  # pixels; other sides are drawn as the next smaller multiple
RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "steps": (1, 1000),
        "width": SIDE_RANGE,
        "height": SIDE_RANGE,
        "batch_size": (1, 64),
        "n_iter": (1, 1000),
        "cfg_scale": (-1000, 1000),
        "subseed_strength": (0, 1),
        "seed_resize_from_w": (-math.inf, SIDE_RANGE[1]),
        "seed_resize_from_h": (-math.inf, SIDE_RANGE[1]),
        "seed": (-(2**63), 2**63 - 1),
        "subseed": (-(2**63), 2**63 - 1),
        "denoising_strength": (0, 1),
        "eta": (0, 100),
        "s_min_uncond": (0, math.inf),
        "s_churn": (0, math.inf),
        "s_tmax": (0, math.inf),
        "s_tmin": (0, math.inf),
        "s_noise": (0, 100),
        "refiner_switch_at": (0, 1),
    }
)
NEEDED = (
    "prompt",
    "negative_prompt",
    "batch_size",
    "n_iter",
    "steps",
    "cfg_scale",
    "width",
    "height",
)
NUMBERS = tuple(name for name in NEEDED if not name.endswith("prompt"))
PROMPTS = ("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt")
MAX_PICTURES = 1000
MAX_PROMPT_LENGTH = 20_000
UNIMPLEMENTED: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "firstpass_image": (None, ""),  # AUTOMATIC1111 never decodes these two either
        "latent_mask": (None, ""),
    }
)
"""Fields that nothing here honours, with the values that ask for nothing."""


Body = TypeVar("Body", bound=GenerationBody)


def with_defaults(body: Body) -> Body:
    """``body`` with the defaults of the numbers that it says null for."""
    fields = type(body).model_fields
    missing = [name for name in NUMBERS if getattr(body, name) is None]
    return body.model_copy(update={name: fields[name].default for name in missing})


def check_body(body: GenerationBody) -> None:
    """Refuse what has the right type and cannot be done: the field is named.

    Raises ``InvalidFields`` for fields without an implementation, ``Refused`` for the rest.
    """
    faults = [unimplemented_fault(name) for name in UNIMPLEMENTED if is_requested(body, name)]
    if faults:
        raise InvalidFields(faults)
    for name in NEEDED:
        if getattr(body, name) is None:
            raise Refused(
                f"{name}: null is not a value that can be drawn; leave the field out.", "null_value"
            )
    for name, (least, greatest) in {**RANGES, **body.ranges}.items():
        check_range(name, getattr(body, name), least, greatest)
    check_picture_count((body.batch_size or 1) * (body.n_iter or 1))
    for name in PROMPTS:
        length = len(getattr(body, name, None) or "")
        if length > MAX_PROMPT_LENGTH:
            raise too_long(name, length, MAX_PROMPT_LENGTH)


def check_picture_count(pictures: int) -> None:
    """Refuse a request for too many pictures."""
    if pictures > MAX_PICTURES:
        raise Refused(
            f"batch_size x n_iter: {pictures} pictures; at most {MAX_PICTURES} a request.",
            "too_many",
            "n_iter",
            count=pictures,
            most=MAX_PICTURES,
            what="pictures",
        )


def is_requested(body: GenerationBody, name: str) -> bool:
    """True if a field of the table above wants something that is not there."""
    values = UNIMPLEMENTED[name]
    return getattr(body, name, values[0]) not in values


def unimplemented_fault(name: str) -> Fault:
    """The fault of a field that Easel knows and cannot honour."""
    return Fault(
        ("body", name),
        f"{name} is not implemented; leave it at its default",
        "value_error.not_implemented",
    )


def check_range(name: str, value: float | None, least: float, greatest: float) -> None:
    """Refuse a number outside its range."""
    if value is not None and not least <= value <= greatest:
        raise Refused(
            f"{name}: {value} is out of range; it must be from {least} to {greatest}.",
            "out_of_range",
            value=value,
            least=least,
            most=greatest,
        )


def too_long(name: str, length: int, most: int) -> Refused:
    """The refusal of a text of too many characters."""
    return Refused(
        f"{name}: {length} characters; at most {most}.", "too_long", length=length, most=most
    )
