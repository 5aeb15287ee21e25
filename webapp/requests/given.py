"""What a request is read against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from generator.models.registry import Registry
from webapp import uploads


@dataclass(frozen=True, slots=True)
class Given:
    """The service as it was when the request came.

    ``lenient``: unknown samplers and schedules fall back as in AUTOMATIC1111 (contract 4.1)
    instead of being refused. ``picture(field, text)`` is the base64 of a picture that was checked.
    """

    options: Mapping[str, object]
    models: Registry
    user_name: str = ""
    version: str = ""
    lenient: bool = True
    picture: Callable[[str, str], str] = uploads.picture
