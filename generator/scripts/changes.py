"""Changes of one field of a request, as plots and lists of prompts make them. No torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from generator.errors import BadRequest
from generator.faces.restorer_files import RESTORERS
from generator.request import GenerationRequest, HiresFix, Origin, Sampling, Seeds, Snapshot

Change = Callable[[GenerationRequest, Any, Sequence[Any]], GenerationRequest]
"""``change(request, value, among) -> request``; ``among`` are all the values of an axis."""

PARTS: Mapping[str, type] = MappingProxyType(
    {
        "seeds": Seeds,
        "sampling": Sampling,
        "options": Snapshot,
        "hires": HiresFix,
        "origin": Origin,
    }
)


YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def change_nothing(
    request: GenerationRequest, value: Any, among: Sequence[Any]
) -> GenerationRequest:
    """No change."""
    return request


def restore_faces(
    request: GenerationRequest, value: Any, among: Sequence[Any]
) -> GenerationRequest:
    """By a restorer's name, or by the one of the options; nobody for a word of :data:`NO`.

    Raises :class:`BadRequest` for a word that is neither.
    """
    word = str(value).lower()
    if word in (*NO, "none", ""):
        return replace(request, face_restorer="")
    by_word = {name.lower(): name for name in RESTORERS}
    by_word |= dict.fromkeys(YES, request.options.face_restoration_model)
    if word not in by_word:
        raise BadRequest(
            f"There is no face restorer {str(value)[:40]!r}; known: {', '.join(RESTORERS)}.",
            "script_args",
        )
    return replace(request, face_restorer=by_word[word])


def change_field(name: str) -> Change:
    """The request's own field of this name."""
    assert name in {field.name for field in fields(GenerationRequest)}
    return lambda request, value, among: replace(request, **{name: value})


def change_part(of: str, name: str) -> Change:
    """A field of one of the request's parts; nothing where the request does not have the part."""
    assert name in {field.name for field in fields(PARTS[of])}

    def change(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
        current = getattr(request, of)
        if current is None:
            return request
        return replace(request, **{of: replace(current, **{name: value})})

    return change
