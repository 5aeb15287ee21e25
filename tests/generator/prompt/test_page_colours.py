"""The table of cases that the page's colours agree with, read by the grammar that draws."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generator.prompt.edit_syntax import Alternation, Edit, Text, parse_edits
from generator.prompt.grammar import parse_attention, parse_extra_networks

TABLE = Path(__file__).parents[3] / "static" / "src" / "prompt" / "promptCases.json"
CASES: dict[str, list[dict[str, Any]]] = json.loads(TABLE.read_text())


@pytest.mark.parametrize("case", CASES["segments"], ids=lambda case: case["text"])
def test_weights_are_those_of_the_page(case: dict[str, Any]) -> None:
    found = [(segment.text, segment.weight) for segment in parse_attention(case["text"])]
    assert found == [(text, pytest.approx(weight)) for text, weight in case["runs"]]


@pytest.mark.parametrize("case", CASES["edits"], ids=lambda case: case["text"])
def test_edits_are_those_of_the_page(case: dict[str, Any]) -> None:
    whens: list[str] = []

    def boundary(when: str) -> int:
        whens.append(when)
        return len(whens) - 1

    tree = parse_edits(case["text"], boundary) or ()
    edits = [node for node in walk(tree) if isinstance(node, Edit)]
    choices = [node for node in walk(tree) if isinstance(node, Alternation)]
    # One that is tried and given up, within an open bracket, is told as well.
    assert sorted(whens[edit.boundary] for edit in edits) == sorted(case["whens"])
    assert len(choices) == case["choices"]


@pytest.mark.parametrize("case", CASES["tags"], ids=lambda case: case["text"])
def test_tags_are_those_of_the_page(case: dict[str, Any]) -> None:
    _, tags = parse_extra_networks(case["text"])
    assert [[tag.kind, *tag.arguments] for tag in tags] == case["tags"]


def walk(text: Text) -> Iterator[Edit | Alternation]:
    for node in text:
        if isinstance(node, Edit):
            yield node
            yield from walk(node.before)
            yield from walk(node.after)
        elif isinstance(node, Alternation):
            yield node
            for option in node.options:
                yield from walk(option)
