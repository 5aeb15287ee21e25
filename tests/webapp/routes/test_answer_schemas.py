"""Answers are what /openapi.json says of them, and each module of routes has one factory."""

import inspect
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from flask import Blueprint
from pydantic import TypeAdapter, create_model

import webapp.routes
from webapp.http.openapi import RouteNote, schema_reference

EMPTY = {"[]", "{}"}


def route_modules() -> list[ModuleType]:
    """Every module below ``webapp.routes``."""
    found = pkgutil.walk_packages(webapp.routes.__path__, "webapp.routes.")
    return [import_module(each.name) for each in found if not each.ispkg]


def plain_gets(house: Any) -> dict[str, RouteNote]:
    """Notes by path of the GET routes without arguments whose answers have models."""
    notes = {
        rule.rule: getattr(house.app.view_functions[rule.endpoint], "openapi_note", None)
        for rule in house.app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.arguments
    }
    return {
        path: note for path, note in notes.items() if note and not isinstance(note.answer, Mapping)
    }


def test_each_module_of_routes_has_one_factory_and_no_blueprint_of_its_own() -> None:
    modules = route_modules()
    assert [m for m in modules for value in vars(m).values() if isinstance(value, Blueprint)] == []
    factories = [m.blueprint for m in modules if hasattr(m, "blueprint")]
    assert len(factories) > 35
    assert {len(inspect.signature(factory).parameters) for factory in factories} == {1}


def test_answers_fit_their_models_and_hold_nothing_else(build: Any) -> None:
    house = build()
    client, odd, checked = house.client(), {}, 0
    for path, note in plain_gets(house).items():
        answer = client.get(path)
        if answer.status_code != 200 or answer.get_data(as_text=True).strip() in EMPTY:
            continue
        adapter, body = TypeAdapter(note.answer), answer.get_json()
        if (
            adapter.dump_python(adapter.validate_json(answer.data, strict=True), mode="json")
            != body
        ):
            odd[path] = body
        checked += 1
    assert odd == {}
    assert checked > 25


def test_two_models_of_one_name_are_refused() -> None:
    schemas: dict[str, object] = {}
    schema_reference(create_model("Entry", name=(str, ...)), schemas)
    with pytest.raises(ValueError, match="the name Entry"):
        schema_reference(create_model("Entry", size=(int, ...)), schemas)
