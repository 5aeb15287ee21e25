"""The Lua script that all acts are in, put together from the files of ``scripts/``."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("scripts")
READING = frozenset(
    {
        "look",
        "survey",
        "read_waiting",
        "list_frames",
        "depth",
        "lease_holders",
        "read_answer",
        "find_answered",
        "entry_search",
        "entry_status",
        "counters",
        "list_workers",
        "failure_wait",
        "feed_read",
    }
)
"""Acts that write nothing: they go on where the server can write no more."""

ADDING = frozenset({"put", "entry_put"})
"""Acts that are refused before their first step where the server's memory is full."""

READ, ADD, CHANGE = "#!lua flags=no-writes,allow-oom", "#!lua", "#!lua flags=allow-oom"
"""First lines of the script: what Redis asks before it runs it."""


@dataclass(frozen=True, slots=True)
class Script:
    """The script with one first line, and the name by which the server knows it."""

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> "Script":
        """A script of this text."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def load_scripts() -> Mapping[str, Script]:
    """The script by its first line."""
    body = "\n".join(path.read_text("utf-8") for path in sorted(FOLDER.glob("*.lua")))
    return {first: Script.of(f"{first}\n{body}") for first in (READ, ADD, CHANGE)}


def first_line_of(act: str) -> str:
    """With which first line an act runs."""
    return READ if act in READING else ADD if act in ADDING else CHANGE
