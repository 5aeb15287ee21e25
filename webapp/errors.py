"""Errors and the HTTP answers that they become: one table, no Flask, no torch.

The shapes are AUTOMATIC1111's (contract section 1.3): an envelope
``{"error", "detail", "body", "errors"}`` for what was refused or failed, and pydantic's list
``{"detail": [{"loc", "msg", "type"}]}`` for fields of the wrong type.
"""

import errno
import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from filebrowser.errors import (
    BadArchive,
    BadPath,
    BadSearch,
    BadTime,
    Changed,
    FileError,
    NoPicture,
    NoRoom,
    NotAFile,
    NotAFolder,
    NotAllowed,
    NotHere,
    NotText,
    Overloaded,
    Taken,
    TooBig,
    TooBusy,
    TooMuch,
    WrongContent,
)
from filebrowser.uploads.errors import (
    Busy,
    Over,
    TooMany,
    TooManyInAll,
    WrongChecksum,
    WrongOffset,
    WrongRequest,
    WrongVersion,
)
from generator.errors import (
    BadRequest,
    CannotSave,
    GeneratorError,
    ModelNotFound,
    ModelUnreadable,
    NotANumber,
    WrongArchitecture,
)
from generator.memory_errors import find_memory_error, first_sentence
from plugins.errors import BadManifest, BadPackage, PluginError, Withheld
from webapp.queues.contracts.frame import Answer
from webapp.queues.errors import (
    AnswerTooLarge,
    JobTooLarge,
    QueueError,
    QueueFull,
    QuotaExceeded,
    TooManyGroups,
)
from webapp.refusal_codes import Refusal, code_of_class, describe_error, describe_fault

RETRY_AFTER_DRAIN = 30
"""Seconds after which a service that ends may have been started again."""


class Refused(Exception):
    """The service will not do what was asked. ``detail`` is the sentence the caller reads.

    ``code`` and ``values`` say the same to programs (:mod:`webapp.refusal_codes`). ``field`` is the
    path of the field at fault; left out, it is the one that the sentence begins with.
    """

    status = 422
    code = ""

    def __init__(self, detail: str, code: str = "", field: str = "", **values: object) -> None:
        super().__init__(detail)
        self.detail, self.field, self.values = detail, field, values
        self.code = code or type(self).code


class NamedRefusal(Refused):
    """A refusal whose class the envelope names, so that a page can say it in its own words."""


class NotAuthenticated(Refused):
    """No credential came with the request."""

    status = 401


class WrongCredential(Refused):
    """A credential came, and it is not known here."""

    status = 401


class Forbidden(Refused):
    """The caller is known, or needs not be, but may not do this."""

    status = 403


class TooManyTries(Refused):
    """Too many wrong passwords; ``wait`` is the seconds until the next guess is looked at."""

    status = 429

    def __init__(self, wait: int) -> None:
        text = f"Too many wrong passwords or tokens; try again in {wait} seconds."
        super().__init__(text, wait=wait)
        self.wait = wait


class TooLarge(Refused):
    """The body of the request is longer than the service reads."""

    status = 413


class MalformedBody(Refused):
    """The body of the request is not what HTTP/1.1 lets one be."""

    status = 400


class UnsupportedEncoding(Refused):
    """The body of the request is compressed in a way that is not read here."""

    status = 415


class SlowBody(Refused):
    """The body of the request comes too slowly for a thread to wait for it."""

    status = 408


class BadValue(Refused):
    """A parameter of the address has no such value; other programs' clients expect 400."""

    status = 400


class Unavailable(Refused):
    """The service cannot answer now and may later; ``retry_after`` seconds, where it knows."""

    status = 503

    def __init__(self, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.values = {} if retry_after is None else {"wait": retry_after}
        self.retry_after = retry_after


class Draining(Unavailable):
    """The service ends, and may be back soon."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, RETRY_AFTER_DRAIN)


class Conflict(Refused):
    """What was asked does not go with what is there."""

    status = 409


class NothingThere(Refused):
    """What the address names is not there, or not for this caller."""

    status = 404


class UnknownStyle(Refused):
    """There is no style of that name."""

    status = 404


class UnknownModel(Refused):
    """There is no checkpoint of that name to tell of."""

    status = 404


class UnknownService(Refused):
    """There is no service, no path or no entry of that name."""

    status = 404


class UnknownWorker(Refused):
    """No living worker has that id."""

    status = 404


class WorkerStays(Refused):
    """A worker that ends only with the service."""

    status = 409


class StreamClosed(Refused):
    """The queue takes no entries: its stream was ended."""

    status = 409


class JobStopped(Refused):
    """A job was stopped on request, and nothing of it can be answered."""

    status = 409


class NotBuilt(Refused):
    """A known route of AUTOMATIC1111's whose work Easel cannot do."""

    status = 501


@dataclass(frozen=True, slots=True)
class Fault:
    """One field at fault, as pydantic v1 said it. ``loc`` begins with ``body``."""

    loc: tuple[str | int, ...]
    message: str
    kind: str
    context: Mapping[str, object] = field(default_factory=dict)


class InvalidFields(Exception):
    """Fields that are missing, of the wrong type, or not to be had here."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, f.loc[1:]))}: {f.message}" for f in faults))
        self.faults = tuple(faults)


STATUSES: tuple[tuple[type[BaseException], int, str], ...] = (
    (InvalidFields, 422, "invalid_value"),
    (ModelNotFound, 422, "model_not_found"),
    (WrongArchitecture, 422, "wrong_architecture"),
    (BadRequest, 422, "bad_request"),
    (ModelUnreadable, 422, "model_unreadable"),
    (NotANumber, 500, "not_a_number"),
    (CannotSave, 507, "cannot_save"),
    (GeneratorError, 500, "failed"),
    (Withheld, 422, "withheld"),
    (BadManifest, 422, "bad_manifest"),
    (BadPackage, 422, "bad_package"),
    (PluginError, 500, "plugin_failed"),
    (MemoryError, 500, "out_of_memory"),
    (NotHere, 404, "file_not_found"),
    (NotAllowed, 403, "file_forbidden"),
    (NotAFile, 404, "not_a_file"),
    (BadPath, 400, "bad_path"),
    (BadTime, 400, "bad_time"),
    (NotAFolder, 422, "not_a_folder"),
    (NotText, 422, "not_text"),
    (BadArchive, 422, "bad_archive"),
    (Changed, 412, "file_changed"),
    (TooMuch, 413, "too_much_content"),
    (Taken, 409, "name_taken"),
    (TooBig, 413, "file_too_large"),
    (WrongContent, 422, "wrong_content"),
    (NoPicture, 415, "not_a_picture"),
    (BadSearch, 400, "bad_search"),
    (WrongVersion, 412, "upload_version"),
    (WrongRequest, 400, "upload_request"),
    (WrongOffset, 409, "upload_offset"),
    (WrongChecksum, 460, "upload_checksum"),
    (Busy, 423, "upload_busy"),
    (TooMany, 429, "too_many_uploads"),
    (TooManyInAll, 503, "too_many_uploads"),
    (Over, 410, "upload_over"),
    (TooBusy, 429, "too_busy"),
    (Overloaded, 503, "overloaded"),
    (NoRoom, 507, "disk_full"),
    (TimeoutError, 504, "timeout"),
    (QueueFull, 507, "disk_full"),
    (AnswerTooLarge, 500, "answer_too_large"),
    (TooManyGroups, 429, "too_many_groups"),
    (QuotaExceeded, 429, "quota_exceeded"),
    (JobTooLarge, 422, "job_too_large"),
    (QueueError, 503, "queue_failed"),
    (sqlite3.Error, 503, "queue_failed"),
)
"""Status and code by the first class that fits; ``Refused`` carries its own; all else is 500."""

A1111_REFUSALS = re.compile(
    r"Script '.*' not found|always on script .* not found|"
    r"Cannot have a selectable script in the always on scripts params|"
    r"(Init image|Image|Model) not found|Incorrect username or password|Not authenticated|"
    r"Invalid encoded image|Requests not allowed|Request to local resource not allowed|"
    r"Invalid image (url|format)|Module not (available|supported)|No image selected|"
    r"Preprocessor .* requires .*",
    re.DOTALL,
)
"""What AUTOMATIC1111 refuses by FastAPI's HTTPException, whose text is empty."""

FULL_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT})
ERROR_NAMES: Mapping[type[BaseException], str] = {
    NotANumber: "NansException",
    Refused: "HTTPException",
    BadRequest: "HTTPException",
}
"""The names under which AUTOMATIC1111's clients know our errors; others keep their own."""

FAILED, QUEUE_FAILED, DISK_FULL = "failed", "queue_failed", "disk_full"  # codes
OUT_OF_MEMORY = "OutOfMemoryError"
UNEXPECTED = "Something went wrong inside the service. Its log says what."


def status_of(exception: BaseException) -> int:
    """The HTTP status of an exception: the table above, 507 for a full disk, else 500."""
    if isinstance(exception, Refused):
        return exception.status
    if find_memory_error(exception):
        return 500
    if isinstance(exception, OSError) and exception.errno in FULL_DISK_ERRORS:
        return 507
    if isinstance(exception, sqlite3.Error) and "full" in str(exception):
        return 507
    return next((status for kind, status, _ in STATUSES if isinstance(exception, kind)), 500)


def refusal_of(exception: BaseException, sentence: str) -> Refusal:
    """What programs are told of an exception beside its ``sentence``."""
    if isinstance(exception, Refused):
        return describe_error(exception, sentence, code_of_class(type(exception)))
    if find_memory_error(exception):
        return Refusal("out_of_memory")
    code = next((code for kind, _, code in STATUSES if isinstance(exception, kind)), FAILED)
    if status_of(exception) == 507 and code in (FAILED, QUEUE_FAILED):
        code = DISK_FULL
    return describe_error(exception, sentence, code)


def error_answer(exception: BaseException) -> Answer:
    """The stored answer of a failed request. Never a traceback, never an unknown error's text."""
    body: dict[str, object]
    if isinstance(exception, InvalidFields):
        body = {"detail": [fault_json(fault) for fault in exception.faults]}
        return json_answer(422, body | faults_to_json(exception.faults))
    detail, errors = error_texts(exception)
    body = {"error": name_of(exception), "detail": detail, "body": "", "errors": errors}
    if isinstance(exception, QuotaExceeded):
        body["quota"] = dict(exception.facts)
    return json_answer(status_of(exception), body | refusal_of(exception, detail).to_json())


def faults_to_json(faults: Sequence[Fault]) -> dict[str, object]:
    """What programs are told of faults: of the first one, and of the ``others``."""
    first, *others = [
        describe_fault(fault.loc, fault.kind, fault.context).to_json() for fault in faults
    ]
    return first | ({"others": others} if others else {})


def error_texts(exception: BaseException) -> tuple[str, str]:
    """``detail`` and ``errors``: the sentence in both, for clients that read either.

    AUTOMATIC1111's own refusals have an empty ``errors``, as it answers them.
    """
    detail, errors = own_texts(exception)
    return detail, "" if A1111_REFUSALS.fullmatch(detail) else errors


def own_texts(exception: BaseException) -> tuple[str, str]:
    """``detail`` and ``errors`` of our own."""
    if isinstance(exception, Refused):
        return exception.detail, exception.detail
    memory = find_memory_error(exception)
    if memory is not None:
        text = (
            "Out of memory: ask for a smaller picture or a smaller batch. "
            f"({first_sentence(memory)})"
        )
        return text, text
    if isinstance(exception, FileError):
        return str(exception), str(exception)
    if isinstance(exception, BadRequest):
        field_missing = exception.field and exception.field not in str(exception)
        text = f"{exception.field}: {exception}" if field_missing else str(exception)
        return text, text
    if isinstance(exception, GeneratorError | PluginError | TimeoutError | QueueError):
        return str(exception), str(exception)
    if status_of(exception) == 507:
        text = "The disk that holds the data directory is full; nothing was kept of this request."
        return text, text
    if isinstance(exception, sqlite3.Error):
        text = "The queue's database cannot be used now. The service's log says why."
        return text, text
    return UNEXPECTED, UNEXPECTED


def name_of(exception: BaseException) -> str:
    """The ``error`` of the envelope."""
    if find_memory_error(exception):
        return OUT_OF_MEMORY
    if isinstance(exception, NamedRefusal):
        return type(exception).__name__
    return next(
        (name for kind, name in ERROR_NAMES.items() if isinstance(exception, kind)),
        type(exception).__name__,
    )


def fault_json(fault: Fault) -> dict[str, object]:
    """One entry of pydantic's list; ``ctx`` only where there is one."""
    entry: dict[str, object] = {"loc": list(fault.loc), "msg": fault.message, "type": fault.kind}
    return entry | ({"ctx": dict(fault.context)} if fault.context else {})


def json_answer(status: int, body: object) -> Answer:
    """An answer of JSON in UTF-8, as FastAPI would write it: no spaces, no escapes."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Answer(status, text.encode("utf-8", errors="replace"))
