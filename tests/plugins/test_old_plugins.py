"""A plugin that was written before nouns.py was called api.py still loads."""

import importlib
import sys
from pathlib import Path

import pytest

from plugins.api import Route, Side, Slot
from plugins.plugin_status import State
from tests.plugins.plugin_files import load_host, make_plugin, status_of

WEB = """
from plugins.nouns import Ask, Input, Part, Reply, Route, Slot, Task

def hello(ask: Ask) -> Reply:
    return Reply({"hello": ask.caller or "owner"})

def shout(ask: Ask) -> Task:
    return Task("shout", ask.body)

@hook
def routes():
    return [Route("/hello", hello), Route("/shout", shout, methods=("POST",))]

@hook
def parts():
    return [Part(Slot.PANEL, "Old", form=[Input("words", "Words on the picture")])]
"""
WORKER = """
from PIL import ImageDraw

@hook
def task(verb, body, tell):
    return {"shouted": str(body).upper()}

@hook
def after_decode(image, request):
    words = request.panels.get("old", {}).get("words")
    return image if words else None
"""


@pytest.mark.parametrize("side", list(Side))
def test_a_plugin_of_the_old_template_loads(tmp_path: Path, side: Side) -> None:
    make_plugin(tmp_path, "old", web=WEB, worker=WORKER, hooks="routes parts task after_decode")
    host = load_host(tmp_path, side)
    status = status_of(host, "old")
    assert status.state is State.ON, status


def test_the_old_name_of_the_nouns_warns() -> None:
    sys.modules.pop("plugins.nouns", None)
    with pytest.warns(DeprecationWarning, match=r"plugins\.api"):
        nouns = importlib.import_module("plugins.nouns")
    assert nouns.Route is Route
    assert nouns.Slot is Slot
