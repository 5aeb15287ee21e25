"""Bodies and headers of the job API."""

import hashlib
import json
import re

from pydantic import BaseModel, ConfigDict

from webapp.errors import BadValue, Fault, InvalidFields
from webapp.requests.coercion import FALSE_WORDS, TRUE_WORDS, Int, Object, Str

PRIORITIES = (-100, 100)
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class JobBody(BaseModel):
    """A request to queue. A field that is not known is refused: nobody would miss it until late."""

    model_config = ConfigDict(extra="forbid")

    path: Str
    """Of the route that would answer ``body``."""

    body: Object = {}
    priority: Int = 0
    """-100..100, greater first; above 0 for the owner."""

    webhook: Str | None = None
    """Where the end of the job is posted."""


def check_priority(priority: int) -> None:
    """Raise ``InvalidFields`` for a priority that is out of range."""
    least, most = PRIORITIES
    if not least <= priority <= most:
        message = f"ensure this value is from {least} to {most}"
        raise InvalidFields([Fault(("body", "priority"), message, "value_error.number")])


def read_idempotency_key(text: str | None) -> str | None:
    """The header ``Idempotency-Key``, None without it. Raises ``BadValue`` (400)."""
    if text is None or IDEMPOTENCY_KEY.fullmatch(text):
        return text
    raise BadValue("Idempotency-Key: 1 to 255 printable ASCII characters without spaces.")


def read_switch(name: str, text: str) -> bool:
    """A switch of the address's query. Raises ``BadValue`` (400)."""
    word = text.lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS or not word:
        return False
    raise BadValue(f"{name}: {text[:40]!r} is neither 1 nor 0.")


def digest_of(body: object) -> str:
    """What two requests of one meaning have in common: a digest of their JSON."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
