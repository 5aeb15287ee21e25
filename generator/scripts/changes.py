"""Changes of one field of a request, as plots and lists of prompts make them. No torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

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


def same(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
    """No change."""
    return request


def whole(name: str) -> Change:
    """The request's own field of this name."""
    assert name in {field.name for field in fields(GenerationRequest)}
    return lambda request, value, among: replace(request, **{name: value})


def part(of: str, name: str) -> Change:
    """A field of one of the request's parts; nothing where the request does not have the part."""
    assert name in {field.name for field in fields(PARTS[of])}

    def change(request: GenerationRequest, value: Any, among: Sequence[Any]) -> GenerationRequest:
        found = getattr(request, of)
        if found is None:
            return request
        return replace(request, **{of: replace(found, **{name: value})})

    return change
