"""Settings that a checkpoint draws best with, kept in ``NAME.json`` beside AUTOMATIC1111's keys.

AUTOMATIC1111 has a field for the VAE alone; the others are Easel's, in an object of their own,
which it leaves as it is. Names are those of its API. No torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

DEFAULTS_KEY = "easel defaults"
LONGEST_NAME = 100  # characters of a sampler's or schedule's name
MOST_CLIP_SKIP = 12  # layers
LARGEST = 4096  # of all numbers: larger ones are none that anybody draws with


@dataclass(frozen=True, slots=True)
class CheckpointDefaults:
    """What to draw with; None where the checkpoint wants nothing special."""

    width: int | None = None
    height: int | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    sampler_name: str | None = None
    scheduler: str | None = None
    clip_skip: int | None = None


def read_defaults(content: Mapping[str, object]) -> CheckpointDefaults:
    """Those in an object of ``NAME.json``; what makes no sense there is left out."""
    told = content.get(DEFAULTS_KEY)
    if not isinstance(told, dict):
        return CheckpointDefaults()
    return CheckpointDefaults(
        width=_to_count(told.get("width")),
        height=_to_count(told.get("height")),
        steps=_to_count(told.get("steps")),
        cfg_scale=_to_number(told.get("cfg_scale")),
        sampler_name=_to_name(told.get("sampler_name")),
        scheduler=_to_name(told.get("scheduler")),
        clip_skip=_to_count(told.get("clip_skip"), MOST_CLIP_SKIP),
    )


def defaults_json(defaults: CheckpointDefaults) -> dict[str, object]:
    """What is kept of them: what is set."""
    values = {field.name: getattr(defaults, field.name) for field in fields(defaults)}
    return {name: value for name, value in values.items() if value is not None}


def _to_count(value: object, most: int = LARGEST) -> int | None:
    return value if type(value) is int and 0 < value <= most else None


def _to_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= LARGEST else None


def _to_name(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME else None
