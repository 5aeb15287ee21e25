"""A plugin that declares every kind of field, in a tab, under the prompt and on pictures."""

from pathlib import Path

MANIFEST = """
name = "former"
title = "Former"
version = "1.0"
licence = "MIT"
description = "Forms of every kind."
hooks = ["parts", "routes"]
"""
WEB = """
from plugins import hook
from plugins.api import Input, Part, Reply, Route, Slot

FORM = (
    Input("words", "Your words", "text", "good day"),
    Input("amount", "Amount", "number", 0.5, least=0, most=1),
    Input("times", "Times", "number", 3, least=1, most=9, step=2),
    Input("whole", "Any number", "number", 7),
    Input("loud", "Loud", "switch", False),
    Input("tone", "Tone", "choice", "kind", choices=("kind", "short")),
)


@hook
def parts():
    return (
        Part(Slot.TAB, "Forms", form=FORM),
        Part(Slot.PANEL, "Formed", form=(Input("enabled", "On", "switch", False), *FORM)),
        Part(Slot.PICTURE, "Measure", form=(Input("unit", "Unit", "choice", "px", ("px", "cm")),)),
    )


def form(ask):
    fields = ask.body["fields"]
    if "image" in ask.body:
        return Reply({"text": f"{ask.body['title']}: {len(ask.body['image']) > 100}",
                      "images": [ask.body["image"].partition(",")[2]]})
    if fields["words"] == "wrong":
        faults = [{"loc": ["body", "words"], "msg": "say it otherwise"}]
        return Reply({"detail": faults}, status=422)
    if fields["words"] == "broken":
        raise RuntimeError("torn")
    if fields["words"] == "odd":
        return Reply({"anything": 1})
    return Reply({"text": repr(sorted(fields.items()))})


@hook
def routes():
    return (Route("/form", form, methods=("POST",)),)
"""


def bring_former(extensions: Path) -> None:
    """Write it."""
    folder = extensions / "former"
    folder.mkdir(parents=True)
    (folder / "easel-plugin.toml").write_text(MANIFEST)
    (folder / "web.py").write_text(WEB)
