"""``easel plugin new NAME``: a plugin that works, with a test."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from generator.data_folders import EXTENSIONS_FOLDER
from plugins.manifest import FILE, RESERVED_NAMES

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,39}")
USAGE = "easel plugin new NAME [--data-dir DIR]"

FILES = {
    FILE: """name = "{name}"
title = "{title}"
version = "0.1.0"
licence = "MIT"
description = "What it does, in a sentence."
hooks = ["routes", "parts", "task", "after_decode"]
""",
    "web.py": '''"""The part in the web process: routes, parts of the page. No torch here."""

from plugins import hook
from plugins.api import Ask, Input, Part, Reply, Route, Slot, Task


def hello(ask: Ask) -> Reply:
    """GET /plugins/{name}/hello"""
    return Reply({{"hello": ask.caller or "owner"}})


def shout(ask: Ask) -> Task:
    """POST /plugins/{name}/shout: worker.py does it."""
    return Task("shout", ask.body)


@hook
def routes():
    """Below /plugins/{name}/."""
    return [Route("/hello", hello), Route("/shout", shout, methods=("POST",))]


@hook
def parts():
    """A panel under the prompt; its fields come to worker.py in request.panels."""
    return [Part(Slot.PANEL, "{title}", form=[Input("words", "Words on the picture")])]
''',
    "worker.py": '''"""The part beside the networks."""

from PIL import ImageDraw

from plugins import hook


@hook
def task(verb, body, tell):
    """What web.py asks for."""
    if verb != "shout":
        raise ValueError(f"There is no task {{verb!r}}.")
    tell(0.5, "breathing in")
    return {{"shouted": str(body).upper()}}


@hook
def after_decode(image, request):
    """Write on the picture what the panel says."""
    words = request.panels.get("{name}", {{}}).get("words")
    if not words:
        return None
    signed = image.copy()
    ImageDraw.Draw(signed).text((4, 4), words, "white")
    return signed
''',
    "tests/test_{module}.py": '''"""Run it with Easel's Python: python -m pytest {folder}"""

import logging
from pathlib import Path

import pytest
from PIL import Image

from generator.request import GenerationRequest, Seeds
from plugins.host import Choice, Host, State
from plugins.api import Ask, Side
from webapp.version import VERSION

DATA_DIR = Path(__file__).parents[3]
NAME = "{name}"


def loaded(side: Side) -> Host:
    """Easel's own loader, with this plugin in it."""
    host = Host(side, DATA_DIR, VERSION, lambda name: {{}}, logging.getLogger())
    host.load(Choice())
    (mine,) = (each for each in host.standings if each.name == NAME)
    assert mine.state is State.ON, mine.fault
    return host


def test_its_routes_answer() -> None:
    routes = {{route.path: route for route in loaded(Side.WEB).ask_one(NAME, "routes")}}
    ask = Ask("GET", "/hello", {{}}, None, "ann", owner=False)
    assert routes["/hello"].answer(ask).body == {{"hello": "ann"}}
    assert routes["/shout"].answer(ask).verb == "shout"


def test_its_task_is_done() -> None:
    facts = {{"verb": "shout", "body": "hi", "tell": lambda share, text: True}}
    assert loaded(Side.WORKER).ask_one(NAME, "task", **facts) == {{"shouted": "HI"}}


@pytest.mark.parametrize("words", ["", "hello"])
def test_it_writes_on_pictures(words: str) -> None:
    image = Image.new("RGB", (64, 32))
    request = GenerationRequest("a", Seeds(1), panels={{NAME: {{"words": words}}}})
    facts = {{"image": image, "number": 0, "request": request, "draw": None}}
    signed = loaded(Side.WORKER).chain("after_decode", **facts)
    assert (signed.tobytes() != image.tobytes()) is bool(words)
''',
}
"""Path -> text; names in braces are filled in."""


def write_plugin(name: str, data_dir: Path) -> Path:
    """The folder of a new plugin. Raises ``ValueError`` for a bad name or one that is taken."""
    if not NAME_PATTERN.fullmatch(name) or name in RESERVED_NAMES:
        raise ValueError(f"{name!r}: letters a-z, digits, - and _ make a name; a letter begins it.")
    folder = data_dir / EXTENSIONS_FOLDER / name
    if folder.exists():
        raise ValueError(f"{folder} is there already.")
    words = {
        "name": name,
        "title": name.replace("-", " ").replace("_", " ").capitalize(),
        "module": name.replace("-", "_"),
        "folder": str(folder),
    }
    for path, text in FILES.items():
        file = folder / path.format(**words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(**words), encoding="utf-8")
    return folder


def main(words: Sequence[str], data_dir: Path) -> int:
    """``easel plugin new NAME``; 0, 1 for what cannot be done, 2 for other words."""
    if len(words) != 2 or words[0] != "new":
        print(f"usage: {USAGE}", file=sys.stderr)
        return 2
    try:
        folder = write_plugin(words[1], data_dir)
    except (ValueError, OSError) as error:
        print(f"easel: {error}", file=sys.stderr)
        return 1
    print(f"{folder} is written. Apply and reload on the Extensions page turns it on.")
    print(f"Its test: python -m pytest {folder}")
    return 0
