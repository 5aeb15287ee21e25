"""Reasons why something could not be read, for callers; never a Python exception's text.

The texts of exceptions that libraries raise hold paths of the server, addresses of objects and
names of functions. They go to the log (:func:`logged_cause`); callers get a reason from here.
"""

import json
from zlib import error as ZlibError

DAMAGED = "it is damaged"


def reason_of(
    error: BaseException, otherwise: str = DAMAGED, own: tuple[type[BaseException], ...] = ()
) -> str:
    """A reason without a full stop; ``otherwise`` where the kind of error does not tell one.

    ``own``: types of which the caller's own code raised this with a sentence for people.
    """
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeError):
        return "it is no UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, OSError) and error.errno and error.strerror:
        return error.strerror
    if isinstance(error, EOFError) or "truncated" in str(error):
        return "it is truncated"
    if type(error) in own and not isinstance(error, OSError | ZlibError):
        return (str(error).splitlines() or [otherwise])[0][:200].rstrip(".") or otherwise
    return otherwise


def logged_cause(error: BaseException) -> str:
    """What a log line adds to a told error: the exception behind it, "" where there is none."""
    cause = error.__cause__
    return f" (caused by {type(cause).__name__}: {str(cause)[:500]})" if cause else ""
