"""The codes of refusals: one word each for programs, beside the sentence for people. No Flask.

Every error answer carries ``code``, ``field`` and ``values`` beside AUTOMATIC1111's envelope.
``python -m webapp.documentation`` makes docs/errors.md of the table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

INDEX = re.compile(r"\[(\d+)\]")
PLACE = re.compile(r"([A-Za-z_]\w*(?:\.\w+|\[\d+\])*)(?:, '[^']*')?: ")
"""The path of a field at the beginning of a sentence, as all refusals of fields begin."""

LAST_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
MAX_TEXT = 200  # characters of a text among the values
MAX_ITEMS = 200  # of a list among the values


@dataclass(frozen=True, slots=True)
class RefusalCode:
    """One code, what it means, and the names of its ``values``; a value is sent where known."""

    name: str
    meaning: str
    values: tuple[str, ...] = ()


FIELD_CODES: tuple[RefusalCode, ...] = (
    RefusalCode("out_of_range", "the number is not between the limits", ("value", "least", "most")),
    RefusalCode("wrong_type", "the value has another type than the field", ("expected", "value")),
    RefusalCode("missing", "the field is needed, and was not sent", ("other",)),
    RefusalCode("null_value", "null is no value of this field"),
    RefusalCode(
        "unknown_name", "the value is none of the names that the field takes", ("value", "known")
    ),
    RefusalCode("too_long", "the text is too long; lengths in characters", ("length", "most")),
    RefusalCode("too_many", "there are more than a request may have", ("count", "most", "what")),
    RefusalCode("wrong_order", "two numbers stand the wrong way round", ("value", "other")),
    RefusalCode("needs_other", "the field needs another one that is not set", ("other",)),
    RefusalCode("not_unicode", "the text holds what is no Unicode"),
    RefusalCode("bad_json", "the body is no JSON; the field is empty"),
    RefusalCode("not_implemented", "Easel knows the field and does not honour it"),
    RefusalCode("invalid_value", "the value cannot be used; the sentence says why", ("value",)),
)
PICTURE_CODES: tuple[RefusalCode, ...] = (
    RefusalCode("no_picture", "a picture is needed, and none came", ("unit",)),
    RefusalCode("bad_picture", "what came is no picture that can be read"),
    RefusalCode("picture_too_large", "the picture, or all together, are too large", ("most",)),
    RefusalCode("address_refused", "the picture's address is not fetched, or gave none"),
    RefusalCode("bad_folder", "pictures are not saved in this folder", ("value",)),
    RefusalCode(
        "too_much_work", "the job asks for more megapixel-steps than one may", ("amount", "most")
    ),
    RefusalCode("too_many_pixels", "the result would be too large", ("width", "height", "most")),
)
NAME_CODES: tuple[RefusalCode, ...] = (
    RefusalCode("unknown_script", "the route has no such script", ("value",)),
    RefusalCode("unknown_setting", "there is no such setting", ("value",)),
    RefusalCode("unknown_field", "the plugin's form has no such field", ("value", "known")),
    RefusalCode("plugin_off", "a plugin brings it that is not on", ("value",)),
    RefusalCode("model_not_found", "no model of that name is here", ("value", "known")),
    RefusalCode("model_unusable", "the model is here and cannot be used", ("value",)),
    RefusalCode("model_unreadable", "the model's file is damaged, or cannot be loaded"),
    RefusalCode("no_vae", "the checkpoint has no VAE, and none was found for it", ("value",)),
    RefusalCode("wrong_architecture", "the weights were made for another architecture"),
    RefusalCode("unknown_style", "there is no style of that name"),
    RefusalCode("unknown_model", "there is no model of that name"),
    RefusalCode("no_such_model", "there is no model of that name to ask"),
    RefusalCode("unknown_service", "there is no service, path or entry of that name"),
    RefusalCode("unknown_worker", "no living worker has that id"),
    RefusalCode("no_such_plugin", "there is no plugin of that name"),
    RefusalCode("no_such_job", "there is no job of that id, or it is not the caller's"),
    RefusalCode("nothing_there", "what the address names is not there, or not for this caller"),
    RefusalCode("word_exists", "an embedding has that name already"),
)
CALLER_CODES: tuple[RefusalCode, ...] = (
    RefusalCode("not_authenticated", "no credential came"),
    RefusalCode("wrong_credential", "the credential is not known"),
    RefusalCode("forbidden", "the caller may not do this"),
    RefusalCode("too_many_tries", "too many wrong passwords; wait in seconds", ("wait",)),
    RefusalCode("quota_exceeded", "the caller's share is used up; see `quota`", ("wait",)),
    RefusalCode("too_many_groups", "too many groups read the queue"),
    RefusalCode("wrong_old_password", "the present password is another one"),
    RefusalCode("wrong_password_length", "the password is too short or too long"),
    RefusalCode("untypable_password", "the password holds what a form does not send"),
    RefusalCode("guessable_password", "the password is the user's name, or a common one"),
    RefusalCode("bad_user_name", "the name is no user's name"),
    RefusalCode("user_name_taken", "a user has that name already"),
    RefusalCode("only_admin", "the last administrator stays"),
)
REQUEST_CODES: tuple[RefusalCode, ...] = (
    RefusalCode("refused", "the sentence says why"),
    RefusalCode("bad_value", "a parameter of the address has no such value"),
    RefusalCode("bad_request", "the request cannot be carried out as written"),
    RefusalCode("too_large", "the body of the request is too long"),
    RefusalCode("malformed_body", "the body is not what HTTP/1.1 lets one be"),
    RefusalCode("unsupported_encoding", "the body is compressed in a way that is not read"),
    RefusalCode("slow_body", "the body came too slowly"),
    RefusalCode("job_too_large", "the job is too long for the queue"),
    RefusalCode("conflict", "what was asked does not go with what is there"),
    RefusalCode("not_built", "a route of AUTOMATIC1111's whose work Easel cannot do"),
    RefusalCode("not_posted", "the address is asked with POST"),
    RefusalCode("http_error", "what the server itself refuses"),
    RefusalCode("unstated", "the version that is to be replaced was not named"),
    RefusalCode("unable", "this cannot be done with such a file"),
    RefusalCode("not_ended", "the job has not ended yet"),
    RefusalCode("answer_gone", "the job's answer is not kept any more"),
    RefusalCode("no_answer", "no answer came in time"),
    RefusalCode("worker_stays", "the worker ends only with the service"),
    RefusalCode("stream_closed", "the queue was ended and takes nothing"),
    RefusalCode("job_stopped", "the job was stopped on request"),
    RefusalCode("bad_manifest", "the plugin's manifest cannot be read"),
    RefusalCode("bad_package", "the plugin's package cannot be used"),
    RefusalCode("withheld", "a plugin withheld the answer"),
)
FILE_CODES: tuple[RefusalCode, ...] = (
    RefusalCode("file_not_found", "no file or folder is there"),
    RefusalCode("file_forbidden", "the caller may not do this there"),
    RefusalCode("not_a_file", "it is no file"),
    RefusalCode("not_a_folder", "it is no folder"),
    RefusalCode("not_text", "the file is no text"),
    RefusalCode("bad_path", "it is no path"),
    RefusalCode("bad_time", "it is no moment"),
    RefusalCode("bad_search", "the search cannot be read"),
    RefusalCode("bad_archive", "the archive cannot be read"),
    RefusalCode("file_changed", "the file is another one by now"),
    RefusalCode("name_taken", "something of that name is there"),
    RefusalCode("too_much_content", "it is more than is read at once"),
    RefusalCode("file_too_large", "the file is larger than is taken"),
    RefusalCode("wrong_content", "the content does not fit the file's name"),
    RefusalCode("not_a_picture", "the file is no picture that can be shown"),
    RefusalCode("upload_version", "another version of the upload protocol is needed"),
    RefusalCode("upload_request", "the upload's request cannot be read"),
    RefusalCode("upload_offset", "the upload goes on at another place"),
    RefusalCode("upload_checksum", "the checksum does not fit what came"),
    RefusalCode("upload_busy", "somebody else writes to the upload"),
    RefusalCode("upload_over", "the upload has ended or expired"),
    RefusalCode("too_many_uploads", "too many uploads are begun"),
    RefusalCode("too_many_on_boards", "as many boards, pictures or stars as there may be"),
    RefusalCode("too_many_presets", "as many presets as a user may have"),
    RefusalCode("preset_name_taken", "another preset of the user's has this name"),
    RefusalCode("too_many_ratings", "as many stars and rejects as a user may have"),
)
SERVICE_CODES: tuple[RefusalCode, ...] = (
    RefusalCode("unavailable", "the service cannot answer now; wait in seconds", ("wait",)),
    RefusalCode("draining", "the service ends, and may be back soon", ("wait",)),
    RefusalCode("too_busy", "the caller asks for too much at once"),
    RefusalCode("overloaded", "the service has too much to do"),
    RefusalCode("disk_full", "the disk is full"),
    RefusalCode("cannot_save", "a picture could not be written"),
    RefusalCode("out_of_memory", "the memory does not suffice"),
    RefusalCode("not_a_number", "the network gave no numbers"),
    RefusalCode("timeout", "it took too long"),
    RefusalCode("answer_too_large", "the answer is too long for the queue"),
    RefusalCode("queue_failed", "the queue cannot be used now"),
    RefusalCode("plugin_failed", "a plugin failed"),
    RefusalCode("failed", "something failed; the service's log says what"),
)
GROUPS: Mapping[str, tuple[RefusalCode, ...]] = {
    "Fields": FIELD_CODES,
    "Pictures and work": PICTURE_CODES,
    "Names": NAME_CODES,
    "Callers": CALLER_CODES,
    "Requests": REQUEST_CODES,
    "Files": FILE_CODES,
    "The service": SERVICE_CODES,
}
CODES: Mapping[str, RefusalCode] = {code.name: code for group in GROUPS.values() for code in group}

FAULT_CODES: Mapping[str, str] = {
    "value_error.missing": "missing",
    "type_error.none.not_allowed": "null_value",
    "value_error.const": "unknown_name",
    "literal_error": "unknown_name",
    "enum": "unknown_name",
    "value_error.not_implemented": "not_implemented",
    "value_error.unicode": "not_unicode",
    "value_error.jsondecode": "bad_json",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "greater_than": "out_of_range",
    "less_than": "out_of_range",
    "string_too_long": "too_long",
    "too_long": "too_many",
}
"""By the kinds of pydantic's faults; others are ``wrong_type`` or ``invalid_value``."""

TYPE_ENDINGS = ("_type", "_parsing", "_from_float")  # of pydantic's kinds: int_type, bool_parsing
CONTEXT_NAMES: Mapping[str, str] = {
    "given": "value",
    "permitted": "known",
    "expected": "known",
    "ge": "least",
    "gt": "least",
    "le": "most",
    "lt": "most",
    "max_length": "most",
    "actual_length": "length",
}
"""Names in pydantic's contexts -> names of values."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refusal tells a program: its code, the field's path, what was asked and may be."""

    code: str
    field: str = ""
    values: Mapping[str, object] | None = None

    def to_json(self) -> dict[str, object]:
        """The keys beside the envelope."""
        values = {name: to_json_value(value) for name, value in (self.values or {}).items()}
        return {"code": self.code, "field": self.field, "values": values}


def describe_error(error: BaseException, sentence: str, code: str) -> Refusal:
    """What an exception tells; ``code`` is that of its class, where it names none itself.

    Where the exception names no field, or only its beginning, ``sentence`` does.
    """
    field = str(getattr(error, "field", "") or "")
    own = str(getattr(error, "code", "") or "")
    found = PLACE.match(sentence)
    path = dotted(found[1]) if found and hasattr(error, "field") else ""
    if not field or path.startswith(f"{dotted(field)}."):
        field = path
    return Refusal(own or code, dotted(field), getattr(error, "values", None))


def describe_fault(location: tuple[str | int, ...], kind: str, context: object) -> Refusal:
    """What one of pydantic's faults tells."""
    known = context if isinstance(context, Mapping) else {}
    values = {ours: known[name] for name, ours in CONTEXT_NAMES.items() if name in known}
    code = FAULT_CODES.get(kind, "")
    if not code and (kind.startswith("type_error.") or kind.endswith(TYPE_ENDINGS)):
        code = "wrong_type"
        values["expected"] = kind.removeprefix("type_error.").split("_")[0]
    if kind == "value_error.jsondecode":
        return Refusal(code)  # the location is a place in the text
    path = ".".join(map(str, location[1:]))
    return Refusal(code or "invalid_value", path, values)


def code_of_class(kind: type[BaseException]) -> str:
    """The code of an exception whose class is its meaning: ``NotBuilt`` is ``not_built``."""
    return LAST_WORD.sub("_", kind.__name__).lower()


def dotted(path: str) -> str:
    """A path with its indices between dots: ``args[0].weight`` is ``args.0.weight``."""
    return INDEX.sub(r".\1", path)


def to_json_value(value: object) -> object:
    """A value of bounded size that JSON has: no infinity, no long text."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json_value(item) for item in list(value)[:MAX_ITEMS]]
    return str(value)[:MAX_TEXT]
