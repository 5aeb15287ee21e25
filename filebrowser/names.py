"""File names: which may be created, and how invalid names on disk are escaped in paths.

Other programs leave names on the disk that may not be given here: bytes that are no UTF-8, a line
feed, a colon, a space at the end, ``CON``. Callers see and ask for them with such bytes written out
as ``\\xHH``. No name that may be given holds a backslash, so that none is taken for another.
"""

import os
import re
import unicodedata

from filebrowser.errors import BadPath

MAX_NAME_BYTES = 255  # bytes
WINDOWS_DEVICE_NAMES = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
)
"""Names that Windows keeps for devices: a tree that holds them cannot be copied there."""

_SEPARATORS = frozenset("/\\:")
_WRITTEN_OUT = re.compile(rb"\\x([0-9a-f]{2})")


def check_name(name: str) -> None:
    """Refuse a name that no file should have, saying why. Raises :class:`BadPath`."""
    fault = name_fault(name)
    if fault:
        raise BadPath(f"{name[:80]!r} is no name for a file: {fault}.")


def name_fault(name: str) -> str:
    """What is wrong with a name, "" for nothing."""
    if name in ("", ".", "..") or unicodedata.normalize("NFKC", name) in (".", ".."):
        return "it stands for another place"
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if length > MAX_NAME_BYTES:
        return f"it has {length} bytes, at most {MAX_NAME_BYTES} fit"
    if not _SEPARATORS.isdisjoint(name) or (
        not name.isprintable() and any(map(_is_forbidden, name))
    ):
        return "it holds a slash, a backslash, a colon or a control character"
    if name[-1] in ". ":
        return "it ends in a dot or a space"
    return (
        "a device of Windows has it"
        if name.partition(".")[0].upper() in WINDOWS_DEVICE_NAMES
        else ""
    )


def _is_forbidden(sign: str) -> bool:
    return sign in _SEPARATORS or unicodedata.category(sign) in ("Cc", "Cs")


def encode_name(name: str) -> str:
    """A name of the disk as callers see and send it: itself, or with ``\\xHH`` where it is odd."""
    if not name_fault(name):
        return name
    signs = [_escape_sign(sign) if _is_forbidden(sign) else sign for sign in name]
    if name[-1:] in (".", " "):
        signs[-1] = _escape_sign(name[-1])
    if signs == list(name):  # it is odd as a whole
        signs[0] = _escape_sign(name[0])
    return "".join(signs)


def _escape_sign(sign: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(sign))


def decode_shown_name(shown: str) -> str:
    """The name of the disk that a caller means. Raises :class:`BadPath` for what is no name.

    A name that is written out is taken only as :func:`encode_name` writes it.
    """
    if "\\x" in shown:
        encoded = shown.encode("utf-8", "surrogatepass")
        name = os.fsdecode(
            _WRITTEN_OUT.sub(lambda found: bytes.fromhex(found[1].decode()), encoded)
        )
        if (
            name not in ("", ".", "..")
            and not {"/", "\0"} & set(name)
            and encode_name(name) == shown
        ):
            return name
    check_name(shown)
    return shown
