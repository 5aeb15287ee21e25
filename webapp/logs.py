"""Logging of a process: plain lines or JSON.

What a line belongs to (request, job, user) is bound once, by :func:`bind` or
:func:`bind_for_block`, and every line logged meanwhile carries it. A line never spans two: what
came from outside cannot write lines of its own.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType

PLAIN_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
BOUND_NAMES = ("request", "job", "user")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SECRETS = re.compile(
    r"""((?:signature|password|token|auth|session)=)[^&\s"']+"""
    r"""|((?:proxy-)?authorization|cookie|x-auth)(['"]?\s*[:,=]\s*['"]?)[^'"\r\n]+""",
    re.I,
)
"""Values in queries and headers that open something; libraries may quote them in their lines."""

NO_FACTS: Mapping[str, str] = MappingProxyType({})

_facts: ContextVar[Mapping[str, str]] = ContextVar("facts", default=NO_FACTS)


def bind(**facts: str) -> None:
    """Add to what the lines of this thread's context belong to, until :func:`unbind`."""
    _facts.set(MappingProxyType({**_facts.get(), **facts}))


def unbind() -> None:
    """Drop the bound values of this thread's context."""
    _facts.set(NO_FACTS)


def bound_value(name: str) -> str:
    """What is bound under a name, "" for nothing."""
    return _facts.get().get(name, "")


@contextmanager
def bind_for_block(**facts: str) -> Iterator[None]:
    """Bind for a block."""
    token = _facts.set(MappingProxyType({**_facts.get(), **facts}))
    try:
        yield
    finally:
        _facts.reset(token)


def add_facts(record: logging.LogRecord) -> bool:
    """A log filter that lets every record through and adds the bound values to it."""
    known = _facts.get()
    for name in BOUND_NAMES:
        setattr(record, name, known.get(name, ""))
    return True


def to_one_line(text: str) -> str:
    """A text in one line: control characters and line separators are written as escapes."""
    return CONTROLS.sub(
        lambda found: found[0].encode("unicode_escape").decode(), mask_secrets(text)
    )


def mask_secrets(text: str) -> str:
    """A text without the values of credentials, should one be named in it."""
    return SECRETS.sub(lambda found: f"{found[1] or ''.join(found.group(2, 3))}***", text)


class PlainLines(logging.Formatter):
    """A line an event, what it belongs to at its end; tracebacks follow, indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line itself."""
        known = [(name, getattr(record, name, "")) for name in BOUND_NAMES]
        facts = ", ".join(f"{name} {value}" for name, value in known if value)
        line = to_one_line(super().formatMessage(record))
        return f"{line} ({to_one_line(facts)})" if facts else line

    def formatException(self, ei: object) -> str:
        """A traceback, no line of which looks like one of the log."""
        text = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join(f"  | {to_one_line(line)}" for line in text.splitlines())


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and where known request, job, user."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        moment = datetime.fromtimestamp(record.created, UTC)
        facts = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": mask_secrets(record.getMessage()),
        }
        facts |= {name: value for name in BOUND_NAMES if (value := getattr(record, name, ""))}
        if record.exc_info:
            facts["exception"] = mask_secrets(self.formatException(record.exc_info))
        return json.dumps(facts)


def start_log(as_json: bool = False, level: int = logging.INFO) -> logging.Logger:
    """Send the log of this process to standard error; returns Easel's own logger."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else PlainLines(PLAIN_FORMAT))
    handler.addFilter(add_facts)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log = logging.getLogger("easel")
    log.setLevel(level)
    return log
