"""Headers of tus 1.0.0, parsed strictly. No Flask.

Source: https://tus.io/protocols/resumable-upload (2016-03-25), core and the extensions below.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from types import MappingProxyType

from filebrowser.errors import BadPath, BadTime
from filebrowser.file_times import SECOND, parse_time
from filebrowser.uploads.errors import WrongRequest
from filebrowser.uploads.records import Conflict, UploadKind, UploadSpec
from filebrowser.uploads.upload_session import CHECKSUMS

VERSION = "1.0.0"
EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "checksum",
    "termination",
    "expiration",
    "concatenation",
)
CONTENT_TYPE = "application/offset+octet-stream"
MAX_METADATA = 16 * 1024  # characters of the header
MAX_PARTS = 1000
NUMBER = re.compile(r"[0-9]{1,19}")
KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")  # printable ASCII without space and comma
SHA256 = re.compile(r"[0-9a-f]{64}")
TIME_KEYS = ("modified", "lastModified", "lastmodified", "mtime")
"""Keys of the file's time: this page's, those of others' pages, ownCloud's and Nextcloud's."""

EMPTY_VALUES = frozenset({"", "null", "undefined"})
NO_METADATA: Mapping[str, str] = MappingProxyType({})


def parse_number(name: str, text: str | None) -> int | None:
    """A header's whole number of bytes; None where it is missing.

    Raises :class:`WrongRequest` for what is none: signs, fractions, exponents, two of them.
    """
    if text is None:
        return None
    if not NUMBER.fullmatch(text.strip()):
        raise WrongRequest(f"{name} is {text[:40]!r}, and should be a number of bytes.")
    return int(text)


def parse_length(text: str | None, deferred: str | None) -> int | None:
    """The length of a new upload; None where it is told later. Raises :class:`WrongRequest`."""
    value = parse_number("Upload-Length", text)
    if deferred is not None and deferred.strip() != "1":
        raise WrongRequest(f"Upload-Defer-Length is {deferred[:40]!r}, and can only be 1.")
    if (value is None) == (deferred is None):
        raise WrongRequest("Tell either Upload-Length or Upload-Defer-Length: 1.")
    return value


def parse_metadata(text: str | None) -> Mapping[str, str]:
    """``Upload-Metadata``: keys and values. Raises :class:`WrongRequest` for what is malformed."""
    if not text or not text.strip():
        return NO_METADATA
    if len(text) > MAX_METADATA:
        raise WrongRequest(f"Upload-Metadata is longer than {MAX_METADATA} characters.")
    pairs: dict[str, str] = {}
    for pair in text.split(","):
        key, _, value = pair.strip().partition(" ")
        if not KEY.fullmatch(key) or key in pairs:
            raise WrongRequest(f"Upload-Metadata has no key, or {key[:40]!r} twice.")
        pairs[key] = _decode_value(key, value.strip())
    return MappingProxyType(pairs)


def _decode_value(key: str, value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise WrongRequest(f"Upload-Metadata: {key} is no UTF-8 text in base64.") from None


def parse_checksum(text: str | None) -> tuple[str, bytes] | None:
    """``Upload-Checksum``: the algorithm and the digest. Raises :class:`WrongRequest`."""
    if text is None:
        return None
    name, _, encoded = text.strip().partition(" ")
    if name not in CHECKSUMS:
        raise WrongRequest(f"Checksums are {', '.join(CHECKSUMS)}, not {name[:20]!r}.")
    try:
        return name, base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise WrongRequest("The digest of Upload-Checksum is not base64.") from None


@dataclass(frozen=True, slots=True)
class UploadConcat:
    """``Upload-Concat``: a part, or the ids of the parts to put together."""

    part: UploadKind = UploadKind.WHOLE
    ids: tuple[str, ...] = ()


def parse_concat(text: str | None) -> UploadConcat:
    """``Upload-Concat`` of a new upload. Raises :class:`WrongRequest`."""
    if text is None:
        return UploadConcat()
    if text.strip() == "partial":
        return UploadConcat(UploadKind.PARTIAL)
    word, _, urls = text.strip().partition(";")
    ids = tuple(url.rstrip("/").rpartition("/")[2] for url in urls.split())
    if word != "final" or not ids or len(ids) > MAX_PARTS or len(set(ids)) < len(ids):
        raise WrongRequest(
            f"Upload-Concat is 'partial', or 'final;' and up to {MAX_PARTS} addresses of parts."
        )
    return UploadConcat(UploadKind.FINAL, ids)


def parse_order(
    metadata: Mapping[str, str], size: int | None, part: UploadKind, note: str
) -> UploadSpec:
    """What the metadata ask for: filename, folder, relativePath, conflict, sha256, modified.

    Raises :class:`WrongRequest` and ``BadPath``.
    """
    if part is UploadKind.PARTIAL:
        return UploadSpec("", size, note=note, part=part)
    sha256 = metadata.get("sha256", "").strip().lower()
    if sha256 and not SHA256.fullmatch(sha256):
        raise WrongRequest("Upload-Metadata: sha256 should be 64 hexadecimal digits.")
    conflict = parse_conflict(metadata.get("conflict", ""))
    return UploadSpec(
        target_path(metadata),
        size,
        conflict,
        sha256,
        note,
        part,
        modified=parse_file_time(metadata),
    )


def parse_conflict(text: str) -> Conflict | None:
    """What to do where the name is taken; None where nobody said. Raises ``WrongRequest``."""
    if not text:
        return None
    try:
        return Conflict(text)
    except ValueError:
        known = ", ".join(Conflict)
        raise WrongRequest(f"Upload-Metadata: conflict is one of {known}.") from None


def target_path(metadata: Mapping[str, str]) -> str:
    """The path of the file to be, "/data/folder/sub/name.png".

    ``filename`` is one name (Uppy and others say ``name``); ``relativePath`` is that of a dropped
    folder, whose last name counts and whose others are folders below ``folder``.
    """
    folder = metadata.get("folder", "")
    relative = metadata.get("relativePath", "")
    name = metadata.get("filename") or metadata.get("name", "")
    inner = relative.strip("/").split("/") if relative not in ("", "null") else [name]
    if not folder or not inner[-1]:
        raise WrongRequest("Upload-Metadata: folder and filename are needed.")
    if len(inner) > 1 or not name:
        name = inner[-1]
    if "/" in name or relative.startswith("/") or any(each in ("", ".", "..") for each in inner):
        raise BadPath(f"{(relative or name)[:80]!r} is no name for a file in {folder[:80]!r}.")
    return "/".join((folder.rstrip("/"), *inner[:-1], name))


def parse_file_time(metadata: Mapping[str, str]) -> int | None:
    """When the client's file was changed last, in nanoseconds since 1970; None where nobody tells.

    Clients that send what their language calls nothing say nothing. Raises :class:`WrongRequest`.
    """
    key = next((key for key in TIME_KEYS if metadata.get(key, "") not in EMPTY_VALUES), None)
    try:
        return None if key is None else parse_time(metadata[key])
    except BadTime as error:
        raise WrongRequest(f"Upload-Metadata: {key}: {error}") from None


def modified_ms(upload: UploadSpec) -> int | None:
    """The time of an upload's file in milliseconds since 1970, where the client told it.

    A page knows by it whether the file that is chosen again is the one that was begun with.
    """
    return None if upload.modified is None else upload.modified * 1000 // SECOND


def http_date(seconds: float) -> str:
    """Seconds since 1970 as HTTP writes a time."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC), usegmt=True)


def options_headers(largest: int) -> Sequence[tuple[str, str]]:
    """What OPTIONS tells."""
    return (
        ("Tus-Version", VERSION),
        ("Tus-Extension", ",".join(EXTENSIONS)),
        ("Tus-Max-Size", str(largest)),
        ("Tus-Checksum-Algorithm", ",".join(CHECKSUMS)),
    )
