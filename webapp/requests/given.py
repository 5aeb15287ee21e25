"""What a request is read against."""

from collections.abc import Mapping
from dataclasses import dataclass

from generator.models.registry import Registry


@dataclass(frozen=True, slots=True)
class Given:
    """The service as it was when the request came.

    ``lenient``: unknown samplers and schedules fall back as in AUTOMATIC1111 (contract 4.1)
    instead of being refused.
    """

    options: Mapping[str, object]
    models: Registry
    user_name: str = ""
    version: str = ""
    lenient: bool = True
