"""The Lua scripts of the acts, each of those parts of the files of ``scripts/`` that it needs.

The server makes every function of a script anew at each run: with all acts in one script that
takes it longer than most of them.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("scripts")
BEGINNING = re.compile(r"(?:local (?:function )?(?P<names>\w+(?:, \w+)*)|(?P<act>acts\.\w+) =)")
"""How a part of a file begins: at the left edge, with the names that it is known by."""

NAME = re.compile(r"acts\.\w+|\w+")
COMMENT = re.compile(r"^\s*--.*\n", re.M)
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
    """The script of an act, and the name by which the server knows it."""

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> "Script":
        """A script of this text."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class ScriptPart:
    """A declaration of the scripts, or a statement that has no name and belongs to all of them."""

    names: Sequence[str]
    text: str

    def named_in(self) -> frozenset[str]:
        """Every word in it that may name another part."""
        return frozenset(NAME.findall(self.text))


@cache
def script_of(act: str) -> Script:
    """The script of an act: its own part, and all that those which it needs name."""
    parts = script_parts()
    by_name = {name: part for part in parts for name in part.names}
    needed: set[int] = set()
    waiting = [by_name[f"acts.{act}"], *(part for part in parts if not part.names)]
    while waiting:
        part = waiting.pop()
        if id(part) not in needed:
            needed.add(id(part))
            waiting += [by_name[name] for name in part.named_in() if name in by_name]
    body = "".join(part.text for part in parts if id(part) in needed)
    return Script.of(f"{first_line_of(act)}\n{body}")


@cache
def script_parts() -> Sequence[ScriptPart]:
    """All parts, in the order of the files."""
    return [
        part
        for path in sorted(FOLDER.glob("*.lua"))
        for part in parts_of(COMMENT.sub("", path.read_text("utf-8")))
    ]


def parts_of(text: str) -> Iterator[ScriptPart]:
    """The parts of a file: what does not stand at the left edge, and an ``end``, goes on."""
    for piece in re.split(r"^(?=(?!end\b)[a-z])", text, flags=re.M):
        begins = BEGINNING.match(piece)
        if begins:
            yield ScriptPart((begins["act"] or begins["names"]).split(", "), piece)
        elif piece.strip():
            yield ScriptPart((), piece)


def act_names() -> Sequence[str]:
    """The names of all acts."""
    names = [name for part in script_parts() for name in part.names]
    return [name.removeprefix("acts.") for name in names if name.startswith("acts.")]


def first_line_of(act: str) -> str:
    """With which first line an act runs."""
    return READ if act in READING else ADD if act in ADDING else CHANGE
