"""AUTOMATIC1111's recorded answers to every GET, replayed over the models of the recording."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import shared_folder
from tests.parity.service import Service

PAGES = ("/internal/", "/sd_extra_networks/")
"""The recording was made with --nowebui, which has none of the page's routes; Easel keeps them."""

EMPTY = {"/sdapi/v1/face-restorers", "/sdapi/v1/realesrgan-models"}
"""Lists of what is there; AUTOMATIC1111 lists what it would download."""

NULL = {"/sdapi/v1/cmd-flags"}
"""Where null stands for a flag that was not given or does nothing here."""


def recorded_lists() -> list[Any]:
    """Path, status and file of each recording."""
    folder = shared_folder() / "goldens"
    index = folder / "get/_index.json"
    if not index.is_file():
        return [pytest.param("", {}, marks=pytest.mark.skip("recordings are not here"))]
    return [pytest.param(*entry, id=entry[0]) for entry in json.loads(index.read_text()).items()]


def differences(ours: Any, theirs: Any, place: str = "") -> list[str]:
    """Where keys are missing or types differ. Ours may have more keys, and any word for null."""
    if theirs is None:
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict):
        missing = [f"{place}.{key} is missing" for key in theirs.keys() - ours.keys()]
        both = [key for key in theirs if key in ours]
        return missing + [
            line for key in both for line in differences(ours[key], theirs[key], f"{place}.{key}")
        ]
    if isinstance(theirs, list) and isinstance(ours, list):
        return [line for pair in pairs(ours, theirs) for line in differences(*pair, f"{place}[]")]
    return [] if kind(ours) == kind(theirs) else [f"{place}: {kind(ours)}, not {kind(theirs)}"]


def pairs(ours: list[Any], theirs: list[Any]) -> list[tuple[Any, Any]]:
    """Entries of the same name; of one without a namesake only the first entry's keys count."""
    named = dict(number_entries(theirs))
    first = theirs[0] if theirs else None
    keys = dict.fromkeys(first) if isinstance(first, dict) else first
    return [(entry, named.get(key, keys)) for key, entry in number_entries(ours)]


def number_entries(entries: list[Any]) -> Iterator[tuple[object, Any]]:
    """Entries by their name and by how many of that name came before."""
    seen: Counter[object] = Counter()
    for entry in entries:
        words = entry if isinstance(entry, dict) else {}
        name = next((words[key] for key in ("name", "title", "label") if key in words), None)
        yield (name, seen[name]), entry
        seen[name] += 1


def kind(value: Any) -> str:
    """A type as JSON knows it; AUTOMATIC1111 writes 80 as 80.0."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if numeric else type(value).__name__


@pytest.mark.parametrize(("path", "recording"), recorded_lists())
def test_recorded_gets(
    service: Service, goldens: Path, path: str, recording: dict[str, Any]
) -> None:
    answer = service.client.get(path)
    assert "X-Process-Time" in answer.headers
    if path == "/" or path.startswith(PAGES):
        assert answer.status_code != 404
        return
    assert answer.status_code == recording["status"]
    assert answer.content_type == recording["content_type"]
    file = goldens / recording["file"]
    if path == "/openapi.json" or not file.is_file():  # no text was kept of 404 and /docs
        return
    ours, theirs = answer.get_json(), json.loads(file.read_text())
    if isinstance(theirs, list):
        assert bool(ours) == (bool(theirs) and path not in EMPTY)
    elif path in NULL:
        theirs = {key: ours.get(key, 0) and value for key, value in theirs.items()}
    assert differences(ours, theirs) == []


def test_every_recorded_route_and_field_is_in_the_schema(service: Service, goldens: Path) -> None:
    ours = service.client.get("/openapi.json").get_json()
    theirs = json.loads((goldens / "openapi.json").read_text())
    wanted = list(fields_of(theirs))
    assert len(wanted) > 150
    assert sorted(set(wanted) - set(fields_of(ours))) == []


def fields_of(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Path, method and name of each parameter and of each field of each body."""
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, ""
            for parameter in operation.get("parameters", ()):
                yield path, method, parameter["name"]
            content = operation.get("requestBody", {}).get("content", {}).values()
            for schema in (kind["schema"] for kind in content):
                known = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
                yield from ((path, method, field) for field in known.get("properties", ()))
