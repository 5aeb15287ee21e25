"""What a request to a queue of ``/api/predict`` asks for, by its query and headers. No Flask.

Names that begin with ``_`` are parameters; all others are tags. Raises ``BadValue`` (400) naming
the parameter for each value that does not fit.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from webapp.errors import BadValue

T = TypeVar("T")

PARAMETER_NAMES = (
    "_attrs_ _auto_commit_ _auto_delete_ _code_ _count_ _eos_ _force_ _index_ _index_only_ "
    "_indexes_ _length_ _negative_ _priority_ _raw_ _reason_ _search_ _timeout_ _trunc_ _watch_ "
    "_window_"
)
PARAMETERS = frozenset(PARAMETER_NAMES.split())
DURATION = re.compile(
    r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?"
    r"(?:(\d{1,9})ms)?",
    re.ASCII,
)
PLAIN_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
CODE = re.compile(r"([A-Z][a-z]*)+(.[A-Z][a-z]*)?|[0-9]+")  # the vendor's pattern, to the end
WHOLE = re.compile(r"-?[0-9]{1,19}")
WORDS: Mapping[str, bool] = {"true": True, "1": True, "false": False, "0": False}
MAX_INDEX = 2**63 - 1
MAX_LENGTH = 1000  # entries of one answer
MAX_WINDOW = 10_000
MAX_INDEXES = 10_000
MAX_PRIORITY = 2**31 - 1
MAX_TAGS = 32
MAX_TAG_LENGTH = 1024  # characters of a name, or of a value
MAX_CODE = 20  # characters
MAX_REASON = 1000
DEFAULT_GROUP = "eas"
MAX_NAME = 128  # characters of a group's or a consumer's name


@dataclass(frozen=True, slots=True)
class QueueCall:
    """The parameters of a request, defaults filled in; ``seconds`` a get waits at most."""

    tags: Mapping[str, str] = field(default_factory=dict)
    index: int = 0
    indexes: Sequence[int] = ()
    length: int = 1
    seconds: float = 0.0
    window: int = 1
    priority: int | None = None
    raw: bool = True
    auto_delete: bool = True
    auto_commit: bool = True
    index_only: bool = False
    attributes: bool = False
    search: bool = False
    count: bool = False
    watch: bool = False
    truncate: bool = False
    negative: bool = False
    end: bool | None = None
    force: bool = False


def read_call(arguments: Sequence[tuple[str, str]]) -> QueueCall:
    """The call of a request's query."""
    given: dict[str, str] = {}
    tags: dict[str, str] = {}
    for name, value in arguments:
        if not name.startswith("_"):
            tags[name] = value
        elif name in PARAMETERS:
            given[name] = value
        else:
            raise BadValue(
                f"{name}: there is no such parameter; names of tags do not begin with _. Known "
                f"are {', '.join(sorted(PARAMETERS))}."
            )
    check_tags(tags)
    if not given:
        return QueueCall(tags)

    def read(name: str, convert: Callable[[str, str], T], default: T) -> T:
        text = given.get(name, "")
        return convert(name, text) if text else default

    return QueueCall(
        tags=tags,
        index=read("_index_", whole_number(-1, MAX_INDEX), 0),
        indexes=read("_indexes_", read_indexes, ()),
        length=read("_length_", whole_number(1, MAX_LENGTH), 1),
        seconds=read("_timeout_", read_duration, 0.0),
        window=read("_window_", whole_number(0, MAX_WINDOW), 1),
        priority=read("_priority_", whole_number(0, MAX_PRIORITY), None),
        raw=read("_raw_", read_switch, True),
        auto_delete=read("_auto_delete_", read_switch, True),
        auto_commit=read("_auto_commit_", read_switch, True),
        index_only=read("_index_only_", read_switch, False),
        attributes=read("_attrs_", read_switch, False),
        search=read("_search_", read_switch, False),
        count=read("_count_", read_switch, False),
        watch=read("_watch_", read_switch, False),
        truncate=read("_trunc_", read_switch, False),
        negative=read("_negative_", read_switch, False),
        end=read("_eos_", read_switch, None),
        force=read("_force_", read_switch, False),
    )


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse more and longer tags than are kept with an entry, and those nobody could ask for."""
    if len(tags) > MAX_TAGS:
        raise BadValue(f"An entry has {MAX_TAGS} tags at most, not {len(tags)}.")
    for name, value in tags.items():
        if "\0" in name or "\0" in value:
            raise BadValue(f"{name[:80]!r}: a tag has no NUL in its name or value.")
        if len(name) > MAX_TAG_LENGTH or len(value) > MAX_TAG_LENGTH:
            raise BadValue(
                f"{name[:80]}: a tag's name and value have {MAX_TAG_LENGTH} characters at most."
            )


def whole_number(least: int, most: int) -> Callable[[str, str], int]:
    """Reads a whole number within limits, both included."""

    def read(name: str, text: str) -> int:
        if not WHOLE.fullmatch(text) or not least <= int(text) <= most:
            raise BadValue(f"{name}: a whole number from {least} to {most}, not {text[:80]!r}.")
        return int(text)

    return read


def read_switch(name: str, text: str) -> bool:
    """True or false."""
    if text.lower() not in WORDS:
        raise BadValue(f"{name}: true or false, not {text[:80]!r}.")
    return WORDS[text.lower()]


def read_indexes(name: str, text: str) -> Sequence[int]:
    """Indexes with commas between them."""
    parts = text.split(",")
    if len(parts) > MAX_INDEXES:
        raise BadValue(f"{name}: at most {MAX_INDEXES} indexes, not {len(parts)}.")
    read = whole_number(1, MAX_INDEX)
    return [read(name, part.strip()) for part in parts]


def read_duration(name: str, text: str) -> float:
    """Seconds of ``5s``, ``1m0s``, ``500ms``, or a plain ``5``."""
    if PLAIN_SECONDS.fullmatch(text):
        return float(text)
    found = DURATION.fullmatch(text)
    if not text or not found:
        raise BadValue(f"{name}: a time such as 5s, 1m30s or 500ms, not {text[:80]!r}.")
    hours, minutes, seconds, thousandths = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def read_priority(text: str) -> int:
    """The priority that a header tells."""
    return whole_number(0, MAX_PRIORITY)("priority", text)


def read_code(text: str) -> str:
    """Why a consumer gives entries back: words with capitals, or an HTTP status."""
    if len(text) > MAX_CODE or not CODE.fullmatch(text):
        raise BadValue(
            f"_code_: words such as Shutdown or Busy.Retry, or a number, of {MAX_CODE} characters "
            f"at most, not {text[:80]!r}."
        )
    return text


def read_name(what: str, text: str) -> str:
    """A consumer's or a group's name."""
    if len(text) > MAX_NAME:
        raise BadValue(f"{what}: at most {MAX_NAME} characters.")
    return text
