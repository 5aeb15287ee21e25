"""What a JSON body is about, in a few words: the audit log tells it."""

from collections.abc import Mapping

NAMING_FIELDS = ("path", "paths", "to", "trash_id", "name", "model", "models")
"""Fields that say what a request works on; of all others the name alone is told."""

MAX_LENGTH = 500  # characters
MAX_ITEMS = 20  # of a list


def describe_names(body: Mapping[str, object]) -> str:
    """``path: /data/x, to: /data/y``, or the names of the fields where none of these is there."""
    named = [f"{name}: {_short(body[name])}" for name in NAMING_FIELDS if body.get(name)]
    return (", ".join(named) or " ".join(map(str, sorted(body))))[:MAX_LENGTH]


def _short(value: object) -> str:
    if isinstance(value, list):
        more = f" and {len(value) - MAX_ITEMS} more" if len(value) > MAX_ITEMS else ""
        return f"{' '.join(map(_short, value[:MAX_ITEMS]))}{more}"
    return value[:MAX_LENGTH] if isinstance(value, str) else type(value).__name__
